package triggers

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

type webhookVector struct {
	Name              string `json:"name"`
	Secret            string `json:"secret"`
	WebhookID         string `json:"webhook_id"`
	WebhookTimestamp  string `json:"webhook_timestamp"`
	BodyBase64        string `json:"body_base64"`
	WebhookSignature  string `json:"webhook_signature"`
	XWebhookSignature string `json:"x_webhook_signature"`
}

func (v webhookVector) body(t testing.TB) []byte {
	t.Helper()
	body, err := base64.StdEncoding.DecodeString(v.BodyBase64)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (v webhookVector) signedAt(t testing.TB) time.Time {
	t.Helper()
	seconds, err := strconv.ParseInt(v.WebhookTimestamp, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(seconds, 0)
}

func (v webhookVector) header() http.Header {
	return http.Header{
		"Webhook-Id":        {v.WebhookID},
		"Webhook-Timestamp": {v.WebhookTimestamp},
		"Webhook-Signature": {v.WebhookSignature},
	}
}

type webhookRotation struct {
	webhookVector
	NewSecret string `json:"new_secret"`
	OldSecret string `json:"old_secret"`
}

func webhookVectors(t testing.TB) (cases []webhookVector, rotation webhookRotation) {
	t.Helper()
	text, err := os.ReadFile("../../docs/vectors/webhook-signing.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases    []webhookVector `json:"cases"`
		Rotation webhookRotation `json:"rotation"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 6 || file.Rotation.OldSecret == "" {
		t.Fatalf("the vectors have %d cases; their form has changed", len(file.Cases))
	}
	return file.Cases, file.Rotation
}

func at(moment time.Time) WebhookOption {
	return WithNow(func() time.Time { return moment })
}

func TestVerifyWebhookAcceptsEveryVector(t *testing.T) {
	cases, _ := webhookVectors(t)
	for _, vector := range cases {
		t.Run(vector.Name, func(t *testing.T) {
			event, err := VerifyWebhook(vector.body(t), vector.header(), []string{vector.Secret}, at(vector.signedAt(t)))
			if err != nil {
				t.Fatal(err)
			}
			if event.MessageID != vector.WebhookID || !event.SignedAt.Equal(vector.signedAt(t)) {
				t.Errorf("got message %q of %s", event.MessageID, event.SignedAt)
			}
		})
		t.Run(vector.Name+", plain", func(t *testing.T) {
			header := http.Header{"X-Webhook-Signature": {vector.XWebhookSignature}}
			event, err := VerifyWebhook(vector.body(t), header, []string{vector.Secret}, AllowPlain())
			if err != nil {
				t.Fatal(err)
			}
			if event.MessageID != "" || !event.SignedAt.IsZero() {
				t.Errorf("a plain signature covers neither id nor time, but there are %q and %s", event.MessageID, event.SignedAt)
			}
		})
		t.Run(vector.Name+", signed", func(t *testing.T) {
			header := SignWebhook(vector.body(t), vector.WebhookID, vector.signedAt(t), vector.Secret)
			for name, want := range vector.header() {
				if got := header.Get(name); got != want[0] {
					t.Errorf("%s is %q, want %q", name, got, want[0])
				}
			}
			if got := header.Get("X-Webhook-Signature"); got != vector.XWebhookSignature {
				t.Errorf("X-Webhook-Signature is %q, want %q", got, vector.XWebhookSignature)
			}
		})
	}
}

func TestVerifyWebhookDuringARotation(t *testing.T) {
	_, rotation := webhookVectors(t)
	body, now := rotation.body(t), rotation.signedAt(t)
	for name, secrets := range map[string][]string{
		"new secret": {rotation.NewSecret}, "old secret": {rotation.OldSecret},
		"both": {rotation.NewSecret, rotation.OldSecret}, "a third one first": {"my-webhook-secret-0001", rotation.OldSecret},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := VerifyWebhook(body, rotation.header(), secrets, at(now)); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("the plain form is the old secret's alone", func(t *testing.T) {
		header := http.Header{"X-Webhook-Signature": {rotation.XWebhookSignature}}
		if _, err := VerifyWebhook(body, header, []string{rotation.OldSecret}, AllowPlain()); err != nil {
			t.Error(err)
		}
		if _, err := VerifyWebhook(body, header, []string{rotation.NewSecret}, AllowPlain()); !errors.Is(err, ErrNoMatchingSignature) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("signed", func(t *testing.T) {
		header := SignWebhook(body, rotation.WebhookID, now, rotation.NewSecret, rotation.OldSecret)
		if got := header.Get("Webhook-Signature"); got != rotation.WebhookSignature {
			t.Errorf("Webhook-Signature is %q", got)
		}
		if got := header.Get("X-Webhook-Signature"); got != rotation.XWebhookSignature {
			t.Errorf("X-Webhook-Signature is %q", got)
		}
	})
}

const webhookSecret = "whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY="

var webhookBody = []byte(`{"event_id":"01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e","created_at":"2025-11-21T08:00:00.123456Z",` +
	`"source":"shop","event_type":"order.placed","payload":{"z":1.50,"a":12345678901234567890},"status":"pending",` +
	`"metadata":{"priority":"normal"},"acknowledged_at":null}`)

func TestVerifyWebhookRefuses(t *testing.T) {
	signedAt := time.Unix(1763712000, 0)
	signed := func(change func(http.Header)) http.Header {
		header := SignWebhook(webhookBody, "msg_1", signedAt, webhookSecret)
		change(header)
		return header
	}
	set := func(name, value string) http.Header { return signed(func(h http.Header) { h.Set(name, value) }) }
	unchanged := signed(func(http.Header) {})
	plain := http.Header{"X-Webhook-Signature": {plainSignature(webhookSecret, webhookBody)}}
	reencoded, err := json.MarshalIndent(json.RawMessage(webhookBody), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		header  http.Header
		body    []byte
		secrets []string
		opts    []WebhookOption
		want    error
		says    string
	}{
		"no secret":               {secrets: []string{}, want: ErrNoSecret},
		"an empty secret":         {secrets: []string{webhookSecret, ""}, want: ErrNoSecret},
		"no header at all":        {header: http.Header{}, want: ErrMissingHeader, says: "Webhook-Id"},
		"nil header":              {header: http.Header(nil), want: ErrMissingHeader},
		"no id":                   {header: signed(func(h http.Header) { h.Del("Webhook-Id") }), want: ErrMissingHeader},
		"no timestamp":            {header: signed(func(h http.Header) { h.Del("Webhook-Timestamp") }), want: ErrMissingHeader},
		"no signature":            {header: signed(func(h http.Header) { h.Del("Webhook-Signature") }), want: ErrMissingHeader},
		"an empty id":             {header: set("Webhook-Id", ""), want: ErrMissingHeader},
		"an id twice":             {header: signed(func(h http.Header) { h.Add("Webhook-Id", "msg_1") }), want: ErrMalformedHeader},
		"a timestamp in words":    {header: set("Webhook-Timestamp", "2025-11-21T08:00:00Z"), want: ErrMalformedHeader},
		"a signed timestamp":      {header: set("Webhook-Timestamp", "+1763712000"), want: ErrMalformedHeader},
		"milliseconds":            {header: set("Webhook-Timestamp", "1763712000000"), want: ErrMalformedHeader},
		"an endless timestamp":    {header: set("Webhook-Timestamp", strings.Repeat("1", 40)), want: ErrMalformedHeader},
		"an unknown version":      {header: set("Webhook-Signature", "v2,AAAA"), want: ErrMalformedHeader},
		"another id":              {header: set("Webhook-Id", "msg_2"), want: ErrNoMatchingSignature},
		"another timestamp":       {header: set("Webhook-Timestamp", "1763712001"), want: ErrNoMatchingSignature},
		"the year 33658":          {header: set("Webhook-Timestamp", "999999999999"), want: ErrMessageTooNew},
		"the year 1970":           {header: set("Webhook-Timestamp", "0"), want: ErrMessageTooOld},
		"another signature":       {header: set("Webhook-Signature", "v1,91kAG+eiB4ijdauY7ybEXqpLiPqYfBy1bF3TwviNV/M="), want: ErrNoMatchingSignature},
		"half a signature":        {header: set("Webhook-Signature", unchanged.Get("Webhook-Signature")[:20]), want: ErrMalformedHeader},
		"another secret":          {secrets: []string{"my-webhook-secret-0001"}, want: ErrNoMatchingSignature, says: "the secret is another one"},
		"a secret with a newline": {secrets: []string{webhookSecret + "\n"}, want: ErrNoMatchingSignature, says: "white space"},
		"JSON encoded anew":       {body: reencoded, want: ErrNoMatchingSignature, says: "not the bytes that came"},
		"a body that was read":    {body: []byte{}, want: ErrNoMatchingSignature, says: "read before"},
		"too old":                 {opts: []WebhookOption{at(signedAt.Add(301 * time.Second))}, want: ErrMessageTooOld, says: "301 seconds"},
		"too new":                 {opts: []WebhookOption{at(signedAt.Add(-301 * time.Second))}, want: ErrMessageTooNew, says: "301 seconds"},
		"too old, less tolerance": {opts: []WebhookOption{at(signedAt.Add(3 * time.Second)), WithTolerance(2 * time.Second)}, want: ErrMessageTooOld},
		"too old, no tolerance":   {opts: []WebhookOption{at(signedAt.Add(time.Second)), WithTolerance(0)}, want: ErrMessageTooOld},
		"plain, unless allowed":   {header: plain, want: ErrMissingHeader, says: "AllowPlain"},
		"plain of another secret": {header: plain, opts: []WebhookOption{AllowPlain()}, secrets: []string{"my-webhook-secret-0001"}, want: ErrNoMatchingSignature},
		"plain in upper case": {
			header: http.Header{"X-Webhook-Signature": {strings.ToUpper(plain.Get("X-Webhook-Signature"))}},
			opts:   []WebhookOption{AllowPlain()}, want: ErrMalformedHeader,
		},
		"nothing, plain allowed": {header: http.Header{}, opts: []WebhookOption{AllowPlain()}, want: ErrMissingHeader},
		"plain beside a stale standard one": {
			opts: []WebhookOption{AllowPlain(), at(signedAt.Add(time.Hour))}, want: ErrMessageTooOld,
		},
		"plain beside any webhook-* header": {
			header: http.Header{"webhook-anything": {""}, "X-Webhook-Signature": plain["X-Webhook-Signature"]},
			opts:   []WebhookOption{AllowPlain()}, want: ErrMissingHeader,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			header, body, secrets, opts := unchanged, webhookBody, []string{webhookSecret}, []WebhookOption{at(signedAt)}
			if c.header != nil || name == "nil header" {
				header = c.header
			}
			if c.body != nil {
				body = c.body
			}
			if c.secrets != nil {
				secrets = c.secrets
			}
			event, err := VerifyWebhook(body, header, secrets, append(opts, c.opts...)...)
			if !errors.Is(err, c.want) || event != nil {
				t.Fatalf("got %v, %v; want %v", event, err, c.want)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
			for _, secret := range secrets {
				if secret != "" && strings.Contains(err.Error(), strings.TrimSpace(secret)) {
					t.Errorf("the error shows the secret: %q", err)
				}
			}
		})
	}
}

func TestVerifyWebhookToleratesUpToItsBound(t *testing.T) {
	signedAt := time.Unix(1763712000, 0)
	header := SignWebhook(webhookBody, "msg_1", signedAt, webhookSecret)
	for _, now := range []time.Time{signedAt.Add(300 * time.Second), signedAt.Add(-300 * time.Second)} {
		if _, err := VerifyWebhook(webhookBody, header, []string{webhookSecret}, at(now)); err != nil {
			t.Errorf("at %s: %v", now, err)
		}
	}
}

func TestVerifyWebhookSkipsVersionsItDoesNotKnow(t *testing.T) {
	now := time.Unix(1763712000, 0)
	header := SignWebhook(webhookBody, "msg_1", now, webhookSecret)
	header.Set("Webhook-Signature", "v1a,AAAA v2,AAAA v1,AAAA "+header.Get("Webhook-Signature")+" nonsense")
	if _, err := VerifyWebhook(webhookBody, header, []string{webhookSecret}, at(now)); err != nil {
		t.Error(err)
	}
}

func TestVerifyWebhookFindsHeadersInLowerCase(t *testing.T) {
	now := time.Unix(1763712000, 0)
	header := http.Header{}
	for name, values := range SignWebhook(webhookBody, "msg_1", now, webhookSecret) {
		header[strings.ToLower(name)] = values
	}
	if _, err := VerifyWebhook(webhookBody, header, []string{webhookSecret}, at(now)); err != nil {
		t.Error(err)
	}
}

func TestVerifyWebhookReadsBothPayloadFormats(t *testing.T) {
	now := time.Unix(1763712000, 0)
	standard := []byte(`{"type":"order.placed","timestamp":"2025-11-21T08:00:00.123456Z","data":` + string(webhookBody) + `}`)
	for name, body := range map[string][]byte{"event": webhookBody, "standard": standard} {
		t.Run(name, func(t *testing.T) {
			event, err := VerifyWebhook(body, SignWebhook(body, "msg_1", now, webhookSecret), []string{webhookSecret}, at(now))
			if err != nil {
				t.Fatal(err)
			}
			if event.EventID != "01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e" || event.EventType != "order.placed" || event.Source != "shop" {
				t.Errorf("got %+v", event)
			}
			if string(event.Payload) != `{"z":1.50,"a":12345678901234567890}` {
				t.Errorf("the payload is not as it was sent: %s", event.Payload)
			}
		})
	}
}

func TestVerifyWebhookRefusesASignedBodyThatIsNoEvent(t *testing.T) {
	now := time.Unix(1763712000, 0)
	for _, body := range []string{"", "hello", "\xff", "null", "[]", "7", `{"event_id":7}`, `{"event_id":"a"} {}`} {
		_, err := VerifyWebhook([]byte(body), SignWebhook([]byte(body), "msg_1", now, webhookSecret), []string{webhookSecret}, at(now))
		if !errors.Is(err, ErrMalformedBody) {
			t.Errorf("%q: got %v", body, err)
		}
	}
}

func TestWebhookHandler(t *testing.T) {
	now := time.Unix(1763712000, 0)
	broken := errors.New("the database is away")
	genuine := func(body []byte) *http.Request {
		request := httptest.NewRequest("POST", "/hooks", bytes.NewReader(body))
		request.Header = SignWebhook(body, "msg_1", now, webhookSecret)
		return request
	}
	foreign := genuine(webhookBody)
	foreign.Header = SignWebhook(webhookBody, "msg_1", now, "my-webhook-secret-0001")
	stale := genuine(webhookBody)
	stale.Header = SignWebhook(webhookBody, "msg_1", now.Add(-time.Hour), webhookSecret)
	cases := map[string]struct {
		request *http.Request
		fails   error
		status  int
		calls   int
		told    error
	}{
		"a delivery":        {genuine(webhookBody), nil, 204, 1, nil},
		"an error":          {genuine(webhookBody), broken, 500, 1, broken},
		"another secret":    {foreign, nil, 401, 0, ErrNoMatchingSignature},
		"a stale delivery":  {stale, nil, 401, 0, ErrMessageTooOld},
		"no headers":        {httptest.NewRequest("POST", "/hooks", bytes.NewReader(webhookBody)), nil, 400, 0, ErrMissingHeader},
		"not an event":      {genuine([]byte("[]")), nil, 400, 0, ErrMalformedBody},
		"a GET":             {httptest.NewRequest("GET", "/hooks", nil), nil, 405, 0, nil},
		"a body too large":  {genuine(bytes.Repeat([]byte(" "), maxWebhookBody+1)), nil, 413, 0, new(http.MaxBytesError)},
		"the largest body":  {genuine(append(bytes.Repeat([]byte(" "), maxWebhookBody-len(webhookBody)), webhookBody...)), nil, 204, 1, nil},
		"a body that fails": {brokenBody(genuine(webhookBody)), nil, 400, 0, errBrokenBody},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			calls := 0
			var told error
			handler := WebhookHandler([]string{webhookSecret}, func(_ context.Context, event *WebhookEvent) error {
				calls++
				if event.EventType != "order.placed" {
					t.Errorf("got %+v", event)
				}
				return c.fails
			}, at(now), WithOnError(func(_ context.Context, err error) { told = err }))
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, c.request)
			if recorder.Code != c.status || calls != c.calls {
				t.Errorf("answered %d after %d calls, want %d after %d", recorder.Code, calls, c.status, c.calls)
			}
			if tooLarge := (*http.MaxBytesError)(nil); errors.As(c.told, &tooLarge) {
				if !errors.As(told, &tooLarge) {
					t.Errorf("told %v", told)
				}
			} else if !errors.Is(told, c.told) {
				t.Errorf("told %v, want %v", told, c.told)
			}
			if c.fails != nil && strings.Contains(recorder.Body.String(), c.fails.Error()) {
				t.Errorf("the sender is told %q", recorder.Body)
			}
		})
	}
}

var errBrokenBody = errors.New("connection reset")

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBrokenBody }
func (brokenReader) Close() error             { return nil }

func brokenBody(request *http.Request) *http.Request {
	request.Body = brokenReader{}
	return request
}

func TestWebhookHandlerDoesNotStartWithoutASecret(t *testing.T) {
	for _, secrets := range [][]string{nil, {""}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("it starts with %q", secrets)
				}
			}()
			WebhookHandler(secrets, func(context.Context, *WebhookEvent) error { return nil })
		}()
	}
}

// Nothing but what was signed is accepted, whatever comes; and nothing makes the verifier panic.
func FuzzVerifyWebhook(f *testing.F) {
	cases, rotation := webhookVectors(f)
	for _, v := range append(cases, rotation.webhookVector) {
		f.Add(v.body(f), v.WebhookID, v.WebhookTimestamp, v.WebhookSignature, v.XWebhookSignature, v.Secret)
	}
	f.Add([]byte(`{"type":"a","data":{}}`), "msg_1", "1763712000", "v1,", "", "whsec_")
	f.Add([]byte(nil), ".", "-1", " v1, ,", "zz", "whsec_AAAA\n")
	f.Fuzz(func(t *testing.T, body []byte, id, timestamp, signature, plain, secret string) {
		now := time.Unix(1763712000, 0)
		header := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signature}}
		if secret == "" {
			if _, err := VerifyWebhook(body, header, []string{secret}, at(now)); !errors.Is(err, ErrNoSecret) {
				t.Fatalf("an empty secret: %v", err)
			}
			return
		}
		event, err := VerifyWebhook(body, header, []string{secret}, at(now))
		if (event == nil) == (err == nil) {
			t.Fatalf("got %v and %v", event, err)
		}
		if err == nil && !strings.Contains(" "+signature+" ", " "+standardSignature(secret, id, timestamp, body)+" ") {
			t.Fatalf("accepted %q", signature)
		}
		if _, err := VerifyWebhook(body, http.Header{"X-Webhook-Signature": {plain}}, []string{secret}, AllowPlain()); err == nil &&
			plain != plainSignature(secret, body) {
			t.Fatalf("accepted %q", plain)
		}

		// Properly signed, it passes, or fails for its body alone; with any byte more it does not.
		signed := SignWebhook(body, "msg_1", now, secret)
		if _, err := VerifyWebhook(body, signed, []string{secret}, at(now)); err != nil && !errors.Is(err, ErrMalformedBody) {
			t.Fatalf("refused what was signed: %v", err)
		}
		if _, err := VerifyWebhook(append(bytes.Clone(body), ' '), signed, []string{secret}, at(now)); !errors.Is(err, ErrNoMatchingSignature) {
			t.Fatalf("one byte more: %v", err)
		}
	})
}
