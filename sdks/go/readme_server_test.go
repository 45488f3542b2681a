package triggers

import (
	"errors"
	"testing"
)

// NewServer starts a server of the test's own, for tests outside the package; it ends with the test.
func NewServer(t testing.TB) (url string) {
	t.Helper()
	started, err := spawnServer()
	if errors.Is(err, errNoServer) {
		t.Skip("SKIPPED: " + err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(started.stop)
	return started.url
}
