// Package triggers is the client of the Triggers API: post events, read them from the inbox, manage API keys and webhooks, receive what
// webhooks send.
//
//	client, err := triggers.NewClient("", triggers.WithBaseURL("http://127.0.0.1:8080"))
//	created, err := client.Events.Create(ctx, triggers.EventParams{
//		Source:    "shop",
//		EventType: "order.placed",
//		Payload:   map[string]any{"order": 1042},
//	})
//
// Calls are retried where that is safe, and an event that is created carries an idempotency key, so that a retry never makes a
// second one. Refusals of the server are [*Error] values; everything else that goes wrong is wrapped, so that [errors.Is] finds
// context.DeadlineExceeded and the like.
package triggers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Version is this module's version, as it is sent in User-Agent.
const Version = "0.1.0"

// Client calls one server with one API key. It is safe for concurrent use; make one and share it, as it holds the connections.
type Client struct {
	// Events creates, reads and deletes events.
	Events *EventsService
	// Inbox reads and acknowledges pending events.
	Inbox *InboxService
	// APIKeys manages the workspace's API keys.
	APIKeys *APIKeysService
	// AuditLog reads who changed what.
	AuditLog *AuditLogService
	// Webhooks says where events are sent to.
	Webhooks *WebhooksService
	// Deliveries reads single deliveries and retries them.
	Deliveries *DeliveriesService
	// Replays reads, cancels and waits for single replays.
	Replays *ReplaysService

	// Behind a pointer, so that printing a struct that holds a client prints an address.
	core *core
}

type core struct {
	defaults settings
	// The clock signatures are made by, what waits between tries, and what draws a number in [0, 1): tests put their own.
	now    func() time.Time
	wait   func(ctx context.Context, delay time.Duration) error
	random func() float64
}

// NewClient makes a client. An empty apiKey means the environment's TRIGGERS_API_KEY; without [WithBaseURL] the server is
// TRIGGERS_URL, or http://127.0.0.1:8080; without [WithSigningSecret] requests are signed when TRIGGERS_SIGNING_SECRET is set.
// It sends nothing: an error means that a setting has no sense.
func NewClient(apiKey string, options ...Option) (*Client, error) {
	defaults, err := newSettings(apiKey, options)
	if err != nil {
		return nil, err
	}
	client := &Client{core: &core{defaults: defaults, now: time.Now, wait: wait, random: randomFraction}}
	client.Events = &EventsService{client: client}
	client.Inbox = &InboxService{client: client}
	client.APIKeys = &APIKeysService{client: client}
	client.AuditLog = &AuditLogService{client: client}
	client.Webhooks = &WebhooksService{client: client}
	client.Deliveries = &DeliveriesService{client: client}
	client.Replays = &ReplaysService{client: client}
	return client, nil
}

// String names the server, and neither the API key nor the signing secret.
func (c Client) String() string {
	if c.core == nil {
		return "triggers.Client(not made by NewClient)"
	}
	// Without the path, which may be somebody's secret.
	return fmt.Sprintf("triggers.Client(%s://%s)", c.core.defaults.baseURL.Scheme, c.core.defaults.baseURL.Host)
}

// GoString is String: %#v shows no secret either.
func (c Client) GoString() string { return c.String() }

// Format writes String for every verb.
func (c Client) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, c.String()) }

// Health is what the server says of itself.
type Health struct {
	Status    string    `json:"status"`
	Timestamp time.Time `json:"timestamp"`
	Version   string    `json:"version"`
	RequestID string    `json:"request_id"`
}

// Whoami is what the server knows of the caller's API key.
type Whoami struct {
	WorkspaceID string  `json:"workspace_id"`
	KeyID       string  `json:"key_id"`
	Name        string  `json:"name"`
	Scopes      []Scope `json:"scopes"`
	RequestID   string  `json:"request_id"`
}

// Health asks whether the server can serve.
func (c *Client) Health(ctx context.Context, options ...Option) (*Health, error) {
	return call[Health](ctx, c, requestSpec{method: http.MethodGet, retry: retryAlways, path: "/v1/health", options: options})
}

// Whoami says which workspace and API key the client acts for.
func (c *Client) Whoami(ctx context.Context, options ...Option) (*Whoami, error) {
	return call[Whoami](ctx, c, requestSpec{method: http.MethodGet, retry: retryAlways, path: "/v1/whoami", options: options})
}
