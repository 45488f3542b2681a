package triggers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

const (
	canaryKey    = "trg_CANARYkeyCANARYkeyCANARYkey000000"
	canarySecret = "sign_CANARYsecretCANARYsecretCANARYsecret"
)

func canaryClient(t *testing.T, url string, options ...Option) *Client {
	t.Helper()
	client, err := NewClient(canaryKey, append([]Option{WithBaseURL(url), WithSigningSecret(canarySecret)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	withoutWaits(client)
	return client
}

// checkSecrets prints a value in every way that shows what is in it, and looks for the canaries.
func checkSecrets(t *testing.T, what string, values ...any) {
	t.Helper()
	for _, value := range values {
		texts := []string{}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, value))
		}
		if text, err := json.Marshal(value); err == nil {
			texts = append(texts, string(text))
		}
		for _, text := range texts {
			// %x writes a text's bytes.
			if strings.Contains(text, "CANARY") || strings.Contains(text, fmt.Sprintf("%x", "CANARY")) {
				t.Errorf("%s shows a secret: %s", what, text)
			}
		}
	}
}

func TestAClientNeverShowsItsSecrets(t *testing.T) {
	client := canaryClient(t, "https://events.example.com/hidden")
	holder := struct {
		Client *Client
		value  Client
		hidden *Client
	}{client, *client, client}
	checkSecrets(t, "the client", client, *client, &client, holder, &holder, []any{client}, map[string]*Client{"c": client},
		client.core, *client.core, client.core.defaults, client.core.defaults.apiKey, client.Events, *client.Events, client.Inbox)
	if text := fmt.Sprintf("%v %+v %#v", client, *client, client); !strings.Contains(text, "https://events.example.com") ||
		strings.Contains(text, "hidden") {
		t.Errorf("prints as %s", text)
	}
	for _, verb := range []string{"%d", "%x", "%10.3q"} {
		if text := fmt.Sprintf(verb, client); text != client.String() {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	if text := fmt.Sprintf("%v", Client{}); !strings.Contains(text, "NewClient") {
		t.Errorf("an empty one prints as %s", text)
	}
}

// repeats answers with all that it was sent.
func repeats(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		all := fmt.Sprintf("%v %s", r.Header, canarySecret)
		body, _ := json.Marshal(map[string]any{"error": map[string]any{"code": "X", "message": all, "details": map[string]any{"sent": all}}})
		answer(status, string(body))(w, r)
	}
}

func TestErrorsAndLogsNeverShowSecretsOrBodies(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for name, handler := range map[string]http.HandlerFunc{
		"a server that repeats all": repeats(http.StatusInternalServerError),
		"a refusal of that kind":    repeats(http.StatusBadRequest),
		"a reset":                   reset,
		"half an answer":            halfAnswer,
		"another page":              answer(200, "<html>"+canaryKey, "Content-Type", "text/html"),
	} {
		url, _ := faultyServer(t, handler)
		client := canaryClient(t, url, WithLogger(logger))
		_, err := client.Events.Create(context.Background(), EventParams{
			Source: "s", EventType: "t", Payload: map[string]string{"card": "CANARY in the payload"},
		})
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		_, listError := client.Events.List(context.Background(), EventListParams{Source: Ptr("CANARY in the query")})
		checkSecrets(t, name, err, listError)
		for err := err; err != nil; err = errors.Unwrap(err) {
			checkSecrets(t, name, err)
		}
		if text := err.Error(); len(text) > 500 || strings.Contains(text, "\n") {
			t.Errorf("%s: %d bytes: %s", name, len(text), text)
		}
	}
	for _, options := range [][]Option{
		{WithBaseURL("http://CANARY:CANARY@host")}, {WithBaseURL("http://h/?CANARY")}, {WithBaseURL("http://h/#CANARY")},
		{WithBaseURL("ftp://CANARY")}, {WithBaseURL("http://CANARY\x7f")}, {WithBaseURL("CANARY")},
	} {
		_, err := NewClient(canaryKey, options...)
		if err == nil {
			t.Fatal("took a base URL that is none")
		}
		checkSecrets(t, "the base URL's error", err)
	}
	_, err := NewClient(canaryKey + "\n")
	if err == nil {
		t.Fatal("took a key with a line end")
	}
	checkSecrets(t, "the key's error", err)
	checkSecrets(t, "the log", log.String())
	if !strings.Contains(log.String(), `"status":500`) || !strings.Contains(log.String(), "trying again") {
		t.Errorf("the log has not what it is for: %s", log.String())
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere, requests := faultyServer(t, answer(200, `{}`))
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(redirect.Close)
	own := &http.Client{}
	for _, client := range []*Client{newTestClient(t, redirect.URL), newTestClient(t, redirect.URL, WithHTTPClient(own))} {
		var refusal *Error
		if _, err := client.Whoami(context.Background()); !errors.As(err, &refusal) || refusal.StatusCode != 307 || refusal.Code != "HTTP_307" {
			t.Errorf("%v", err)
		}
	}
	if len(requests()) != 0 {
		t.Error("the key went elsewhere")
	}
	if own.CheckRedirect != nil {
		t.Error("the caller's HTTP client was changed")
	}
}

func TestHeaders(t *testing.T) {
	url, requests := faultyServer(t, answer(200, `{}`))
	client := newTestClient(t, url, WithHeader("X-Team", "a"), WithHeader("x-api-key", "another"))
	ctx := context.Background()
	for _, options := range [][]Option{nil, {WithHeader("X-Team", "b"), WithHeader("X-Request-ID", "mine")}, nil} {
		if _, err := client.Whoami(ctx, options...); err != nil {
			t.Fatal(err)
		}
	}
	sent := requests()
	first := sent[0].header
	if got, want := first.Get("User-Agent"), fmt.Sprintf("triggers-go/%s (%s)", Version, runtime.Version()); got != want {
		t.Errorf("User-Agent %q, want %q", got, want)
	}
	if values := first.Values("X-Api-Key"); len(values) != 1 || values[0] != developmentKey {
		t.Errorf("X-API-Key %q", values)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if id := first.Get("X-Request-Id"); !uuid.MatchString(id) || id == sent[2].header.Get("X-Request-Id") {
		t.Errorf("X-Request-ID %q is no UUID, or not the call's own", id)
	}
	if first.Get("Accept") != "application/json" || first.Get("Content-Type") != "" {
		t.Errorf("Accept %q, Content-Type %q", first.Get("Accept"), first.Get("Content-Type"))
	}
	if sent[1].header.Get("X-Request-Id") != "mine" || sent[1].header.Get("X-Team") != "b" || sent[2].header.Get("X-Team") != "a" {
		t.Error("a call's headers are not the call's")
	}
}

func TestSettings(t *testing.T) {
	for name, options := range map[string][]Option{
		"a negative number of retries":   {WithMaxRetries(-1)},
		"a negative timeout":             {WithTimeout(-1)},
		"a negative total timeout":       {WithTotalTimeout(-1)},
		"no HTTP client":                 {WithHTTPClient(nil)},
		"one idempotency key for all":    {WithIdempotencyKey("k")},
		"an empty idempotency key":       {WithIdempotencyKey("")},
		"one response for all calls":     {WithResponseInto(new(Response))},
		"a base URL without a scheme":    {WithBaseURL("events.example.com")},
		"a base URL of another protocol": {WithBaseURL("ftp://events.example.com")},
	} {
		if client, err := NewClient("key", options...); err == nil {
			t.Errorf("took %s: %v", name, client)
		} else if !strings.HasPrefix(err.Error(), "triggers: ") || strings.HasSuffix(err.Error(), ".") {
			t.Errorf("%s: %q", name, err)
		}
	}
	for _, key := range []string{"", " ", "a b", "a\n", "clé"} {
		if _, err := NewClient(key); err == nil {
			t.Errorf("took the key %q", key)
		}
	}
	client, err := NewClient("key")
	if err != nil {
		t.Fatal(err)
	}
	defaults := client.core.defaults
	if defaults.baseURL.String() != "http://127.0.0.1:8080" || defaults.maxRetries != 3 || defaults.timeout != 30*time.Second ||
		defaults.totalTimeout != 2*time.Minute || defaults.signingSecret.text() != "" {
		t.Errorf("the defaults are %+v", defaults)
	}
	if transport := defaults.httpClient.Transport.(*http.Transport); transport.MaxIdleConnsPerHost != 64 || transport == http.DefaultTransport {
		t.Error("the connections are not the client's own 64")
	}
	t.Setenv("TRIGGERS_URL", "https://events.example.com/v1/")
	t.Setenv("TRIGGERS_API_KEY", "from-environment")
	client, err = NewClient("")
	if err != nil {
		t.Fatal(err)
	}
	if client.core.defaults.baseURL.String() != "https://events.example.com" || client.core.defaults.apiKey.text() != "from-environment" {
		t.Error("the environment does not count")
	}
	client, err = NewClient("given", WithBaseURL("http://given"))
	if err != nil || client.core.defaults.baseURL.String() != "http://given" || client.core.defaults.apiKey.text() != "given" {
		t.Error("what was given does not count before the environment")
	}
}

func TestACallsOptionsAreItsOwn(t *testing.T) {
	url, requests := faultyServer(t, refuse(500, CodeInternal))
	client := newTestClient(t, url)
	withoutWaits(client)
	if _, err := client.Whoami(context.Background(), WithMaxRetries(-1)); err == nil || len(requests()) != 0 {
		t.Error("sent a call with an option that has no sense")
	}
	if _, err := client.Whoami(context.Background(), WithIdempotencyKey("k")); err == nil || len(requests()) != 0 {
		t.Error("took an idempotency key for a read")
	}
	_, _ = client.Whoami(context.Background(), WithMaxRetries(0))
	_, _ = client.Whoami(context.Background())
	if len(requests()) != 1+4 {
		t.Errorf("%d requests", len(requests()))
	}
}

func TestIdempotencyKeys(t *testing.T) {
	url, requests := faultyServer(t, answer(201, `{}`))
	client := newTestClient(t, url)
	params := EventParams{Source: "s", EventType: "t", Payload: map[string]any{}}
	named := params
	named.Metadata.IdempotencyKey = Ptr("from metadata")
	for _, call := range []struct {
		params  EventParams
		options []Option
	}{{params, nil}, {named, nil}, {params, []Option{WithIdempotencyKey("from option")}}, {named, []Option{WithIdempotencyKey("from option")}}} {
		if _, err := client.Events.Create(context.Background(), call.params, call.options...); err != nil {
			t.Fatal(err)
		}
	}
	var keys []string
	for _, sent := range requests() {
		var event EventParams
		if err := json.Unmarshal([]byte(sent.body), &event); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, *event.Metadata.IdempotencyKey)
	}
	if len(keys[0]) != 36 || fmt.Sprint(keys[1:]) != "[from metadata from option from option]" {
		t.Errorf("the keys are %q", keys)
	}
	if params.Metadata.IdempotencyKey != nil || *named.Metadata.IdempotencyKey != "from metadata" {
		t.Error("the caller's event was changed")
	}
}

func TestAnIDThatIsNoneIsNotSent(t *testing.T) {
	url, requests := faultyServer(t, answer(200, `{}`))
	client := newTestClient(t, url)
	for _, id := range []string{"", ".", ".."} {
		_, getError := client.Events.Get(context.Background(), id)
		_, deleteError := client.Events.Delete(context.Background(), id)
		if getError == nil || deleteError == nil || client.APIKeys.Delete(context.Background(), id) == nil {
			t.Errorf("took the id %q", id)
		}
	}
	if len(requests()) != 0 {
		t.Errorf("sent %s", requests()[0].target)
	}
}

func TestWhatIsSentIsWhatWasGiven(t *testing.T) {
	url, requests := faultyServer(t, answer(201, `{}`))
	client := newTestClient(t, url)
	payload := `{"z":1,"a":"<&>\u2028\ud800 é","big":12345678901234567890.10,"n":1e400}`
	event := EventParams{
		Source: "s", EventType: "t", Payload: json.RawMessage(payload),
		Metadata: MetadataParams{
			CorrelationID: Ptr("c"), Priority: Ptr(PriorityHigh), IdempotencyKey: Ptr("k"),
			Extra: map[string]any{"count": 3, "ok": true, "region": "<eu>", "number": json.Number("1.50")},
		},
	}
	_, err := client.Events.Create(context.Background(), event)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"source":"s","event_type":"t","payload":` + payload + `,"metadata":{"correlation_id":"c","count":3,` +
		`"idempotency_key":"k","number":1.50,"ok":true,"priority":"high","region":"<eu>"}}`
	if got := requests()[0].body; got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
	if item, err := encodeItem(event); err != nil || string(item) != want {
		t.Errorf("sends the item %s, %v\nwant %s", item, err, want)
	}
	if text, err := encodeJSON(event); err != nil || string(text) != want {
		t.Errorf("encodes as %s, %v\nwant %s", text, err, want)
	}
	clash := EventParams{Metadata: MetadataParams{Extra: map[string]any{"priority": "high"}}}
	_, err = client.Events.Create(context.Background(), clash)
	_, bulkError := client.Events.CreateMany(context.Background(), []EventParams{clash})
	_, encodeError := json.Marshal(clash)
	if err == nil || bulkError == nil || encodeError == nil || len(requests()) != 1 {
		t.Error("took an extra key that has a field of its own")
	}
	_, err = client.Events.Create(context.Background(), EventParams{Payload: func() {}})
	if err == nil || len(requests()) != 1 {
		t.Error("took a payload that is no JSON")
	}
	for changes, want := range map[*APIKeyChanges]string{
		{}: `{}`,
		{RateLimitPerMinute: Null[int](), ExpiresAt: Null[time.Time](), AllowedIPs: []string{}}:                         `{"rate_limit_per_minute":null,"allowed_ips":[],"expires_at":null}`,
		{RateLimitPerMinute: Set(0), RequireSignature: Ptr(false), ExpiresAt: Set(time.Unix(1763712000, 123456).UTC())}: `{"rate_limit_per_minute":0,"require_signature":false,"expires_at":"2025-11-21T08:00:00.000123456Z"}`,
	} {
		if text, err := encodeJSON(changes); err != nil || string(text) != want {
			t.Errorf("%s, %v; want %s", text, err, want)
		}
	}
}

func TestMetadataIsReadWhole(t *testing.T) {
	text := `{"priority":"low","correlation_id":"c","count":12345678901234567890,"ok":true,"region":"eu"}`
	var metadata Metadata
	if err := json.Unmarshal([]byte(text), &metadata); err != nil {
		t.Fatal(err)
	}
	if metadata.Priority != PriorityLow || *metadata.CorrelationID != "c" || metadata.IdempotencyKey != nil ||
		metadata.Extra["count"] != json.Number("12345678901234567890") || metadata.Extra["ok"] != true || metadata.Extra["region"] != "eu" ||
		len(metadata.Extra) != 3 {
		t.Errorf("read %+v", metadata)
	}
	again, err := json.Marshal(metadata)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if json.Unmarshal([]byte(text), &want) != nil || json.Unmarshal(again, &got) != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s became %s", text, again)
	}
	if err := json.Unmarshal([]byte(`{"priority":"normal"}`), &metadata); err != nil || metadata.Extra != nil {
		t.Errorf("extra keys of another event: %v", metadata.Extra)
	}
}

func TestErrorText(t *testing.T) {
	for want, refusal := range map[string]*Error{
		"triggers: 404 NOT_FOUND: There is no such event (request r-1)": {
			StatusCode: 404, Code: CodeNotFound, Message: "There is no\nsuch event.", RequestID: "r-1", Details: map[string]any{"a": "body"},
		},
		"triggers: 502 HTTP_502":                             {StatusCode: 502, Code: "HTTP_502"},
		"triggers: 400 X: " + strings.Repeat("é", 150) + "…": {StatusCode: 400, Code: "X", Message: strings.Repeat("é", 1000)},
	} {
		if got := refusal.Error(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func TestErrorsHaveAllThatTheServerSaid(t *testing.T) {
	url, _ := faultyServer(t,
		answer(400, `{"error":{"code":"VALIDATION_ERROR","message":"m","details":{"field":"f","errors":[{"field":"f"}]},"request_id":"r"}}`, "Retry-After", "5"),
		answer(502, "<html>", "Content-Type", "text/html", "X-Request-ID", "from-header"),
		answer(418, `{"error":"teapot"}`),
		answer(404, `[]`))
	client := newTestClient(t, url, WithMaxRetries(0))
	for _, want := range []Error{
		{StatusCode: 400, Code: CodeValidation, Message: "m", RequestID: "r", RetryAfter: 5 * time.Second},
		{StatusCode: 502, Code: "HTTP_502", Message: "The server answered 502 without saying why.", RequestID: "from-header"},
		{StatusCode: 418, Code: "HTTP_418", Message: "The server answered 418 without saying why."},
		{StatusCode: 404, Code: "HTTP_404", Message: "The server answered 404 without saying why."},
	} {
		var got *Error
		if _, err := client.Whoami(context.Background()); !errors.As(err, &got) {
			t.Fatal(err)
		}
		if got.StatusCode != want.StatusCode || got.Code != want.Code || got.Message != want.Message || got.RetryAfter != want.RetryAfter ||
			(want.RequestID != "" && got.RequestID != want.RequestID) || got.RequestID == "" {
			t.Errorf("%+v, want %+v", *got, want)
		}
		if want.StatusCode == 400 && (got.Details["field"] != "f" || len(got.Details["errors"].([]any)) != 1) {
			t.Errorf("details %v", got.Details)
		}
	}
}

func TestStatusOfEveryCode(t *testing.T) {
	want := map[string]int{
		CodeValidation: 400, CodeUnauthorized: 401, CodeForbidden: 403, CodeNotFound: 404, CodeMethodNotAllowed: 405, CodeRequestTimeout: 408,
		CodeConflict: 409, CodePayloadTooLarge: 413, CodeIdempotencyKeyReused: 422, CodeRateLimitExceeded: 429, CodeInternal: 500,
		CodeServiceUnavailable: 503, "NEW": 500,
	}
	for code, status := range want {
		if got := statusOf(code); got != status {
			t.Errorf("%s is %d, want %d", code, got, status)
		}
	}
}

func TestAnAnswerThatNeverEndsIsCutShort(t *testing.T) {
	url, requests := faultyServer(t, func(w http.ResponseWriter, r *http.Request) {
		chunk := bytes.Repeat([]byte(" "), 1<<20)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	client := newTestClient(t, url)
	withoutWaits(client)
	if _, err := client.Whoami(context.Background()); !errors.Is(err, errTooLong) || len(requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(requests()))
	}
}

func TestPages(t *testing.T) {
	page := func(ids, cursor string) http.HandlerFunc {
		return answer(200, `{"events":[`+ids+`],"pagination":{"next_cursor":`+cursor+`,"limit":2},"request_id":"r"}`)
	}
	handlers := []http.HandlerFunc{
		page(`{"event_id":"1"},{"event_id":"2"}`, `"c1"`), page(``, `"c2"`), page(`{"event_id":"3"}`, `null`), refuse(400, CodeValidation),
	}
	params := EventListParams{Limit: Ptr(2), Status: Ptr(StatusPending), Order: Ptr(OrderAscending), Metadata: map[string]string{"a": "b"}}

	t.Run("one by one", func(t *testing.T) {
		url, requests := faultyServer(t, handlers...)
		client := newTestClient(t, url)
		first, err := client.Events.List(context.Background(), params)
		if err != nil || len(first.Data) != 2 || !first.HasMore() || *first.NextCursor != "c1" || first.Limit != 2 || first.RequestID != "r" {
			t.Fatalf("%+v, %v", first, err)
		}
		second, err := first.NextPage(context.Background())
		if err != nil || len(second.Data) != 0 || !second.HasMore() {
			t.Fatalf("%+v, %v", second, err)
		}
		third, err := second.NextPage(context.Background())
		if err != nil || len(third.Data) != 1 || third.HasMore() {
			t.Fatalf("%+v, %v", third, err)
		}
		if _, err := third.NextPage(context.Background()); err == nil {
			t.Error("a page after the last")
		}
		filters := "limit=2&metadata.a=b&order=asc&status=pending"
		for i, want := range []string{"/v1/events?" + filters, "/v1/events?cursor=c1&" + filters, "/v1/events?cursor=c2&" + filters} {
			if got := requests()[i].target; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
	t.Run("all items", func(t *testing.T) {
		url, requests := faultyServer(t, handlers...)
		client := newTestClient(t, url)
		var ids []string
		for event, err := range client.Events.All(context.Background(), params) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, event.EventID)
		}
		if fmt.Sprint(ids) != "[1 2 3]" || len(requests()) != 3 {
			t.Errorf("%v by %d requests", ids, len(requests()))
		}
	})
	t.Run("until the caller has enough", func(t *testing.T) {
		url, requests := faultyServer(t, handlers...)
		for event := range newTestClient(t, url).Events.All(context.Background(), params) {
			if event.EventID == "2" {
				break
			}
		}
		if len(requests()) != 1 {
			t.Errorf("%d requests", len(requests()))
		}
	})
	t.Run("until an error", func(t *testing.T) {
		url, _ := faultyServer(t, handlers[0], refuse(400, CodeValidation))
		count, failures := 0, 0
		for _, err := range newTestClient(t, url).Events.All(context.Background(), params) {
			if count++; err != nil {
				failures++
			}
		}
		if count != 3 || failures != 1 {
			t.Errorf("%d items, %d errors", count, failures)
		}
	})
}

func TestTheVersionIsThePackages(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("package.json"))
	if os.IsNotExist(err) {
		t.Skip("SKIPPED: package.json is in the repository, and this is outside of it")
	}
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil || manifest.Version != Version {
		t.Errorf("package.json has %s, %v; Version is %s", manifest.Version, err, Version)
	}
}

func TestTheAnswersBodyIsClosed(t *testing.T) {
	url, _ := faultyServer(t, refuse(503, CodeServiceUnavailable), answer(200, `{}`))
	open := 0
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		if open != 0 {
			t.Error("a try began before the last one's body was closed")
		}
		response, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			open++
			response.Body = &countedBody{response.Body, func() { open-- }}
		}
		return response, err
	})
	client := newTestClient(t, url, WithHTTPClient(&http.Client{Transport: transport}))
	withoutWaits(client)
	if _, err := client.Whoami(context.Background()); err != nil || open != 0 {
		t.Errorf("%v; %d bodies are open", err, open)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type countedBody struct {
	io.ReadCloser
	closed func()
}

func (b *countedBody) Close() error {
	b.closed()
	return b.ReadCloser.Close()
}
