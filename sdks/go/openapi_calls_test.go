package triggers

import "context"

// apiCall is the method that makes an operation's call.
type apiCall struct {
	// method is looked at for the types that go in and come out.
	method any
	// query is the struct of the query's parameters; nil where there are none.
	query any
	call  func(ctx context.Context, c *Client) error
	// others are methods of the same operation, by the status of their answers.
	others map[string]any
}

var apiCalls = map[string]apiCall{
	"createEvent": {method: (*EventsService).Create, call: create},
	"listEvents": {method: (*EventsService).List, query: EventListParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.Events.List(ctx, EventListParams{})
		return err
	}},
	"createEventsBulk": {method: (*EventsService).CreateMany, call: func(ctx context.Context, c *Client) error {
		_, err := c.Events.CreateMany(ctx, []EventParams{{Source: "s"}})
		return err
	}},
	"deleteEventsBulk": {method: (*EventsService).DeleteMany, call: func(ctx context.Context, c *Client) error {
		_, err := c.Events.DeleteMany(ctx, []string{someEventID})
		return err
	}},
	"getEvent": {method: (*EventsService).Get, call: read},
	"deleteEvent": {method: (*EventsService).Delete, call: func(ctx context.Context, c *Client) error {
		_, err := c.Events.Delete(ctx, someEventID)
		return err
	}},
	"listInbox": {method: (*InboxService).List, query: InboxListParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.Inbox.List(ctx, InboxListParams{})
		return err
	}},
	"ackEventsBulk": {method: (*InboxService).AckMany, call: func(ctx context.Context, c *Client) error {
		_, err := c.Inbox.AckMany(ctx, []string{someEventID})
		return err
	}},
	"ackEvent": {method: (*InboxService).Ack, call: func(ctx context.Context, c *Client) error {
		_, err := c.Inbox.Ack(ctx, someEventID)
		return err
	}},
	"createApiKey": {method: (*APIKeysService).Create, call: createKey},
	"listApiKeys": {method: (*APIKeysService).List, query: APIKeyListParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.List(ctx, APIKeyListParams{})
		return err
	}},
	"getApiKey": {method: (*APIKeysService).Get, call: func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.Get(ctx, "key_x")
		return err
	}},
	"updateApiKey": {method: (*APIKeysService).Update, call: func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.Update(ctx, "key_x", APIKeyChanges{})
		return err
	}},
	"deleteApiKey": {method: (*APIKeysService).Delete, call: func(ctx context.Context, c *Client) error { return c.APIKeys.Delete(ctx, "key_x") }},
	"rotateApiKey": {method: (*APIKeysService).Rotate, query: RotateParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.Rotate(ctx, "key_x", RotateParams{})
		return err
	}},
	"listApiKeyVersions": {method: (*APIKeysService).Versions, call: func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.Versions(ctx, "key_x")
		return err
	}},
	"createSigningSecret": {method: (*APIKeysService).CreateSigningSecret, query: SigningSecretParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.CreateSigningSecret(ctx, "key_x", SigningSecretParams{})
		return err
	}},
	"listAuditLog": {method: (*AuditLogService).List, query: AuditLogListParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.AuditLog.List(ctx, AuditLogListParams{})
		return err
	}},
	"getHealth": {method: (*Client).Health, call: func(ctx context.Context, c *Client) error {
		_, err := c.Health(ctx)
		return err
	}},
	"getWhoami": {method: (*Client).Whoami, call: func(ctx context.Context, c *Client) error {
		_, err := c.Whoami(ctx)
		return err
	}},
	"listEventDeliveries": {method: (*EventsService).Deliveries, query: DeliveryListParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.Events.Deliveries(ctx, someEventID, DeliveryListParams{})
		return err
	}},
	"traceEvent": {method: (*EventsService).Trace, call: func(ctx context.Context, c *Client) error {
		_, err := c.Events.Trace(ctx, someEventID)
		return err
	}},
	"createWebhook": {method: (*WebhooksService).Create, call: func(ctx context.Context, c *Client) error {
		_, err := c.Webhooks.Create(ctx, WebhookParams{URL: "https://example.com", Events: []string{"*"}})
		return err
	}},
	"listWebhooks": {method: (*WebhooksService).List, query: WebhookListParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.Webhooks.List(ctx, WebhookListParams{})
		return err
	}},
	"getWebhook": {method: (*WebhooksService).Get, call: func(ctx context.Context, c *Client) error {
		_, err := c.Webhooks.Get(ctx, someWebhookID)
		return err
	}},
	"updateWebhook": {method: (*WebhooksService).Update, call: func(ctx context.Context, c *Client) error {
		_, err := c.Webhooks.Update(ctx, someWebhookID, WebhookChanges{})
		return err
	}},
	"deleteWebhook": {method: (*WebhooksService).Delete, call: func(ctx context.Context, c *Client) error {
		return c.Webhooks.Delete(ctx, someWebhookID)
	}},
	"testWebhook": {method: (*WebhooksService).Test, call: func(ctx context.Context, c *Client) error {
		_, err := c.Webhooks.Test(ctx, someWebhookID)
		return err
	}},
	"rotateWebhookSecret": {method: (*WebhooksService).RotateSecret, query: RotateWebhookSecretParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.Webhooks.RotateSecret(ctx, someWebhookID, RotateWebhookSecretParams{Secret: Ptr("my-webhook-secret-0001")})
		return err
	}},
	"listDeliveries": {method: (*WebhooksService).Deliveries, query: DeliveryListParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.Webhooks.Deliveries(ctx, someWebhookID, DeliveryListParams{})
		return err
	}},
	"getDelivery": {method: (*DeliveriesService).Get, call: func(ctx context.Context, c *Client) error {
		_, err := c.Deliveries.Get(ctx, someWebhookID)
		return err
	}},
	"retryDelivery": {method: (*DeliveriesService).Retry, call: func(ctx context.Context, c *Client) error {
		_, err := c.Deliveries.Retry(ctx, someWebhookID)
		return err
	}},
	"replayWebhook": {method: (*WebhooksService).Replay, call: func(ctx context.Context, c *Client) error {
		_, err := c.Webhooks.Replay(ctx, someWebhookID, ReplayParams{})
		return err
	}, others: map[string]any{"200": (*WebhooksService).CountReplay}},
	"listReplays": {method: (*WebhooksService).Replays, query: ReplayListParams{}, call: func(ctx context.Context, c *Client) error {
		_, err := c.Webhooks.Replays(ctx, someWebhookID, ReplayListParams{})
		return err
	}},
	"getReplay": {method: (*ReplaysService).Get, call: func(ctx context.Context, c *Client) error {
		_, err := c.Replays.Get(ctx, someWebhookID)
		return err
	}},
	"cancelReplay": {method: (*ReplaysService).Cancel, call: func(ctx context.Context, c *Client) error {
		_, err := c.Replays.Cancel(ctx, someWebhookID)
		return err
	}},
}
