package triggers_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	triggers "github.com/triggers-api/triggers/sdks/go"
)

const modulePath = "github.com/triggers-api/triggers/sdks/go"

// codeBlocks are the code blocks of a language in the README.
func codeBlocks(t *testing.T, language string) (blocks []string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```\n").FindAllSubmatch(readme, -1) {
		blocks = append(blocks, string(match[1])+"\n")
	}
	return blocks
}

// unindented drops what lines begin with, which differs between the README and the examples.
func unindented(code string) string {
	return regexp.MustCompile(`(?m)^[ \t]+`).ReplaceAllString(code, "")
}

func TestTheReadmesCodeIsInTheExamples(t *testing.T) {
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := codeBlocks(t, "go")
	if len(blocks) < 10 {
		t.Fatalf("the README has %d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		if !strings.HasPrefix(block, "package main\n") && !strings.Contains(unindented(string(examples)), unindented(block)) {
			t.Errorf("not in example_test.go:\n%s", block)
		}
	}
}

// printed is what a function prints, as it is called and until it returns.
func printed(t *testing.T, run func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = file
	defer func() {
		os.Stdout = stdout
		_ = file.Close()
	}()
	run()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExamples(t *testing.T) {
	t.Setenv("TRIGGERS_URL", triggers.NewServer(t))
	t.Setenv("TRIGGERS_API_KEY", "test-api-key-12345")
	t.Setenv("TRIGGERS_WEBHOOK_SECRET", "my-webhook-secret-0001")
	webhooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer webhooks.Close()
	t.Setenv("WEBHOOK_URL", webhooks.URL)
	var err error
	if client, err = triggers.NewClient(""); err != nil {
		t.Fatal(err)
	}
	for _, example := range []struct {
		name string
		run  func()
		want string
	}{
		{"ExampleNewClient", ExampleNewClient, "default\n"},
		{"ExampleEventsService_Create", ExampleEventsService_Create, "order.placed {\"order\":1042,\"total\":99.5} eu-west-1\n"},
		{"ExampleInboxService_All", ExampleInboxService_All, "order.placed\n"},
		{"ExampleEventsService_List", ExampleEventsService_List, "1 false\n"},
		{"ExampleInboxService_Consume", consumeOne, "order 7\n"},
		{"ExampleEventsService_CreateMany", ExampleEventsService_CreateMany, "3\n"},
		{"ExampleError", ExampleError, "there is no such event\n"},
		{"ExampleWithResponseInto", ExampleWithResponseInto, "200 application/json 1\n"},
		{"ExampleWebhookHandler", receiver(ExampleWebhookHandler), "user.created {\"order\":7}\norder.placed {\"order\":7}\norder.placed {\"order\":7}\n"},
		{"ExampleNewWebhookHandler", receiver(ExampleNewWebhookHandler), "user.created {\"order\":7}\norder 7\n"},
		{"ExampleWebhooksService_Create", ExampleWebhooksService_Create, "whsec_ success The receiver answered 204.\n"},
		{"ExampleWebhooksService_Update", withWebhook(ExampleWebhooksService_Update), "true The CRM true [order.*]\n"},
		{"ExampleWebhooksService_AllDeliveries", withWebhook(ExampleWebhooksService_AllDeliveries), ""},
		{"ExampleReplaysService_Wait", withWebhook(ExampleReplaysService_Wait), "completed 0\n"},
		{"ExampleEventsService_Trace", withWebhook(ExampleEventsService_Trace), "event_type event_type is user.created, the webhook wants order.*\n"},
	} {
		t.Run(example.name, func(t *testing.T) {
			if got := printed(t, example.run); got != example.want {
				t.Errorf("printed %q, want %q", got, example.want)
			}
		})
	}
}

// consumeOne lets the consumer have one event, and then ends it as an operator does.
func consumeOne() {
	created, err := client.Events.Create(ctx, triggers.EventParams{Source: "shop", EventType: "order.placed", Payload: map[string]int{"order": 7}})
	if err != nil {
		panic(err)
	}
	go func() {
		for range 1000 {
			event, err := client.Events.Get(ctx, created.EventID)
			if err == nil && event.Status == triggers.StatusAcknowledged {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
	ExampleInboxService_Consume()
}

// receiver lets a handler of /webhooks have three deliveries, of which the last is the one before once more.
func receiver(example func()) func() {
	return func() {
		http.DefaultServeMux = http.NewServeMux() // where an earlier run has registered the path
		example()
		for _, eventType := range []string{"user.created", "order.placed", "order.placed"} {
			body := fmt.Sprintf(`{"event_type":%q,"payload":{"order":7}}`, eventType)
			request := httptest.NewRequest("POST", "/webhooks", strings.NewReader(body))
			request.Header = triggers.SignWebhook([]byte(body), "msg_"+eventType, time.Now(), "my-webhook-secret-0001")
			recorder := httptest.NewRecorder()
			http.DefaultServeMux.ServeHTTP(recorder, request)
			if recorder.Code != http.StatusNoContent {
				fmt.Println("answered", recorder.Code)
			}
		}
	}
}

// withWebhook runs an example with a webhook, the only one there is.
func withWebhook(example func()) func() {
	return func() {
		for webhook, err := range client.Webhooks.All(ctx, triggers.WebhookListParams{}) {
			if err != nil {
				panic(err)
			}
			if err := client.Webhooks.Delete(ctx, webhook.WebhookID); err != nil {
				panic(err)
			}
		}
		made, err := client.Webhooks.Create(ctx, triggers.WebhookParams{URL: os.Getenv("WEBHOOK_URL"), Events: []string{"order.*"}})
		if err != nil {
			panic(err)
		}
		webhookID = made.WebhookID
		example()
	}
}

// The newcomer's walk as the README prints it, in a folder outside the repository, with the module as a proxy would serve it and as
// it is in the checkout.
func TestTheNewcomersWalk(t *testing.T) {
	shell := codeBlocks(t, "sh")
	if len(shell) != 3 || !strings.HasPrefix(shell[1], "mkdir first-event && cd first-event\n") || shell[2] != "go run .\n" {
		t.Fatalf("the walk's commands have changed: %q", shell)
	}
	var program string
	for _, block := range codeBlocks(t, "go") {
		if strings.HasPrefix(block, "package main\n") {
			program = block
		}
	}
	checkout, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	replace := fmt.Sprintf("go mod edit -replace '%s=%s'\n", modulePath, checkout)
	for name, c := range map[string]struct{ prepare, proxy string }{
		"from a module proxy": {shell[1], "file://" + moduleProxy(t)},
		// Nothing may come from elsewhere.
		"from the checkout": {strings.Replace(shell[1], "go get", replace+"go get", 1), "off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			environment := append(os.Environ(), "GOPROXY="+c.proxy, "GOSUMDB=off", "GONOPROXY=none", "GOPRIVATE=", "GOWORK=off", "GOTOOLCHAIN=local",
				"GOMODCACHE="+filepath.Join(t.TempDir(), "modules"), "GOFLAGS=-modcacherw", "TRIGGERS_URL="+triggers.NewServer(t))
			run := func(command, folder string) string {
				shell := exec.CommandContext(t.Context(), "sh", "-e", "-c", command)
				shell.Dir, shell.Env = folder, environment
				output, err := shell.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", command, err, output)
				}
				return string(output)
			}
			run(c.prepare, folder)
			folder = filepath.Join(folder, "first-event")
			if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(program), 0o600); err != nil {
				t.Fatal(err)
			}
			want := regexp.MustCompile(`^created [0-9a-f-]{36}\norder\.placed \{"order":1042\}\n$`)
			// Twice: had the first not acknowledged, the second would find two.
			for range 2 {
				if got := run(shell[2], folder); !want.MatchString(got) {
					t.Errorf("it prints %q", got)
				}
			}
			if sums, err := os.ReadFile(filepath.Join(folder, "go.sum")); err == nil && strings.Count(string(sums), "\n") > 2 {
				t.Errorf("the module has dependencies:\n%s", sums)
			}
		})
	}
}

// moduleProxy is a folder that serves this module as a proxy does, with the files that a release has.
func moduleProxy(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	version := "v" + triggers.Version
	versions := filepath.Join(folder, filepath.FromSlash(modulePath), "@v")
	if err := os.MkdirAll(versions, 0o700); err != nil {
		t.Fatal(err)
	}
	goMod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	writer := zip.NewWriter(&archive)
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "node_modules" {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := writer.Create(modulePath + "@" + version + "/" + filepath.ToSlash(path))
		if err != nil {
			return err
		}
		_, err = file.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"list":            []byte(version + "\n"),
		version + ".info": fmt.Appendf(nil, `{"Version":%q,"Time":"2026-01-01T00:00:00Z"}`, version),
		version + ".mod":  goMod,
		version + ".zip":  archive.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(versions, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}
