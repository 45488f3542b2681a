package triggers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The development key of a server that serves its own machine alone.
const developmentKey = "test-api-key-12345"

// errNoServer: the tests run where there is no server's source, or nothing to run it with.
var errNoServer = errors.New("no server: this is not the repository with its dependencies installed")

func TestMain(m *testing.M) {
	// A developer's own settings must not reach the tests.
	for _, name := range []string{"TRIGGERS_URL", "TRIGGERS_API_KEY", "TRIGGERS_SIGNING_SECRET"} {
		_ = os.Unsetenv(name)
	}
	code := m.Run()
	stopSharedServer()
	os.Exit(code)
}

// server is a real server's process, with a data directory of its own.
type server struct {
	url       string
	process   *exec.Cmd
	directory string
}

// spawnServer starts the repository's server and returns when it answers.
func spawnServer(settings ...string) (*server, error) {
	root := filepath.Join("..", "..")
	entrypoint := filepath.Join(root, "apps", "api", "src", "entrypoints", "server.mjs")
	node := filepath.Join(root, "node_modules", ".bin", "node")
	for _, path := range []string{entrypoint, node} {
		if _, err := os.Stat(path); err != nil {
			return nil, errNoServer
		}
	}
	directory, err := os.MkdirTemp("", "triggers-go-")
	if err != nil {
		return nil, err
	}
	process := exec.Command(node, entrypoint)
	process.Env = append(os.Environ(), "PORT=0", "DATA_DIR="+directory, "RATE_LIMIT_PER_MINUTE=0", "LOG_LEVEL=error")
	process.Env = append(process.Env, settings...)
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	started := &server{process: process, directory: directory}
	found := make(chan string, 1)
	go func() {
		defer close(found)
		line := regexp.MustCompile(`Triggers runs at (http://\S+)/v1`)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if match := line.FindStringSubmatch(lines.Text()); match != nil {
				found <- match[1]
				break
			}
		}
		// A full pipe would stop the server.
		_, _ = io.Copy(io.Discard, output)
	}()
	select {
	case url, ok := <-found:
		if ok {
			started.url = url
			return started, nil
		}
		err = errors.New("the server ended before it said where it runs")
	case <-time.After(time.Minute):
		err = errors.New("the server did not say where it runs")
	}
	started.stop()
	return nil, err
}

func (s *server) stop() {
	_ = s.process.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(15*time.Second, func() { _ = s.process.Process.Kill() })
	_ = s.process.Wait()
	kill.Stop()
	_ = os.RemoveAll(s.directory)
}

var shared struct {
	once   sync.Once
	server *server
	err    error
}

func stopSharedServer() {
	if shared.server != nil {
		shared.server.stop()
	}
}

// realServer is the address of the one server that all tests share; it has the development key. Tests tell their events apart by
// source. Outside the repository they are skipped.
func realServer(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = spawnServer() })
	if errors.Is(shared.err, errNoServer) {
		t.Skip("SKIPPED: " + shared.err.Error())
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server.url
}

// realClient is a client of the shared server.
func realClient(t testing.TB, options ...Option) *Client {
	t.Helper()
	return newTestClient(t, realServer(t), options...)
}

// newTestClient is a client with the development key. Its connections end with the test.
func newTestClient(t testing.TB, url string, options ...Option) *Client {
	t.Helper()
	client, err := NewClient(developmentKey, append([]Option{WithBaseURL(url)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.core.defaults.httpClient.CloseIdleConnections)
	return client
}

// withoutWaits lets a client's waits pass at once, and gives the list of them, which grows with the calls.
func withoutWaits(client *Client) func() []time.Duration {
	var mutex sync.Mutex
	var waits []time.Duration
	client.core.wait = func(ctx context.Context, delay time.Duration) error {
		mutex.Lock()
		defer mutex.Unlock()
		waits = append(waits, delay)
		return ctx.Err()
	}
	return func() []time.Duration {
		mutex.Lock()
		defer mutex.Unlock()
		return slices.Clone(waits)
	}
}

// uniqueSource is a source that no other test uses.
func uniqueSource() string { return "test-" + newUUID() }

// sentRequest is what a faulty server was sent.
type sentRequest struct {
	method string
	// target is path and query, as they were sent.
	target string
	header http.Header
	body   string
}

// faultyServer answers the first requests with the given handlers, one each, and all further ones with the last.
func faultyServer(t testing.TB, handlers ...http.HandlerFunc) (url string, requests func() []sentRequest) {
	t.Helper()
	var mutex sync.Mutex
	var seen []sentRequest
	faulty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mutex.Lock()
		handler := handlers[min(len(seen), len(handlers)-1)]
		seen = append(seen, sentRequest{r.Method, r.RequestURI, r.Header, string(body)})
		mutex.Unlock()
		handler(w, r)
	}))
	t.Cleanup(faulty.Close)
	return faulty.URL, func() []sentRequest {
		mutex.Lock()
		defer mutex.Unlock()
		return slices.Clone(seen)
	}
}

// answer is a handler that answers with a status and a JSON body; headers are name and value in turn.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-ID", r.Header.Get("X-Request-ID"))
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// refuse is a handler that answers with an error.
func refuse(status int, code string, headers ...string) http.HandlerFunc {
	return answer(status, fmt.Sprintf(`{"error":{"code":%q,"message":"No.","details":{},"request_id":"r"}}`, code), headers...)
}

// reset is a handler that ends the connection without an answer.
func reset(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }

// halfAnswer is a handler that ends the connection in the middle of the body.
func halfAnswer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, `{"event_id":`)
	// Else nothing of it would be sent, and net/http itself sends a read again where a connection that was used before ends like that.
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// newSilentLog is for servers whose connections fail on purpose.
func newSilentLog() *log.Logger { return log.New(io.Discard, "", 0) }
