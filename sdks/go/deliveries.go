package triggers

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// DeliveryStatus is how far a delivery is.
type DeliveryStatus string

// The statuses of a delivery.
const (
	// DeliveryStatusPending: on its way, or tried again later.
	DeliveryStatusPending DeliveryStatus = "pending"
	// DeliveryStatusDelivered: answered with 2xx.
	DeliveryStatusDelivered DeliveryStatus = "delivered"
	// DeliveryStatusDead: every attempt failed.
	DeliveryStatusDead DeliveryStatus = "dead"
	// DeliveryStatusHeld: its webhook was switched off before it ended.
	DeliveryStatusHeld DeliveryStatus = "held"
	// DeliveryStatusCancelled: its event, webhook or replay is gone.
	DeliveryStatusCancelled DeliveryStatus = "cancelled"
)

// AttemptError is why an attempt had no answer.
type AttemptError string

// The errors of attempts.
const (
	AttemptURLRefused        AttemptError = "url_refused"
	AttemptDNSFailed         AttemptError = "dns_failed"
	AttemptAddressRefused    AttemptError = "address_refused"
	AttemptConnectTimeout    AttemptError = "connect_timeout"
	AttemptConnectionRefused AttemptError = "connection_refused"
	AttemptConnectionReset   AttemptError = "connection_reset"
	AttemptConnectionFailed  AttemptError = "connection_failed"
	AttemptTLSFailed         AttemptError = "tls_failed"
	AttemptProxyFailed       AttemptError = "proxy_failed"
	AttemptTimeout           AttemptError = "timeout"
	AttemptInvalidAnswer     AttemptError = "invalid_answer"
)

// Delivery is one event on its way to one webhook.
type Delivery struct {
	DeliveryID   string         `json:"delivery_id"`
	WebhookID    string         `json:"webhook_id"`
	EventID      string         `json:"event_id"`
	EventType    string         `json:"event_type"`
	Status       DeliveryStatus `json:"status"`
	AttemptCount int            `json:"attempt_count"`
	// NextAttemptAt is nil unless the delivery is pending, and while an attempt is under way.
	NextAttemptAt *time.Time `json:"next_attempt_at"`
	CreatedAt     time.Time  `json:"created_at"`
	// CompletedAt is when it ended; nil while it is pending.
	CompletedAt *time.Time `json:"completed_at"`
	// ReplayID is the replay that made it; nil where the event itself did.
	ReplayID *string `json:"replay_id"`
	// Attempts are oldest first.
	Attempts []DeliveryAttempt `json:"attempts"`
}

// DeliveryAttempt is one request of a delivery, with what came of it.
type DeliveryAttempt struct {
	// Attempt is 1 for the first.
	Attempt   int       `json:"attempt"`
	StartedAt time.Time `json:"started_at"`
	// DurationMS is how long it took, in milliseconds.
	DurationMS float64 `json:"duration_ms"`
	// StatusCode is that of the answer, nil without one; Error is why there was none.
	StatusCode *int          `json:"status_code"`
	Error      *AttemptError `json:"error"`
	// ResponseBody has the first 4 kB of the answer; ResponseTruncated says whether there was more.
	ResponseBody      string `json:"response_body"`
	ResponseTruncated bool   `json:"response_truncated"`
	// RetryReason is why it is tried again, such as status_503; nil where it is not.
	RetryReason *string `json:"retry_reason"`
}

// SingleDelivery is a delivery that was read alone.
type SingleDelivery struct {
	Delivery
	RequestID string `json:"request_id"`
}

// DeliveryRetried is the answer to a retry by hand.
type DeliveryRetried struct {
	DeliveryID string         `json:"delivery_id"`
	Status     DeliveryStatus `json:"status"`
	RequestID  string         `json:"request_id"`
}

// DeliveryListParams says which deliveries to list.
type DeliveryListParams struct {
	Limit  *int            `query:"limit"`
	Cursor *string         `query:"cursor"`
	Status *DeliveryStatus `query:"status"`
}

// TraceReason is why a webhook gets an event, or does not.
type TraceReason string

// The reasons.
const (
	TraceMatched TraceReason = "matched"
	// TraceEventType: none of its patterns matches.
	TraceEventType TraceReason = "event_type"
	// TraceFilter: its filter does not match.
	TraceFilter TraceReason = "filter"
	// TraceInactive: it is switched off.
	TraceInactive TraceReason = "inactive"
	// TraceCreatedLater: it was made after the event.
	TraceCreatedLater TraceReason = "created_later"
)

// EventTrace is what became of an event, webhook by webhook.
type EventTrace struct {
	EventID   string          `json:"event_id"`
	Webhooks  []TracedWebhook `json:"webhooks"`
	RequestID string          `json:"request_id"`
}

// TracedWebhook is what a webhook had to do with an event. Where it has no delivery, it is judged as it is now.
type TracedWebhook struct {
	WebhookID string      `json:"webhook_id"`
	Matched   bool        `json:"matched"`
	Reason    TraceReason `json:"reason"`
	// Detail says the same for people.
	Detail string `json:"detail"`
	// Deliveries are newest first.
	Deliveries []Delivery `json:"deliveries"`
}

// DeliveriesService reads single deliveries and retries them; it needs the scope webhooks:manage. Lists of them are
// [WebhooksService.Deliveries] and [EventsService.Deliveries].
type DeliveriesService struct{ client *Client }

// Get reads a delivery with its attempts.
func (s *DeliveriesService) Get(ctx context.Context, deliveryID string, options ...Option) (*SingleDelivery, error) {
	return call[SingleDelivery](ctx, s.client, requestSpec{
		method: http.MethodGet, retry: retryAlways, path: "/v1/deliveries/{id}", id: deliveryID, options: options,
	})
}

// Retry sends a delivery that has ended once more: at once, and then by its whole schedule anew. The receiver sees the same
// [WebhookEvent].MessageID. While the delivery is pending, and when its webhook is not active or its event gone, it is an [*Error] with
// CodeConflict.
func (s *DeliveriesService) Retry(ctx context.Context, deliveryID string, options ...Option) (*DeliveryRetried, error) {
	return call[DeliveryRetried](ctx, s.client, requestSpec{
		// Once more after a lost answer could send again what has been delivered meanwhile.
		method: http.MethodPost, path: "/v1/deliveries/{id}/retry", id: deliveryID, retry: retryNotDone, options: options,
	})
}

// Deliveries reads a page of what was, is and will be sent to a webhook, newest first.
func (s *WebhooksService) Deliveries(
	ctx context.Context, webhookID string, params DeliveryListParams, options ...Option,
) (*Page[Delivery], error) {
	return listPageOf[deliveryPage](ctx, s.client, "/v1/webhooks/{id}/deliveries", webhookID, queryOf(params), options)
}

// AllDeliveries goes through a webhook's deliveries, page by page. After an error it ends.
func (s *WebhooksService) AllDeliveries(
	ctx context.Context, webhookID string, params DeliveryListParams, options ...Option,
) iter.Seq2[Delivery, error] {
	return items(ctx, func() (*Page[Delivery], error) { return s.Deliveries(ctx, webhookID, params, options...) })
}

// Deliveries reads a page of an event's deliveries, to all webhooks, newest first.
func (s *EventsService) Deliveries(ctx context.Context, eventID string, params DeliveryListParams, options ...Option) (*Page[Delivery], error) {
	return listPageOf[deliveryPage](ctx, s.client, "/v1/events/{id}/deliveries", eventID, queryOf(params), options)
}

// AllDeliveries goes through an event's deliveries, page by page. After an error it ends.
func (s *EventsService) AllDeliveries(
	ctx context.Context, eventID string, params DeliveryListParams, options ...Option,
) iter.Seq2[Delivery, error] {
	return items(ctx, func() (*Page[Delivery], error) { return s.Deliveries(ctx, eventID, params, options...) })
}

// Trace says for each webhook whether an event went to it, why or why not, and what came of it.
func (s *EventsService) Trace(ctx context.Context, eventID string, options ...Option) (*EventTrace, error) {
	return call[EventTrace](ctx, s.client, requestSpec{
		method: http.MethodGet, retry: retryAlways, path: "/v1/events/{id}/trace", id: eventID, options: options,
	})
}

type deliveryPage struct {
	Deliveries []Delivery `json:"deliveries"`
	Pagination pagination `json:"pagination"`
	RequestID  string     `json:"request_id"`
}

func (p deliveryPage) page() *Page[Delivery] { return newPage(p.Deliveries, p.Pagination, p.RequestID) }
