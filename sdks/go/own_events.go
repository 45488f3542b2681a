package triggers

import "time"

// The types of the events about webhooks. They go to webhooks that ask for triggers.* or one of them by name, and to nobody else.
const (
	// TypeWebhookDisabled: a webhook was disabled, as its receiver fails or is gone. The payload is a [WebhookDisabled].
	TypeWebhookDisabled = "triggers.webhook.disabled"
	// TypeWebhookRecovered: the first delivery of a webhook after such trouble succeeded. The payload is a [WebhookRecovered].
	TypeWebhookRecovered = "triggers.webhook.recovered"
	// TypeDeliveryDead: the last attempt of a delivery failed. The payload is a [DeliveryDead].
	TypeDeliveryDead = "triggers.delivery.dead"
)

const ownEventPrefix = "triggers."

// WebhookDisabled is the payload of [TypeWebhookDisabled].
type WebhookDisabled struct {
	WebhookID string `json:"webhook_id"`
	// URL is without its query.
	URL        string         `json:"url"`
	Reason     DisabledReason `json:"reason"`
	DisabledAt time.Time      `json:"disabled_at"`
	// DeliveriesHeldUntil is until when the last of what is held can be replayed.
	DeliveriesHeldUntil time.Time `json:"deliveries_held_until"`
}

// WebhookRecovered is the payload of [TypeWebhookRecovered].
type WebhookRecovered struct {
	WebhookID string `json:"webhook_id"`
	// URL is without its query.
	URL         string    `json:"url"`
	RecoveredAt time.Time `json:"recovered_at"`
}

// DeliveryDead is the payload of [TypeDeliveryDead].
type DeliveryDead struct {
	DeliveryID string `json:"delivery_id"`
	WebhookID  string `json:"webhook_id"`
	EventID    string `json:"event_id"`
	// EventType is that of the event which was not delivered.
	EventType    string `json:"event_type"`
	AttemptCount int    `json:"attempt_count"`
	// LastStatusCode is what the last attempt was answered with; nil: not at all, and LastError says why.
	LastStatusCode *int          `json:"last_status_code"`
	LastError      *AttemptError `json:"last_error"`
}
