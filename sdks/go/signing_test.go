package triggers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

type signingVector struct {
	Name         string `json:"name"`
	Method       string `json:"method"`
	Path         string `json:"path"`
	Query        string `json:"query"`
	Timestamp    string `json:"timestamp"`
	BodyBase64   string `json:"body_base64"`
	Secret       string `json:"secret"`
	StringToSign string `json:"string_to_sign"`
	Signature    string `json:"signature"`
}

func (v signingVector) target() string {
	if v.Query == "" {
		return v.Path
	}
	return v.Path + "?" + v.Query
}

// signingVectors are the repository's, which all implementations share.
func signingVectors(t testing.TB) []signingVector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "vectors", "request-signing.json"))
	if os.IsNotExist(err) {
		t.Skip("SKIPPED: the vectors are in the repository, and this is outside of it")
	}
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []signingVector `json:"cases"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no vectors")
	}
	return file.Cases
}

func TestSignRequestMakesEveryVector(t *testing.T) {
	for _, vector := range signingVectors(t) {
		t.Run(vector.Name, func(t *testing.T) {
			body, err := base64.StdEncoding.DecodeString(vector.BodyBase64)
			if err != nil {
				t.Fatal(err)
			}
			seconds, err := strconv.ParseInt(vector.Timestamp, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if text := stringToSign(vector.Method, vector.target(), vector.Timestamp, body); text != vector.StringToSign {
				t.Errorf("signs %q, want %q", text, vector.StringToSign)
			}
			header := http.Header{}
			SignRequest(header, strings.ToLower(vector.Method), vector.target(), body, vector.Secret, time.Unix(seconds, 0))
			want := map[string]string{"X-Signature-Version": "v1", "X-Signature-Timestamp": vector.Timestamp, "X-Signature": vector.Signature}
			for name, value := range want {
				if header.Get(name) != value {
					t.Errorf("%s is %q, want %q", name, header.Get(name), value)
				}
			}
		})
	}
}

func TestClientSignsTheTargetThatIsSent(t *testing.T) {
	url, requests := faultyServer(t, answer(http.StatusOK, `{"events":[],"pagination":{"next_cursor":null,"limit":50}}`))
	client := newTestClient(t, url+"/behind/a proxy/", WithSigningSecret("sign_x"))
	moment := time.Unix(1763712000, 0)
	client.core.now = func() time.Time { return moment }
	_, err := client.Inbox.List(context.Background(), InboxListParams{
		Source:       Ptr("a b+c&d=é%"),
		CreatedAfter: Ptr(time.Date(2025, 11, 21, 9, 0, 0, 123456789, time.FixedZone("CET", 3600))),
		Metadata:     map[string]string{"region": "eu/west"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = client.Events.Get(context.Background(), "a/b?c#é")
	wanted := []string{
		"/behind/a%20proxy/v1/inbox?created_after=2025-11-21T08%3A00%3A00.123456Z&metadata.region=eu%2Fwest&source=a+b%2Bc%26d%3D%C3%A9%25",
		"/behind/a%20proxy/v1/events/a%2Fb%3Fc%23%C3%A9",
	}
	for i, sent := range requests() {
		if sent.target != wanted[i] {
			t.Errorf("target %s, want %s", sent.target, wanted[i])
		}
		if !isSigned(sent, "sign_x") {
			t.Errorf("%s is not signed as it was sent", sent.target)
		}
	}
}

// isSigned checks a signature the way a server does, with nothing of the client's own.
func isSigned(sent sentRequest, signingSecret string) bool {
	path, query, _ := strings.Cut(sent.target, "?")
	hash := sha256.Sum256([]byte(sent.body))
	mac := hmac.New(sha256.New, []byte(signingSecret))
	for _, part := range []string{sent.method, path, query, sent.header.Get("X-Signature-Timestamp")} {
		mac.Write([]byte(part + "\n"))
	}
	mac.Write([]byte(hex.EncodeToString(hash[:])))
	return sent.header.Get("X-Signature-Version") == "v1" &&
		sent.header.Get("X-Signature") == base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestEveryTryIsSignedAnew(t *testing.T) {
	url, requests := faultyServer(t, refuse(503, CodeServiceUnavailable), reset, answer(http.StatusCreated, `{}`))
	client := newTestClient(t, url, WithSigningSecret("sign_x"))
	withoutWaits(client)
	// The clock stands still, as it seems to within a second.
	client.core.now = func() time.Time { return time.Unix(1763712000, 0) }
	if _, err := client.Events.Create(context.Background(), EventParams{Source: "s", EventType: "t", Payload: map[string]any{}}); err != nil {
		t.Fatal(err)
	}
	signatures := map[string]bool{}
	for _, sent := range requests() {
		if !isSigned(sent, "sign_x") {
			t.Error("a try is not signed")
		}
		signatures[sent.header.Get("X-Signature")] = true
	}
	if len(signatures) != 3 {
		t.Errorf("%d signatures for 3 tries", len(signatures))
	}
}

func TestWithoutASigningSecretNothingIsSigned(t *testing.T) {
	url, requests := faultyServer(t, answer(http.StatusOK, `{}`))
	t.Setenv("TRIGGERS_SIGNING_SECRET", "sign_environment")
	unsigned := newTestClient(t, url, WithSigningSecret(""))
	fromEnvironment := newTestClient(t, url)
	for _, client := range []*Client{unsigned, fromEnvironment} {
		if _, err := client.Whoami(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if requests()[0].header.Get("X-Signature") != "" {
		t.Error("signed with an empty secret")
	}
	if !isSigned(requests()[1], "sign_environment") {
		t.Error("not signed with TRIGGERS_SIGNING_SECRET")
	}
}

func FuzzStringToSign(f *testing.F) {
	for _, vector := range signingVectors(f) {
		body, _ := base64.StdEncoding.DecodeString(vector.BodyBase64)
		f.Add(vector.Method, vector.Path, vector.Query, vector.Timestamp, body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, timestamp string, body []byte) {
		// None of these can be in what is sent, so that the lines can be told apart.
		if strings.ContainsAny(method+path+query+timestamp, "\n") || strings.Contains(path, "?") {
			t.Skip()
		}
		hash := sha256.Sum256(body)
		lines := strings.Split(stringToSign(method, path+"?"+query, timestamp, body), "\n")
		want := []string{strings.ToUpper(method), path, query, timestamp, hex.EncodeToString(hash[:])}
		if len(lines) != len(want) {
			t.Fatalf("%d lines", len(lines))
		}
		for i := range want {
			if lines[i] != want[i] {
				t.Errorf("line %d is %q, want %q", i, lines[i], want[i])
			}
		}
		if query == "" && stringToSign(method, path, timestamp, body) != stringToSign(method, path+"?", timestamp, body) {
			t.Error("an empty query signs unlike none")
		}
	})
}
