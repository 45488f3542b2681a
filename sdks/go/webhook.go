package triggers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What [VerifyWebhook] returns says which of these it is through [errors.Is], and the details in words.
var (
	// ErrNoSecret: no secret was given, or an empty one, which would let anybody sign.
	ErrNoSecret = errors.New("triggers: no webhook secret")
	// ErrMissingHeader: the request has no signature headers. It does not come from the server, or something on the way drops them.
	ErrMissingHeader = errors.New("triggers: missing webhook header")
	// ErrMalformedHeader: a signature header has another form than the server gives it.
	ErrMalformedHeader = errors.New("triggers: malformed webhook header")
	// ErrMessageTooOld: the message was signed too long ago: it is an old delivery sent again, or this machine's clock is ahead.
	ErrMessageTooOld = errors.New("triggers: webhook message too old")
	// ErrMessageTooNew: the message was signed in the future: this machine's clock is behind.
	ErrMessageTooNew = errors.New("triggers: webhook message too new")
	// ErrNoMatchingSignature: another secret signed it, or it was changed. The body must be the bytes that came, not JSON parsed and
	// encoded anew.
	ErrNoMatchingSignature = errors.New("triggers: no matching webhook signature")
	// ErrMalformedBody: the signature is right, but the body is not an event.
	ErrMalformedBody = errors.New("triggers: malformed webhook body")
)

const (
	defaultWebhookTolerance = 5 * time.Minute
	// An event's payload has at most 409,600 bytes as the server counts them; a delivery is never near this.
	maxWebhookBody = 1 << 20

	headerWebhookID        = "Webhook-Id"
	headerWebhookTimestamp = "Webhook-Timestamp"
	headerWebhookSignature = "Webhook-Signature"
	headerPlainSignature   = "X-Webhook-Signature"
)

// A WebhookEvent is the event of a delivery whose signature was right.
type WebhookEvent struct {
	Event
	// MessageID is the same for every retry and replay of the delivery, so that repeats can be told. Empty in the plain form.
	MessageID string `json:"-"`
	// SignedAt is when this try of the delivery was signed. Zero in the plain form.
	SignedAt time.Time `json:"-"`
}

// A WebhookOption changes how webhooks are verified; some are for handlers alone.
type WebhookOption func(*webhookSettings)

type webhookSettings struct {
	tolerance  time.Duration
	now        func() time.Time
	allowPlain bool
	onError    func(context.Context, error)
	maxBytes   int64
	seen       SeenMessages
}

// WithTolerance sets how far the time of signing may be from now, either way: 5 minutes unless told otherwise. Zero asks for the same
// second; it does not switch the check off.
func WithTolerance(tolerance time.Duration) WebhookOption {
	return func(s *webhookSettings) { s.tolerance = max(0, tolerance) }
}

// WithNow replaces the clock, for tests.
func WithNow(now func() time.Time) WebhookOption {
	return func(s *webhookSettings) { s.now = now }
}

// AllowPlain also accepts the plain signature X-Webhook-Signature, where a request has no header of the other form (webhook-*). It
// has no replay protection: it covers neither a time nor an id, so whoever has seen one delivery can send it again for ever. It is
// for receivers behind something that drops the webhook-* headers.
func AllowPlain() WebhookOption {
	return func(s *webhookSettings) { s.allowPlain = true }
}

func newWebhookSettings(opts []WebhookOption) webhookSettings {
	settings := webhookSettings{tolerance: defaultWebhookTolerance, now: time.Now, onError: logWebhookError, maxBytes: maxWebhookBody}
	for _, opt := range opts {
		opt(&settings)
	}
	return settings
}

// VerifyWebhook tells whether a delivery comes from the server, unchanged and just now, and gives its event, whatever the webhook's
// payload format.
//
// The body must be the bytes that came. Any of the secrets may have signed it: give the new and the old one while a webhook's secret
// is rotated. The errors are ErrNoSecret, ErrMissingHeader, ErrMalformedHeader, ErrNoMatchingSignature, ErrMessageTooOld,
// ErrMessageTooNew and ErrMalformedBody, for [errors.Is]. None of them shows a secret.
//
// A delivery can come more than once, as its answer can be lost: remember the MessageID where that matters. [NewWebhookHandler] makes
// an http.Handler that does all of this.
func VerifyWebhook(body []byte, header http.Header, secrets []string, opts ...WebhookOption) (*WebhookEvent, error) {
	settings := newWebhookSettings(opts)
	if err := checkWebhookSecrets(secrets); err != nil {
		return nil, err
	}
	if settings.allowPlain && !hasStandardHeader(header) {
		return verifyPlain(body, header, secrets)
	}
	id, err := webhookHeader(header, headerWebhookID)
	if err != nil {
		if !settings.allowPlain && !hasStandardHeader(header) && header.Get(headerPlainSignature) != "" {
			err = fmt.Errorf("%w; %s alone counts only with AllowPlain", err, headerPlainSignature)
		}
		return nil, err
	}
	timestamp, err := webhookHeader(header, headerWebhookTimestamp)
	if err != nil {
		return nil, err
	}
	seconds, err := parseWebhookTimestamp(timestamp)
	if err != nil {
		return nil, err
	}
	list, err := webhookHeader(header, headerWebhookSignature)
	if err != nil {
		return nil, err
	}
	signatures := slices.DeleteFunc(strings.Split(list, " "), func(s string) bool { return !isStandardSignature(s) })
	if len(signatures) == 0 {
		return nil, fmt.Errorf("%w: %s has no signature of the form v1,<base64 of 32 bytes>", ErrMalformedHeader, headerWebhookSignature)
	}
	now, signedAt := settings.now(), time.Unix(seconds, 0).UTC()
	if now.Sub(signedAt) > settings.tolerance {
		return nil, fmt.Errorf("%w: signed %d seconds ago; an old delivery sent again, or this machine's clock is ahead",
			ErrMessageTooOld, now.Unix()-seconds)
	}
	if now.Sub(signedAt) < -settings.tolerance {
		return nil, fmt.Errorf("%w: signed %d seconds ahead of now; this machine's clock is behind", ErrMessageTooNew, seconds-now.Unix())
	}
	if !anyMatches(signatures, secrets, func(secret string) string { return standardSignature(secret, id, timestamp, body) }) {
		return nil, noMatch(body, secrets)
	}
	event, err := parseWebhookEvent(body)
	if err != nil {
		return nil, err
	}
	return &WebhookEvent{Event: event, MessageID: id, SignedAt: signedAt}, nil
}

// SignWebhook makes the headers that the server would send with the body, for tests of your own receiver. With several secrets it
// signs as during a rotation: give the new one, then the old one.
func SignWebhook(body []byte, messageID string, signedAt time.Time, secrets ...string) http.Header {
	timestamp := strconv.FormatInt(signedAt.Unix(), 10)
	header := http.Header{"Content-Type": {"application/json"}}
	header.Set(headerWebhookID, messageID)
	header.Set(headerWebhookTimestamp, timestamp)
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		signatures[i] = standardSignature(secret, messageID, timestamp, body)
		// One value only: the old secret's, until its overlap ends.
		header.Set(headerPlainSignature, plainSignature(secret, body))
	}
	header.Set(headerWebhookSignature, strings.Join(signatures, " "))
	return header
}

func verifyPlain(body []byte, header http.Header, secrets []string) (*WebhookEvent, error) {
	signature, err := webhookHeader(header, headerPlainSignature)
	if err != nil {
		return nil, err
	}
	if !isPlainSignature(signature) {
		return nil, fmt.Errorf("%w: %s is not 64 lower-case hex digits", ErrMalformedHeader, headerPlainSignature)
	}
	if !anyMatches([]string{signature}, secrets, func(secret string) string { return plainSignature(secret, body) }) {
		return nil, noMatch(body, secrets)
	}
	event, err := parseWebhookEvent(body)
	if err != nil {
		return nil, err
	}
	return &WebhookEvent{Event: event}, nil
}
