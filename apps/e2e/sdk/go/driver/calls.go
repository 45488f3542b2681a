package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	triggers "github.com/triggers-api/triggers/sdks/go"
)

// call is a Call of driver.ts.
type call struct {
	Name           string                 `json:"name"`
	Event          triggers.EventParams   `json:"-"`
	Events         []triggers.EventParams `json:"-"`
	IdempotencyKey string                 `json:"idempotencyKey"`
	ID             string                 `json:"id"`
	IDs            []string               `json:"ids"`
	Concurrency    int                    `json:"concurrency"`
	Limit          *int                   `json:"limit"`
	Source         *string                `json:"source"`
	KeyName        string                 `json:"keyName"`
	Count          int                    `json:"count"`
	FailFor        []string               `json:"failFor"`
	Body           string                 `json:"body"`
	Headers        map[string]string      `json:"headers"`
	Secrets        []string               `json:"secrets"`
	NowSeconds     int64                  `json:"nowSeconds"`
	AllowPlain     bool                   `json:"allowPlain"`
}

// event is an EventParams whose payload stays the text that it is.
type event struct {
	Source    string                  `json:"source"`
	EventType string                  `json:"event_type"`
	Payload   json.RawMessage         `json:"payload"`
	Metadata  triggers.MetadataParams `json:"metadata"`
}

func (e event) params() triggers.EventParams {
	return triggers.EventParams{Source: e.Source, EventType: e.EventType, Payload: e.Payload, Metadata: e.Metadata}
}

func (c *call) UnmarshalJSON(text []byte) error {
	type plain call
	var events struct {
		Event  event   `json:"event"`
		Events []event `json:"events"`
	}
	if err := json.Unmarshal(text, &events); err != nil {
		return err
	}
	c.Event = events.Event.params()
	for _, event := range events.Events {
		c.Events = append(c.Events, event.params())
	}
	return json.Unmarshal(text, (*plain)(c))
}

func (c call) do(ctx context.Context, client *triggers.Client, seen *record) (any, error) {
	var options []triggers.Option
	if c.IdempotencyKey != "" {
		options = append(options, triggers.WithIdempotencyKey(c.IdempotencyKey))
	}
	if c.Concurrency > 0 && c.Name != "consume" {
		options = append(options, triggers.WithConcurrency(c.Concurrency))
	}
	switch c.Name {
	case "health":
		return client.Health(ctx)
	case "whoami":
		return client.Whoami(ctx)
	case "create":
		return client.Events.Create(ctx, c.Event, options...)
	case "createMany":
		results, err := client.Events.CreateMany(ctx, c.Events, options...)
		return itemsOf(results, err, seen)
	case "get":
		return client.Events.Get(ctx, c.ID)
	case "delete":
		return client.Events.Delete(ctx, c.ID)
	case "ack":
		return client.Inbox.Ack(ctx, c.ID)
	case "finish":
		if _, err := client.Inbox.Ack(ctx, c.ID); err != nil {
			return nil, err
		}
		return client.Events.Delete(ctx, c.ID)
	case "deleteMany":
		results, err := client.Events.DeleteMany(ctx, c.IDs, options...)
		return itemsOf(results, err, seen)
	case "ackMany":
		results, err := client.Inbox.AckMany(ctx, c.IDs, options...)
		return itemsOf(results, err, seen)
	case "events":
		return idsOf(client.Events.All(ctx, triggers.EventListParams{Limit: c.Limit, Source: c.Source}))
	case "inbox":
		return idsOf(client.Inbox.All(ctx, triggers.InboxListParams{Limit: c.Limit, Source: c.Source}))
	case "createKey":
		return client.APIKeys.Create(ctx, triggers.APIKeyParams{Name: c.KeyName, Scopes: []triggers.Scope{"events:read"}})
	case "revokeKey":
		return nil, client.APIKeys.Delete(ctx, c.ID)
	case "consume":
		return c.consume(ctx, client)
	case "verify":
		return c.verify()
	default:
		return nil, fmt.Errorf("no such call: %s", c.Name)
	}
}

func (c call) consume(ctx context.Context, client *triggers.Client) ([]string, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	var handled []string
	err := client.Inbox.Consume(ctx, func(_ context.Context, event triggers.Event) error {
		mu.Lock()
		defer mu.Unlock()
		handled = append(handled, event.EventID)
		if len(handled) >= c.Count {
			stop()
		}
		if slices.Contains(c.FailFor, event.EventID) {
			return errors.New("the handler fails")
		}
		return nil
	}, triggers.ConsumeOptions{Concurrency: c.Concurrency})
	return handled, err
}

var sentinels = map[string]error{
	"ErrNoSecret":            triggers.ErrNoSecret,
	"ErrMissingHeader":       triggers.ErrMissingHeader,
	"ErrMalformedHeader":     triggers.ErrMalformedHeader,
	"ErrMessageTooOld":       triggers.ErrMessageTooOld,
	"ErrMessageTooNew":       triggers.ErrMessageTooNew,
	"ErrNoMatchingSignature": triggers.ErrNoMatchingSignature,
	"ErrMalformedBody":       triggers.ErrMalformedBody,
}

func (c call) verify() (any, error) {
	header := http.Header{}
	for name, value := range c.Headers {
		header.Set(name, value)
	}
	options := []triggers.WebhookOption{triggers.WithNow(func() time.Time { return time.Unix(c.NowSeconds, 0) })}
	if c.AllowPlain {
		options = append(options, triggers.AllowPlain())
	}
	return triggers.VerifyWebhook([]byte(c.Body), header, c.Secrets, options...)
}

func idsOf(events iter.Seq2[triggers.Event, error]) (any, error) {
	ids := []string{}
	for event, err := range events {
		if err != nil {
			return nil, err
		}
		ids = append(ids, event.EventID)
	}
	return ids, nil
}

func itemsOf[T any](results []triggers.BatchResult[T], err error, seen *record) (any, error) {
	var some *triggers.BatchError
	if err != nil && !errors.As(err, &some) {
		return nil, err
	}
	items := make([]outcome, len(results))
	for i, result := range results {
		items[i] = outcomeOf(result.Value, result.Err, seen)
	}
	return items, nil
}

func isConnectionError(err error) bool {
	var operation net.Error
	return errors.As(err, &operation) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
