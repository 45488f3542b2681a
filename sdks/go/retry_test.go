package triggers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const someEventID = "01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e"

const someWebhookID = "019aa5b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"

// A call of each retry class, and one whose spec names none.
var (
	read = func(ctx context.Context, c *Client) error {
		_, err := c.Events.Get(ctx, someEventID)
		return err
	}
	create = func(ctx context.Context, c *Client) error {
		_, err := c.Events.Create(ctx, EventParams{Source: "s", EventType: "t", Payload: map[string]any{}})
		return err
	}
	createKey = func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.Create(ctx, APIKeyParams{Name: "n", Scopes: []Scope{ScopeEventsRead}})
		return err
	}
	unclassed = func(ctx context.Context, c *Client) error {
		_, err := c.do(ctx, requestSpec{method: http.MethodPost, path: "/v1/new"}, &struct{}{})
		return err
	}
)

// slow answers when the client has given up.
func slow(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// cutOff looks like a whole answer: nothing says how long it is.
func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"event_id":"019`)
}

func TestFailuresThatAreTriedAgain(t *testing.T) {
	calls := map[string]struct {
		call    func(context.Context, *Client) error
		careful bool
	}{"read": {read, false}, "create": {create, false}, "other write": {createKey, true}, "call of no class": {unclassed, true}}
	failures := map[string]struct {
		handler http.HandlerFunc
		// Whether it leaves open if the server did something.
		open bool
	}{
		"408":                {refuse(408, CodeRequestTimeout), true},
		"429":                {refuse(429, CodeRateLimitExceeded), false},
		"500":                {refuse(500, CodeInternal), true},
		"502 by a proxy":     {answer(502, "<html>Bad Gateway</html>", "Content-Type", "text/html"), true},
		"503":                {refuse(503, CodeServiceUnavailable), false},
		"504":                {answer(504, ""), true},
		"a connection reset": {reset, true},
		"half an answer":     {halfAnswer, true},
		"a cut off answer":   {cutOff, true},
		"no answer in time":  {slow, true},
	}
	for callName, tested := range calls {
		for name, failure := range failures {
			t.Run(callName+" after "+name, func(t *testing.T) {
				url, requests := faultyServer(t, failure.handler, answer(200, `{"event_id":"e","key_id":"k"}`))
				options := []Option{}
				if name == "no answer in time" {
					options = append(options, WithTimeout(100*time.Millisecond))
				}
				client := newTestClient(t, url, options...)
				withoutWaits(client)
				err := tested.call(context.Background(), client)
				retried := !tested.careful || !failure.open
				if retried && (err != nil || len(requests()) != 2) {
					t.Errorf("%d requests, %v; want a second one and success", len(requests()), err)
				}
				if !retried && (err == nil || len(requests()) != 1) {
					t.Errorf("%d requests, %v; want one and its error", len(requests()), err)
				}
			})
		}
	}
}

func TestConnectionRefusedIsAlwaysTriedAgain(t *testing.T) {
	for name, failure := range map[string]error{
		"refused":      &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"unreachable":  &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)},
		"unknown host": &net.DNSError{Err: "no such host", Name: "nowhere", IsNotFound: true},
	} {
		t.Run(name, func(t *testing.T) {
			url, requests := faultyServer(t, answer(201, `{"key_id":"k"}`))
			dials := 0
			transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if dials++; dials < 3 {
					return nil, failure
				}
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}}
			client := newTestClient(t, url, WithHTTPClient(&http.Client{Transport: transport}))
			withoutWaits(client)
			if err := createKey(context.Background(), client); err != nil || dials != 3 || len(requests()) != 1 {
				t.Errorf("%v after %d dials and %d requests", err, dials, len(requests()))
			}
		})
	}
}

func TestAClosedPortHasDoneNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	client := newTestClient(t, "http://"+address)
	waits := withoutWaits(client)
	err = createKey(context.Background(), client)
	if !errors.Is(err, syscall.ECONNREFUSED) || !nothingDone(err) || len(waits()) != 3 {
		t.Errorf("%v after %d waits", err, len(waits()))
	}
}

func TestRefusalsThatAreNotTriedAgain(t *testing.T) {
	for _, status := range []int{301, 400, 401, 403, 404, 405, 409, 413, 415, 422} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			url, requests := faultyServer(t, refuse(status, CodeValidation))
			client := newTestClient(t, url)
			withoutWaits(client)
			var refusal *Error
			if err := read(context.Background(), client); !errors.As(err, &refusal) || refusal.StatusCode != status || len(requests()) != 1 {
				t.Errorf("%v after %d requests", err, len(requests()))
			}
		})
	}
}

func TestAnAnswerThatIsNotTheAPIsIsNotTriedAgain(t *testing.T) {
	url, requests := faultyServer(t, answer(200, "<html>Welcome</html>", "Content-Type", "text/html"))
	client := newTestClient(t, url)
	withoutWaits(client)
	var refusal *Error
	err := read(context.Background(), client)
	if !errors.As(err, &refusal) || refusal.Code != "HTTP_200" || len(requests()) != 1 || strings.Contains(err.Error(), "Welcome") {
		t.Errorf("%v after %d requests", err, len(requests()))
	}
}

func TestACertificateThatIsNotTrustedIsNotTriedAgain(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(answer(200, `{}`))
	server.Config.ErrorLog = newSilentLog()
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	client := newTestClient(t, server.URL)
	waits := withoutWaits(client)
	if err := read(context.Background(), client); err == nil || len(waits()) != 0 || connections.Load() != 1 {
		t.Errorf("%v after %d waits and %d connections", err, len(waits()), connections.Load())
	}
}

func TestRetriesEnd(t *testing.T) {
	for retries, options := range map[int][]Option{3: nil, 0: {WithMaxRetries(0)}, 5: {WithMaxRetries(5)}} {
		url, requests := faultyServer(t, refuse(500, CodeInternal, "X-Request-ID", "last"))
		client := newTestClient(t, url)
		withoutWaits(client)
		var response Response
		_, err := client.Whoami(context.Background(), append(options, WithResponseInto(&response))...)
		var refusal *Error
		if !errors.As(err, &refusal) || len(requests()) != retries+1 || response.Tries != retries+1 || response.StatusCode != 500 {
			t.Errorf("%v after %d requests, %d tries; want %d retries", err, len(requests()), response.Tries, retries)
		}
	}
}

func TestTheTriesOfACallAreOneRequest(t *testing.T) {
	url, requests := faultyServer(t, reset, refuse(429, CodeRateLimitExceeded), refuse(500, CodeInternal), answer(201, `{}`))
	client := newTestClient(t, url)
	withoutWaits(client)
	for range 2 {
		if err := create(context.Background(), client); err != nil {
			t.Fatal(err)
		}
	}
	sent := requests()
	for _, again := range sent[1:4] {
		if again.body != sent[0].body || again.header.Get("X-Request-ID") != sent[0].header.Get("X-Request-ID") {
			t.Error("a retry is another request, or another event")
		}
	}
	if sent[4].body == sent[0].body || sent[4].header.Get("X-Request-ID") == sent[0].header.Get("X-Request-ID") {
		t.Error("two calls are one request, or one event")
	}
}

func TestRetryDelay(t *testing.T) {
	now := time.Date(2025, 11, 21, 8, 0, 0, 0, time.UTC)
	// As if the dice had shown the highest number.
	highest := func() float64 { return 1 }
	for try, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 8000} {
		if delay := retryDelay(try, nil, now, highest); delay != want*time.Millisecond {
			t.Errorf("try %d waits up to %s, want %d ms", try, delay, want)
		}
	}
	if delay := retryDelay(60, nil, now, highest); delay != 8*time.Second {
		t.Errorf("try 60 waits up to %s", delay)
	}
	if delay := retryDelay(2, nil, now, func() float64 { return 0.25 }); delay != 500*time.Millisecond {
		t.Errorf("a quarter of 2 s is %s", delay)
	}
	for text, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, "1.5": 1500 * time.Millisecond, "60": time.Minute, "61": time.Minute,
		"99999999999999999999": time.Minute, "Fri, 21 Nov 2025 08:00:09 GMT": 9 * time.Second, "Fri, 21 Nov 2025 07:59:00 GMT": 0,
		"Fri, 21 Nov 2025 09:00:00 GMT": time.Minute,
		// Not to be understood: as if it weren't there.
		"soon": 8 * time.Second, "-1": 8 * time.Second, "": 8 * time.Second, "1e3": 8 * time.Second, "inf": 8 * time.Second, ".": 8 * time.Second,
	} {
		if delay := retryDelay(9, http.Header{"Retry-After": {text}}, now, highest); delay != want {
			t.Errorf("Retry-After %q waits %s, want %s", text, delay, want)
		}
	}
	for range 1000 {
		if n := randomFraction(); n < 0 || n >= 1 {
			t.Fatalf("%v is no fraction", n)
		}
	}
}

func TestTheServersAdviceIsFollowed(t *testing.T) {
	url, _ := faultyServer(t,
		refuse(429, CodeRateLimitExceeded, "Retry-After", "7"),
		refuse(503, CodeServiceUnavailable, "Retry-After", "3600"),
		refuse(500, CodeInternal),
		answer(200, `{}`))
	client := newTestClient(t, url)
	client.core.random = func() float64 { return 0.5 }
	waits := withoutWaits(client)
	if err := read(context.Background(), client); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(waits()); got != "[7s 1m0s 1s]" {
		t.Errorf("waited %s", got)
	}
}

func TestAWaitEndsWithTheContext(t *testing.T) {
	url, _ := faultyServer(t, refuse(429, CodeRateLimitExceeded, "Retry-After", "60"))
	client := newTestClient(t, url)
	ctx, cancel := context.WithCancel(context.Background())
	client.core.wait = func(ctx context.Context, delay time.Duration) error {
		cancel()
		return wait(ctx, delay)
	}
	err := read(ctx, client)
	var refusal *Error
	if !errors.Is(err, context.Canceled) || !errors.As(err, &refusal) {
		t.Errorf("%v says neither that it was cancelled nor what was wrong", err)
	}
}

func TestTheCallersContextEndsACall(t *testing.T) {
	url, requests := faultyServer(t, slow)
	client := newTestClient(t, url)
	withoutWaits(client)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := read(ctx, client); !errors.Is(err, context.DeadlineExceeded) || len(requests()) > 1 {
		t.Errorf("%v after %d requests", err, len(requests()))
	}
	reason := errors.New("shutting down")
	causeCtx, stop := context.WithCancelCause(context.Background())
	time.AfterFunc(50*time.Millisecond, func() { stop(reason) })
	if err := read(causeCtx, client); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	over, end := context.WithCancel(context.Background())
	end()
	before := len(requests())
	if err := read(over, client); !errors.Is(err, context.Canceled) || len(requests()) != before {
		t.Errorf("%v; a call whose context was done before it began was sent", err)
	}
}

func TestTimeouts(t *testing.T) {
	url, requests := faultyServer(t, slow)
	client := newTestClient(t, url, WithMaxRetries(1))
	withoutWaits(client)
	_, err := client.Whoami(context.Background(), WithTimeout(50*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 50ms (WithTimeout)") || len(requests()) != 2 {
		t.Errorf("%v after %d requests", err, len(requests()))
	}
	_, err = client.Whoami(context.Background(), WithTotalTimeout(50*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "longer than 50ms (WithTotalTimeout)") {
		t.Errorf("%v", err)
	}
	if len(requests()) != 3 {
		t.Errorf("%d requests: the second call had no time for a retry", len(requests()))
	}
}

func TestATrickleOfBytesIsNoAnswer(t *testing.T) {
	url, _ := faultyServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	client := newTestClient(t, url, WithMaxRetries(0), WithTimeout(100*time.Millisecond))
	if err := read(context.Background(), client); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestAWaitBeyondTheTotalTimeoutIsNotBegun(t *testing.T) {
	url, requests := faultyServer(t, refuse(429, CodeRateLimitExceeded, "Retry-After", "30"))
	client := newTestClient(t, url, WithTotalTimeout(10*time.Second))
	waits := withoutWaits(client)
	var refusal *Error
	err := read(context.Background(), client)
	if !errors.As(err, &refusal) || refusal.RetryAfter != 30*time.Second || len(waits()) != 0 || len(requests()) != 1 {
		t.Errorf("%v after %d waits and %d requests", err, len(waits()), len(requests()))
	}
}

func TestALostAnswerOfAnAckOrDelete(t *testing.T) {
	conflict := answer(409, `{"error":{"code":"CONFLICT","message":"Already.","request_id":"r","details":{"acknowledged_at":"2025-11-21T08:00:00.123456Z"}}}`)
	missing := refuse(404, CodeNotFound)
	ack := func(c *Client) (string, error) {
		done, err := c.Inbox.Ack(context.Background(), someEventID)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(done.EventID, done.Status, done.AcknowledgedAt.Format(time.RFC3339Nano), done.RequestID != ""), nil
	}
	remove := func(c *Client) (string, error) {
		done, err := c.Events.Delete(context.Background(), someEventID)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(done.EventID, done.RequestID != ""), nil
	}
	removeKey := func(c *Client) (string, error) { return "", c.APIKeys.Delete(context.Background(), "key_x") }
	acked := someEventID + string(StatusAcknowledged) + "2025-11-21T08:00:00.123456Ztrue"
	for name, test := range map[string]struct {
		call     func(*Client) (string, error)
		handlers []http.HandlerFunc
		want     string
		refused  bool
	}{
		"ack, reset, 409":             {ack, []http.HandlerFunc{reset, conflict}, acked, false},
		"ack, half an answer, 409":    {ack, []http.HandlerFunc{halfAnswer, conflict}, acked, false},
		"ack, 500, 409":               {ack, []http.HandlerFunc{refuse(500, CodeInternal), conflict}, acked, false},
		"ack, reset, 429, 409":        {ack, []http.HandlerFunc{reset, refuse(429, CodeRateLimitExceeded), conflict}, acked, false},
		"ack, 409":                    {ack, []http.HandlerFunc{conflict}, "", true},
		"ack, 429, 409":               {ack, []http.HandlerFunc{refuse(429, CodeRateLimitExceeded), conflict}, "", true},
		"ack, 503, 409":               {ack, []http.HandlerFunc{refuse(503, CodeServiceUnavailable), conflict}, "", true},
		"ack, reset, 404":             {ack, []http.HandlerFunc{reset, missing}, "", true},
		"ack, reset, another's 409":   {ack, []http.HandlerFunc{reset, refuse(409, CodeConflict)}, "", true},
		"delete, reset, 404":          {remove, []http.HandlerFunc{reset, missing}, someEventID + "true", false},
		"delete, 404":                 {remove, []http.HandlerFunc{missing}, "", true},
		"delete, 503, 404":            {remove, []http.HandlerFunc{refuse(503, CodeServiceUnavailable), missing}, "", true},
		"delete, reset, 409":          {remove, []http.HandlerFunc{reset, conflict}, "", true},
		"delete of a key, reset, 404": {removeKey, []http.HandlerFunc{reset, missing}, "", false},
		"delete of a key, 404":        {removeKey, []http.HandlerFunc{missing}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			url, requests := faultyServer(t, test.handlers...)
			client := newTestClient(t, url)
			withoutWaits(client)
			got, err := test.call(client)
			var refusal *Error
			if got != test.want || errors.As(err, &refusal) != test.refused || len(requests()) != len(test.handlers) {
				t.Errorf("%q, %v after %d requests; want %q", got, err, len(requests()), test.want)
			}
		})
	}
}

func TestAConnectionRefusedBeforeAnAckHasReachedNobody(t *testing.T) {
	url, _ := faultyServer(t, answer(409, `{"error":{"code":"CONFLICT","message":"Already.","details":{"acknowledged_at":"2025-11-21T08:00:00Z"}}}`))
	dials := 0
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials++; dials == 1 {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	client := newTestClient(t, url, WithHTTPClient(&http.Client{Transport: transport}))
	withoutWaits(client)
	var refusal *Error
	if _, err := client.Inbox.Ack(context.Background(), someEventID); !errors.As(err, &refusal) || refusal.Code != CodeConflict {
		t.Errorf("%v", err)
	}
}

func TestTriesShareAConnection(t *testing.T) {
	var connections atomic.Int32
	tries := 0
	long := strings.Repeat("x", 100_000)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries < 4 {
			answer(503, `{"error":{"code":"SERVICE_UNAVAILABLE","message":"`+long+`"}}`)(w, r)
			return
		}
		answer(200, `{}`)(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := newTestClient(t, server.URL)
	withoutWaits(client)
	if err := read(context.Background(), client); err != nil || connections.Load() != 1 {
		t.Errorf("%v; %d connections for %d tries", err, connections.Load(), tries)
	}
}
