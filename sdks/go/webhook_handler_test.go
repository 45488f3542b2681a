package triggers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// delivery is a body of an event of a type, whose payload is {"order": 7}.
func delivery(eventType string) []byte {
	return fmt.Appendf(nil, `{"event_id":%q,"event_type":%q,"payload":{"order":7}}`, someEventID, eventType)
}

// receive gives a handler a request, and returns what it answers.
func receive(handler http.Handler, request *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func nothing(context.Context, *WebhookEvent) error { return nil }

func TestWebhookMuxRunsOneHandler(t *testing.T) {
	for eventType, want := range map[string]string{
		"order.placed":              "order.placed",
		"order.placed.late":         "order.*",
		"order.refund.asked":        "order.refund.*",
		"order.refund":              "order.*",
		"order.":                    "order.*",
		"order":                     "*",
		"orders.placed":             "*",
		"webhook.test":              "*",
		".":                         "*",
		"triggers.webhook.disabled": "triggers.webhook.*",
		"triggers.delivery.dead":    "unhandled",
	} {
		t.Run(eventType, func(t *testing.T) {
			var got []string
			handle := func(name string) func(context.Context, *WebhookEvent) error {
				return func(_ context.Context, event *WebhookEvent) error {
					if event.EventType != eventType || event.MessageID != "msg_1" {
						t.Errorf("got %+v", event)
					}
					got = append(got, name)
					return nil
				}
			}
			mux := NewWebhookHandler([]string{webhookSecret})
			for _, pattern := range []string{"*", "order.placed", "order.*", "order.refund.*", "triggers.webhook.*"} {
				mux.On(pattern, handle(pattern))
			}
			mux.OnUnhandled(handle("unhandled"))
			if answer := receive(mux, signedRequest(delivery(eventType), "msg_1", time.Now())); answer.Code != 204 || fmt.Sprint(got) != "["+want+"]" {
				t.Errorf("%d by %v", answer.Code, got)
			}
		})
	}
	t.Run("none at all", func(t *testing.T) {
		if answer := receive(NewWebhookHandler([]string{webhookSecret}), signedRequest(delivery("a"), "msg_1", time.Now())); answer.Code != 204 {
			t.Errorf("answered %d", answer.Code)
		}
	})
}

func TestOnTypeDecodesThePayload(t *testing.T) {
	type order struct {
		Order int `json:"order"`
	}
	var told error
	var orders []int
	mux := NewWebhookHandler([]string{webhookSecret}, WithOnError(func(_ context.Context, err error) { told = err }))
	OnType(mux, "order.*", func(_ context.Context, event *WebhookEvent, payload order) error {
		orders = append(orders, payload.Order)
		return nil
	})
	standard := fmt.Appendf(nil, `{"type":"order.placed","timestamp":"2026-01-01T00:00:00Z","data":%s}`, delivery("order.placed"))
	for _, body := range [][]byte{delivery("order.placed"), standard} {
		if answer := receive(mux, signedRequest(body, "msg_1", time.Now())); answer.Code != 204 {
			t.Errorf("%d: %s", answer.Code, answer.Body)
		}
	}
	if fmt.Sprint(orders) != "[7 7]" || told != nil {
		t.Errorf("got %v, told %v", orders, told)
	}
	body := []byte(`{"event_id":"e","event_type":"order.placed","payload":{"order":"secret words"}}`)
	answer := receive(mux, signedRequest(body, "msg_1", time.Now()))
	var failure *WebhookError
	if answer.Code != 500 || len(orders) != 2 || !errors.As(told, &failure) || failure.Stage != WebhookStageHandle || failure.Event.EventID != "e" {
		t.Errorf("%d, told %v", answer.Code, told)
	}
	if strings.Contains(answer.Body.String()+told.Error(), "secret words") {
		t.Errorf("says %s, %v", answer.Body, told)
	}
}

func TestHandlersThatCannotBeRefuseToStart(t *testing.T) {
	secrets := []string{webhookSecret}
	for name, start := range map[string]func(){
		"no secret":         func() { NewWebhookHandler(nil) },
		"an empty secret":   func() { NewWebhookHandler([]string{""}) },
		"no bytes":          func() { NewWebhookHandler(secrets, WithMaxBytes(0)) },
		"a star within":     func() { NewWebhookHandler(secrets).On("us*er", nothing) },
		"a star at its end": func() { NewWebhookHandler(secrets).On("user*", nothing) },
		"two stars":         func() { NewWebhookHandler(secrets).On("*.*", nothing) },
		"a dot and a star":  func() { NewWebhookHandler(secrets).On(".*", nothing) },
		"no pattern":        func() { NewWebhookHandler(secrets).On("", nothing) },
		"no function":       func() { NewWebhookHandler(secrets).On("user.*", nil) },
		"no typed function": func() { OnType[int](NewWebhookHandler(secrets), "user.*", nil) },
		"a pattern twice": func() {
			mux := NewWebhookHandler(secrets)
			mux.On("user.*", nothing)
			mux.On("user.*", nothing)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if said, ok := recover().(string); !ok || !strings.HasPrefix(said, "triggers: ") {
					t.Errorf("it starts, or says %q", said)
				}
			}()
			start()
		})
	}
}

func TestWebhookHandlerAnswers(t *testing.T) {
	body, now := delivery("order.placed"), time.Now()
	secretWords := errors.New("secret words")
	foreign := signedRequest(body, "msg_1", now)
	foreign.Header = SignWebhook(body, "msg_1", now, "my-webhook-secret-0001")
	malformed := signedRequest(body, "msg_1", now)
	malformed.Header.Set("Webhook-Signature", "v1,AAAA")
	get := signedRequest(body, "msg_1", now)
	get.Method = http.MethodGet
	for name, test := range map[string]struct {
		request *http.Request
		handle  func() error
		status  int
		says    string
		stage   WebhookStage
		told    error
	}{
		"done":             {request: signedRequest(body, "msg_1", now), status: 204},
		"a GET":            {request: get, status: 405, says: "POST"},
		"another secret":   {request: foreign, status: 401, says: "the secret is another one", stage: WebhookStageVerify, told: ErrNoMatchingSignature},
		"too old":          {request: signedRequest(body, "msg_1", now.Add(-time.Hour)), status: 401, says: "too old", stage: WebhookStageVerify, told: ErrMessageTooOld},
		"too new":          {request: signedRequest(body, "msg_1", now.Add(time.Hour)), status: 401, says: "too new", stage: WebhookStageVerify, told: ErrMessageTooNew},
		"no signature":     {request: httptest.NewRequest("POST", "/", bytes.NewReader(body)), status: 400, says: "Webhook-Id", stage: WebhookStageVerify, told: ErrMissingHeader},
		"a malformed one":  {request: malformed, status: 400, says: "malformed", stage: WebhookStageVerify, told: ErrMalformedHeader},
		"no event":         {request: signedRequest([]byte("[]"), "msg_1", now), status: 400, says: "JSON object", stage: WebhookStageVerify, told: ErrMalformedBody},
		"an event of none": {request: signedRequest([]byte("{}"), "msg_1", now), status: 400, says: "event_type", stage: WebhookStageVerify, told: ErrMalformedBody},
		"too large": {
			// Before anything is verified.
			request: httptest.NewRequest("POST", "/", bytes.NewReader(make([]byte, 201))), status: 413, says: "200 bytes", stage: WebhookStageVerify,
		},
		"an error": {request: signedRequest(body, "msg_1", now), handle: func() error { return secretWords }, status: 500, stage: WebhookStageHandle, told: secretWords},
		"a panic":  {request: signedRequest(body, "msg_1", now), handle: func() error { panic("secret words") }, status: 500, stage: WebhookStageHandle},
		"a panic with an error": {
			request: signedRequest(body, "msg_1", now), handle: func() error { panic(secretWords) }, status: 500, stage: WebhookStageHandle, told: secretWords,
		},
		"an aborting panic": {
			request: signedRequest(body, "msg_1", now), handle: func() error { panic(http.ErrAbortHandler) }, status: 500, stage: WebhookStageHandle,
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			var told error
			mux := NewWebhookHandler([]string{webhookSecret}, WithMaxBytes(200), WithOnError(func(_ context.Context, err error) { told = err }))
			mux.On("*", func(context.Context, *WebhookEvent) error {
				calls++
				if test.handle == nil {
					return nil
				}
				return test.handle()
			})
			answer := receive(mux, test.request)
			text := answer.Body.String()
			if answer.Code != test.status || !strings.Contains(text, test.says) || strings.Contains(text, "secret words") {
				t.Errorf("answered %d: %s", answer.Code, text)
			}
			if want := test.status == 204 || test.status == 500; want != (calls == 1) {
				t.Errorf("%d calls", calls)
			}
			if (answer.Code == 405) != (answer.Header().Get("Allow") == "POST") {
				t.Errorf("allows %q", answer.Header().Get("Allow"))
			}
			var failure *WebhookError
			if test.stage == "" {
				if told != nil {
					t.Errorf("told %v", told)
				}
				return
			}
			if !errors.As(told, &failure) || failure.Stage != test.stage || (failure.Event != nil) != (test.stage == WebhookStageHandle) || !errors.Is(told, test.told) && test.told != nil {
				t.Errorf("told %+v", told)
			}
			if strings.Contains(name, "panic") != (failure.Stack != nil) || strings.Contains(told.Error(), "\n") {
				t.Errorf("told %s, %s", told, failure.Stack)
			}
		})
	}
}

func TestWhatIsLoggedOfDeliveries(t *testing.T) {
	var log bytes.Buffer
	former := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(former)
	broken := func(context.Context, *WebhookEvent) error { panic("the database is away") }
	if receive(WebhookHandler([]string{webhookSecret}, broken), httptest.NewRequest("POST", "/", strings.NewReader("{}"))); log.Len() != 0 {
		t.Errorf("what anybody can send fills the log: %s", &log)
	}
	receive(WebhookHandler([]string{webhookSecret}, broken), signedRequest(delivery("a"), "msg_1", time.Now()))
	if text := log.String(); !strings.Contains(text, "the database is away") || !strings.Contains(text, someEventID) || !strings.Contains(text, "webhook_handler_test.go") {
		t.Errorf("logs %s", text)
	}
	log.Reset()
	answer := receive(WebhookHandler([]string{webhookSecret}, broken, WithOnError(func(context.Context, error) { panic("a bug") })), signedRequest(delivery("a"), "msg_1", time.Now()))
	if answer.Code != 500 || !strings.Contains(log.String(), "a bug") {
		t.Errorf("answers %d, logs %s", answer.Code, &log)
	}
}

// memory is a SeenMessages, some of whose calls fail.
type memory struct {
	mutex    sync.Mutex
	ids      map[string]bool
	has, add error
}

func (m *memory) Has(_ context.Context, messageID string) (bool, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.ids[messageID], m.has
}

func (m *memory) Add(_ context.Context, messageID string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.add == nil {
		m.ids[messageID] = true
	}
	return m.add
}

func TestWebhookSeenMessages(t *testing.T) {
	body := delivery("order.placed")
	away := errors.New("the table is away")
	plain := httptest.NewRequest("POST", "/", bytes.NewReader(body))
	plain.Header.Set("X-Webhook-Signature", plainSignature(webhookSecret, body))
	for name, test := range map[string]struct {
		has, add error
		outcomes []error // of the function, call by call
		answers  []int
		ids      string
		stages   string
	}{
		"handles a message once":                   {outcomes: []error{nil}, answers: []int{204, 204}, ids: "map[msg_1:true]", stages: "[]"},
		"handles again what failed":                {outcomes: []error{away, nil}, answers: []int{500, 204, 204}, ids: "map[msg_1:true]", stages: "[handle]"},
		"handles nothing where it cannot ask":      {has: away, answers: []int{500}, ids: "map[]", stages: "[seen]"},
		"is done where it could not be told of it": {add: away, outcomes: []error{nil, nil}, answers: []int{204, 204}, ids: "map[]", stages: "[seen seen]"},
	} {
		t.Run(name, func(t *testing.T) {
			calls, seen := 0, &memory{ids: map[string]bool{}, has: test.has, add: test.add}
			var stages []WebhookStage
			handler := WebhookHandler([]string{webhookSecret}, func(context.Context, *WebhookEvent) error {
				calls++
				return test.outcomes[calls-1]
			}, WithSeen(seen), WithOnError(func(_ context.Context, err error) {
				var failure *WebhookError
				if !errors.As(err, &failure) || !errors.Is(err, away) || failure.Event.EventID != someEventID {
					t.Errorf("told %v", err)
					return
				}
				stages = append(stages, failure.Stage)
			}))
			for i, status := range test.answers {
				if answer := receive(handler, signedRequest(body, "msg_1", time.Now())); answer.Code != status {
					t.Errorf("answer %d is %d, want %d", i+1, answer.Code, status)
				}
			}
			if calls != len(test.outcomes) || fmt.Sprint(seen.ids) != test.ids || fmt.Sprint(stages) != test.stages {
				t.Errorf("%d calls, %v seen, told %v", calls, seen.ids, stages)
			}
		})
	}
	t.Run("knows the plain form by its event", func(t *testing.T) {
		seen := memory{ids: map[string]bool{}}
		receive(WebhookHandler([]string{webhookSecret}, nothing, WithSeen(&seen), AllowPlain()), plain)
		if fmt.Sprint(seen.ids) != "map[msg_"+strings.ReplaceAll(someEventID, "-", "")+":true]" {
			t.Errorf("seen %v", seen.ids)
		}
	})
}

func TestAMessageThatIsBeingHandledIsWaitedFor(t *testing.T) {
	body := delivery("order.placed")
	for name, test := range map[string]struct {
		end    func() error
		status int
	}{
		"done":        {func() error { return nil }, 204},
		"failed":      {func() error { return errors.New("no") }, 500},
		"panicked":    {func() error { panic("no") }, 500},
		"ended oddly": {func() error { runtime.Goexit(); return nil }, 500},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, release := 0, make(chan struct{})
				seen := &memory{ids: map[string]bool{}}
				handler := WebhookHandler([]string{webhookSecret}, func(ctx context.Context, event *WebhookEvent) error {
					if event.MessageID != "msg_1" {
						return nil
					}
					calls++
					<-release
					if ctx.Err() != nil {
						t.Errorf("the sender that gave up has stopped the work: %v", ctx.Err())
					}
					return test.end()
				}, WithSeen(seen), WithOnError(func(context.Context, error) {}))
				answers := make([]int, 3)
				var group sync.WaitGroup
				// The first sender gives up, and so does the third; the second waits.
				gaveUp, giveUp := context.WithCancel(t.Context())
				for i, ctx := range []context.Context{gaveUp, t.Context(), gaveUp} {
					group.Go(func() {
						answers[i] = receive(handler, signedRequest(body, "msg_1", time.Now()).WithContext(ctx)).Code
					})
					synctest.Wait()
				}
				if answer := receive(handler, signedRequest(body, "msg_2", time.Now())); answer.Code != 204 {
					t.Errorf("another message is held up: %d", answer.Code)
				}
				giveUp()
				synctest.Wait()
				if answers[2] != 500 || answers[1] != 0 {
					t.Errorf("answered %v before the end", answers)
				}
				close(release)
				group.Wait()
				if calls != 1 || answers[1] != test.status || answers[0] != test.status && name != "ended oddly" {
					t.Errorf("%d calls, answered %v", calls, answers)
				}
				// And it is not taken for running any more.
				if test.status == 500 && name != "ended oddly" {
					if receive(handler, signedRequest(body, "msg_1", time.Now())); calls != 2 {
						t.Errorf("%d calls", calls)
					}
				}
			})
		})
	}
}

// Whatever comes, the handler answers with one of its answers, and calls no function but for what was signed.
func FuzzWebhookHandler(f *testing.F) {
	cases, _ := webhookVectors(f)
	for _, v := range cases {
		f.Add("POST", v.body(f), v.WebhookID, v.WebhookTimestamp, v.WebhookSignature, v.XWebhookSignature)
	}
	f.Add("GET", []byte(nil), "", "", "", "")
	f.Add("POST", []byte(`{"type":"a.b","data":{"event_type":"triggers.delivery.dead","payload":{"attempt_count":"x"}}}`), "msg_1", "0", "v1,", "0")
	f.Add("POST", []byte(`{"event_type":"order.placed","payload":[{"order":1e999}]}`), "msg_1", "0", "v1,", "0")
	f.Fuzz(func(t *testing.T, method string, body []byte, id, timestamp, signature, plain string) {
		calls := 0
		mux := NewWebhookHandler([]string{webhookSecret}, AllowPlain(), WithMaxBytes(4096), WithSeen(&memory{ids: map[string]bool{}}),
			WithOnError(func(_ context.Context, err error) { _ = err.Error() }))
		mux.On("*", func(context.Context, *WebhookEvent) error { calls++; return nil })
		OnType(mux, "order.*", func(context.Context, *WebhookEvent, struct{ Order int }) error { calls++; return nil })
		OnType(mux, TypeDeliveryDead, func(context.Context, *WebhookEvent, DeliveryDead) error { calls++; return nil })
		request := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		request.Method = method
		request.Header = http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature}, "X-Webhook-Signature": {plain}}
		answer := receive(mux, request)
		isSigned := strings.Contains(" "+signature+" ", " "+standardSignature(webhookSecret, id, timestamp, body)+" ")
		switch answer.Code {
		case 204, 500:
			if !isSigned || method != "POST" {
				t.Fatalf("took %s %q", method, signature)
			}
		case 400, 401, 405, 413:
			if calls != 0 {
				t.Fatalf("%d calls, answered %d", calls, answer.Code)
			}
		default:
			t.Fatalf("answered %d", answer.Code)
		}

		// Properly signed, it is done, or fails for its body alone; and it comes once.
		calls = 0
		for range 2 {
			answer = receive(mux, signedRequest(body, "msg_1", time.Now()))
			if answer.Code == 401 || answer.Code == 405 || (answer.Code == 413) != (len(body) > 4096) || calls > 1 {
				t.Fatalf("%d calls, answered %d: %s", calls, answer.Code, answer.Body)
			}
		}
		if text, _ := io.ReadAll(answer.Body); bytes.Contains(text, []byte(webhookSecret)) {
			t.Fatalf("says %s", text)
		}
	})
}
