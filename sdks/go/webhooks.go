package triggers

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// RetryProfile says when a delivery that failed is tried again.
type RetryProfile string

// The retry profiles; RetryStandard unless told.
const (
	// RetryStandard: after 5 s, 30 s, 2 min, 10 min, 1 h, 3 h, 6 h, 12 h, each ±20 %.
	RetryStandard RetryProfile = "standard"
	// RetryShort: after 1 s, 2 s, 4 s.
	RetryShort RetryProfile = "short"
)

// PayloadFormat is what the body of a delivery is. [VerifyWebhook] and the handlers read both.
type PayloadFormat string

// The payload formats; PayloadFormatEvent unless told.
const (
	// PayloadFormatEvent: the event as it is read.
	PayloadFormatEvent PayloadFormat = "event"
	// PayloadFormatStandard: {type, timestamp, data}, where data is the event.
	PayloadFormatStandard PayloadFormat = "standard"
)

// DisabledReason is why a webhook is not active.
type DisabledReason string

// The reasons.
const (
	// DisabledManual: its owner switched it off.
	DisabledManual DisabledReason = "manual"
	// DisabledFailing: every attempt failed for five days.
	DisabledFailing DisabledReason = "failing"
	// DisabledGone: its receiver answered 410.
	DisabledGone DisabledReason = "gone"
)

// WebhookTestStatus is how the test of a webhook ended.
type WebhookTestStatus string

// The statuses of a test.
const (
	WebhookTestSuccess WebhookTestStatus = "success"
	WebhookTestFailed  WebhookTestStatus = "failed"
)

// Webhook is a webhook as it is read: without its secret, and without the values of its headers.
type Webhook struct {
	WebhookID string `json:"webhook_id"`
	URL       string `json:"url"`
	// Events are patterns of event types: *, user.*, or one type.
	Events      []string `json:"events"`
	IsActive    bool     `json:"is_active"`
	Description *string  `json:"description"`
	// Filter is what else an event must be like; nil: nothing.
	Filter *WebhookFilter `json:"filter"`
	// HeaderNames are the names of its own headers, in lower case.
	HeaderNames []string `json:"header_names"`
	// RateLimit is the most deliveries a second; nil is without limit.
	RateLimit     *int          `json:"rate_limit"`
	Retry         RetryProfile  `json:"retry"`
	PayloadFormat PayloadFormat `json:"payload_format"`
	CreatedAt     time.Time     `json:"created_at"`
	UpdatedAt     time.Time     `json:"updated_at"`
	// DisabledAt and DisabledReason are nil while it is active.
	DisabledAt     *time.Time      `json:"disabled_at"`
	DisabledReason *DisabledReason `json:"disabled_reason"`
}

// SingleWebhook is a webhook that was read alone.
type SingleWebhook struct {
	Webhook
	RequestID string `json:"request_id"`
}

// WebhookCreated is a new webhook.
type WebhookCreated struct {
	Webhook
	// Secret is the one that the server made, shown this once; nil where you gave one.
	Secret    *string `json:"secret,omitzero"`
	RequestID string  `json:"request_id"`
}

// WebhookParams is a webhook to create.
type WebhookParams struct {
	// URL is where events are sent to: https and a public address, unless the server is told to take others.
	URL string `json:"url"`
	// Events are patterns of event types: * for all, user.* for all that begin so, or one type. * does not match triggers.*, which are
	// events about webhooks.
	Events []string `json:"events"`
	// Secret is what deliveries are signed with, 16 characters or more. One is made where it is nil.
	Secret *string `json:"secret,omitzero"`
	// IsActive is true unless told.
	IsActive    *bool   `json:"is_active,omitzero"`
	Description *string `json:"description,omitzero"`
	// Filter is what else an event must be like.
	Filter *WebhookFilter `json:"filter,omitzero"`
	// Headers are sent with each delivery. The server encrypts their values, and never gives them back.
	Headers map[string]string `json:"headers,omitzero"`
	// RateLimit is the most deliveries a second, 1 to 1,000; without limit unless told.
	RateLimit     *int           `json:"rate_limit,omitzero"`
	Retry         *RetryProfile  `json:"retry,omitzero"`
	PayloadFormat *PayloadFormat `json:"payload_format,omitzero"`
}

// WebhookChanges says what to change of a webhook; what is left out stays.
type WebhookChanges struct {
	URL *string `json:"url,omitzero"`
	// Events take the place of all those before.
	Events []string `json:"events,omitzero"`
	// Secret acts at once; RotateSecret replaces one without a gap.
	Secret *string `json:"secret,omitzero"`
	// IsActive: false holds what is under way, true begins anew.
	IsActive *bool `json:"is_active,omitzero"`
	// Description: Null is none.
	Description Nullable[string] `json:"description,omitzero"`
	// Filter: Null takes all events that Events match.
	Filter Nullable[WebhookFilter] `json:"filter,omitzero"`
	// Headers take the place of all those before. Null is none.
	Headers Nullable[map[string]string] `json:"headers,omitzero"`
	// RateLimit: Null is without limit.
	RateLimit     Nullable[int]  `json:"rate_limit,omitzero"`
	Retry         *RetryProfile  `json:"retry,omitzero"`
	PayloadFormat *PayloadFormat `json:"payload_format,omitzero"`
}

// WebhookListParams says which page of webhooks to list.
type WebhookListParams struct {
	Limit    *int    `query:"limit"`
	Cursor   *string `query:"cursor"`
	IsActive *bool   `query:"is_active"`
}

// WebhookTested is what a receiver made of a test.
type WebhookTested struct {
	WebhookID string            `json:"webhook_id"`
	Status    WebhookTestStatus `json:"status"`
	// StatusCode is what the receiver answered; nil without an answer.
	StatusCode *int `json:"status_code"`
	// ResponseBody is the first 4 kB of its answer; nil without one.
	ResponseBody *string `json:"response_body"`
	Message      string  `json:"message"`
	RequestID    string  `json:"request_id"`
}

// RotateWebhookSecretParams says what the new secret is, and how long the former one goes on.
type RotateWebhookSecretParams struct {
	// TransitionDays is 0 to 90; 1 unless told. So long deliveries are signed with both secrets.
	TransitionDays *int `query:"transition_days" json:"-"`
	// Secret is the new one, 16 characters or more. One is made where it is nil.
	Secret *string `json:"secret,omitzero"`
}

// WebhookSecretRotated is a webhook's new secret, which is shown this once.
type WebhookSecretRotated struct {
	WebhookID string    `json:"webhook_id"`
	Secret    string    `json:"secret"`
	RotatedAt time.Time `json:"rotated_at"`
	// PreviousExpiresAt is until when deliveries are signed with the former secret, too.
	PreviousExpiresAt time.Time `json:"previous_expires_at"`
	RequestID         string    `json:"request_id"`
}

// WebhooksService manages the workspace's webhooks: where its events are sent to. It needs the scope webhooks:manage.
type WebhooksService struct{ client *Client }

// Create makes a webhook. It gets the events that are created from then on. Where no secret is given the server makes one, which is in
// this answer and never again.
func (s *WebhooksService) Create(ctx context.Context, params WebhookParams, options ...Option) (*WebhookCreated, error) {
	return call[WebhookCreated](ctx, s.client, requestSpec{
		method: http.MethodPost, path: "/v1/webhooks", body: params, retry: retryNotDone, options: options,
		secrets: webhookSecrets(params.Secret, params.Headers),
	})
}

// List reads a page of webhooks, newest first.
func (s *WebhooksService) List(ctx context.Context, params WebhookListParams, options ...Option) (*Page[Webhook], error) {
	return listPage[webhookPage](ctx, s.client, "/v1/webhooks", queryOf(params), options)
}

// All goes through all webhooks, page by page. After an error it ends.
func (s *WebhooksService) All(ctx context.Context, params WebhookListParams, options ...Option) iter.Seq2[Webhook, error] {
	return items(ctx, func() (*Page[Webhook], error) { return s.List(ctx, params, options...) })
}

// Get reads a webhook, without its secret.
func (s *WebhooksService) Get(ctx context.Context, webhookID string, options ...Option) (*SingleWebhook, error) {
	return call[SingleWebhook](ctx, s.client, requestSpec{
		method: http.MethodGet, retry: retryAlways, path: "/v1/webhooks/{id}", id: webhookID, options: options,
	})
}

// Update changes a webhook. With IsActive it switches on one that was disabled; what it missed can be sent by [WebhooksService.Replay].
func (s *WebhooksService) Update(ctx context.Context, webhookID string, changes WebhookChanges, options ...Option) (*SingleWebhook, error) {
	var headers map[string]string
	if changes.Headers.value != nil {
		headers = *changes.Headers.value
	}
	return call[SingleWebhook](ctx, s.client, requestSpec{
		// The same values once more change nothing.
		method: http.MethodPut, path: "/v1/webhooks/{id}", id: webhookID, body: changes, retry: retryAlways, options: options,
		secrets: webhookSecrets(changes.Secret, headers),
	})
}

// Delete deletes a webhook; what was to be sent to it is cancelled. One that is not there is an [*Error] with CodeNotFound, unless it may
// have been this very call that deleted it, in a try whose answer was lost.
func (s *WebhooksService) Delete(ctx context.Context, webhookID string, options ...Option) error {
	spec := requestSpec{method: http.MethodDelete, retry: retryAlways, path: "/v1/webhooks/{id}", id: webhookID, options: options}
	spec.treatAsDone = func(refusal *Error) bool { return refusal.StatusCode == http.StatusNotFound }
	_, err := s.client.do(ctx, spec, nil)
	return err
}

// Test sends an event of type webhook.test to the receiver, and says what it answered. That event is in no list and no inbox.
func (s *WebhooksService) Test(ctx context.Context, webhookID string, options ...Option) (*WebhookTested, error) {
	return call[WebhookTested](ctx, s.client, requestSpec{
		method: http.MethodPost, path: "/v1/webhooks/{id}/test", id: webhookID, retry: retryNotDone, options: options,
	})
}

// RotateSecret gives a webhook a new secret. For some days deliveries are signed with the former one, too: give both to the receiver
// first. When its answer is lost the call fails rather than rotate twice, which would end the secret that the receiver has.
func (s *WebhooksService) RotateSecret(
	ctx context.Context, webhookID string, params RotateWebhookSecretParams, options ...Option,
) (*WebhookSecretRotated, error) {
	spec := requestSpec{
		method: http.MethodPost, path: "/v1/webhooks/{id}/rotate-secret", id: webhookID, query: queryOf(params), retry: retryNotDone,
		options: options, secrets: webhookSecrets(params.Secret, nil),
	}
	if params.Secret != nil {
		spec.body = params
	}
	return call[WebhookSecretRotated](ctx, s.client, spec)
}

// webhookSecrets are the texts that a call sends and no error may repeat.
func webhookSecrets(chosen *string, headers map[string]string) []secret {
	var secrets []secret
	if chosen != nil {
		secrets = append(secrets, newSecret(*chosen))
	}
	for _, value := range headers {
		secrets = append(secrets, newSecret(value))
	}
	return secrets
}

type webhookPage struct {
	Webhooks   []Webhook  `json:"webhooks"`
	Pagination pagination `json:"pagination"`
	RequestID  string     `json:"request_id"`
}

func (p webhookPage) page() *Page[Webhook] { return newPage(p.Webhooks, p.Pagination, p.RequestID) }
