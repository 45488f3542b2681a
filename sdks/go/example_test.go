package triggers_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	triggers "github.com/triggers-api/triggers/sdks/go"
)

// What the examples begin with: a client made as in [ExampleNewClient], a context that ends with the program, and a webhook made as in
// [ExampleWebhooksService_Create].
var (
	client    *triggers.Client
	ctx       = context.Background()
	webhookID string
)

func ExampleNewClient() {
	// Reads TRIGGERS_API_KEY, TRIGGERS_URL and TRIGGERS_SIGNING_SECRET.
	client, err := triggers.NewClient("")
	if err != nil {
		log.Fatal(err)
	}
	whoami, err := client.Whoami(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(whoami.WorkspaceID)
	// default
}

func ExampleNewClient_options() {
	client, err := triggers.NewClient(
		os.Getenv("SHOP_API_KEY"),
		triggers.WithBaseURL("https://events.example.com"),
		triggers.WithSigningSecret(os.Getenv("SHOP_SIGNING_SECRET")),
		triggers.WithMaxRetries(5),
		triggers.WithLogger(slog.Default()),
	)
	if err != nil {
		log.Fatal(err)
	}
	// For one call alone.
	if _, err = client.Events.Delete(ctx, "01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e", triggers.WithTimeout(time.Second)); err != nil {
		log.Fatal(err)
	}
}

func ExampleEventsService_Create() {
	created, err := client.Events.Create(ctx, triggers.EventParams{
		Source:    "shop",
		EventType: "order.placed",
		Payload:   map[string]any{"order": 1042, "total": 99.5},
		Metadata: triggers.MetadataParams{
			Priority: triggers.Ptr(triggers.PriorityHigh),
			Extra:    map[string]any{"region": "eu-west-1"},
		},
	}, triggers.WithIdempotencyKey("order-1042-placed"))
	if err != nil {
		log.Fatal(err)
	}
	event, err := client.Events.Get(ctx, created.EventID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(event.EventType, string(event.Payload), event.Metadata.Extra["region"])
	// order.placed {"order":1042,"total":99.5} eu-west-1
}

func ExampleInboxService_All() {
	for event, err := range client.Inbox.All(ctx, triggers.InboxListParams{Source: triggers.Ptr("shop")}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.EventType)
		if _, err := client.Inbox.Ack(ctx, event.EventID); err != nil {
			log.Fatal(err)
		}
	}
	// order.placed
}

func ExampleEventsService_List() {
	page, err := client.Events.List(ctx, triggers.EventListParams{
		Status:   triggers.Ptr(triggers.StatusAcknowledged),
		Metadata: map[string]string{"region": "eu-west-1"},
		Limit:    triggers.Ptr(10),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Data), page.HasMore())
	// 1 false
}

func ExampleInboxService_Consume() {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()

	handle := func(ctx context.Context, event triggers.Event) error {
		var order struct {
			Order int `json:"order"`
		}
		if err := json.Unmarshal(event.Payload, &order); err != nil {
			return err
		}
		fmt.Println("order", order.Order)
		return nil
	}
	err := client.Inbox.Consume(ctx, handle, triggers.ConsumeOptions{
		Source:      triggers.Ptr("shop"),
		Concurrency: 8,
		OnError: func(event *triggers.Event, err error) {
			log.Println("it is tried again:", err)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	// order 7
}

func ExampleEventsService_CreateMany() {
	file := strings.NewReader("red\ngreen\nblue\n")

	var items []triggers.EventParams
	for lines := bufio.NewScanner(file); lines.Scan(); {
		items = append(items, triggers.EventParams{
			Source:    "paint-shop",
			EventType: "colour.mixed",
			Payload:   map[string]string{"colour": lines.Text()},
		})
	}
	results, err := client.Events.CreateMany(ctx, items, triggers.WithConcurrency(4))
	if err != nil {
		log.Println(err) // 2 of 1000 items failed, the first of them item 17: …
	}
	var ids []string
	for i, result := range results {
		if result.Err != nil {
			log.Printf("line %d: %v", i+1, result.Err)
			continue
		}
		ids = append(ids, result.Value.EventID)
	}
	fmt.Println(len(ids))
	// 3
}

func ExampleError() {
	_, err := client.Events.Get(ctx, "01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e")

	var refusal *triggers.Error
	switch {
	case err == nil:
		fmt.Println("there it is")
	case errors.As(err, &refusal) && refusal.Code == triggers.CodeNotFound:
		fmt.Println("there is no such event")
	case errors.As(err, &refusal):
		fmt.Println(refusal.StatusCode, refusal.Code, refusal.Message, refusal.RequestID)
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("too slow")
	default:
		fmt.Println("the server was not reached:", err)
	}
	// there is no such event
}

func ExampleWithResponseInto() {
	var response triggers.Response
	if _, err := client.Whoami(ctx, triggers.WithResponseInto(&response)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, response.Header.Get("Content-Type"), response.Tries)
	// 200 application/json 1
}

func ExampleWebhooksService_Create() {
	webhook, err := client.Webhooks.Create(ctx, triggers.WebhookParams{
		URL:    os.Getenv("WEBHOOK_URL"),
		Events: []string{"order.*"},
		Filter: &triggers.WebhookFilter{
			Payload: []triggers.PayloadCondition{
				{Path: "$.order", Op: triggers.PayloadInRange, Value: triggers.PayloadRange{GTE: 1000}},
			},
		},
		RateLimit: triggers.Ptr(50),
	})
	if err != nil {
		log.Fatal(err)
	}
	webhookID := webhook.WebhookID
	secret := *webhook.Secret // shown this once: it is the receiver's TRIGGERS_WEBHOOK_SECRET
	tested, err := client.Webhooks.Test(ctx, webhookID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(secret[:6], tested.Status, tested.Message)
	// whsec_ success The receiver answered 204.
}

func ExampleWebhooksService_Update() {
	webhook, err := client.Webhooks.Update(ctx, webhookID, triggers.WebhookChanges{
		IsActive:    triggers.Ptr(true),
		Description: triggers.Set("The CRM"),
		Filter:      triggers.Null[triggers.WebhookFilter](),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(webhook.IsActive, *webhook.Description, webhook.Filter == nil, webhook.Events)
	// true The CRM true [order.*]
}

func ExampleWebhooksService_AllDeliveries() {
	dead := triggers.DeliveryListParams{Status: triggers.Ptr(triggers.DeliveryStatusDead)}
	for delivery, err := range client.Webhooks.AllDeliveries(ctx, webhookID, dead) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(delivery.EventType, delivery.AttemptCount)
		if _, err := client.Deliveries.Retry(ctx, delivery.DeliveryID); err != nil {
			log.Fatal(err)
		}
	}
}

func ExampleReplaysService_Wait() {
	replay, err := client.Webhooks.Replay(ctx, webhookID, triggers.ReplayParams{
		Since:  time.Now().Add(-24 * time.Hour),
		Status: triggers.Ptr(triggers.ReplayUndelivered),
	})
	if err != nil {
		log.Fatal(err)
	}
	ended, err := client.Replays.Wait(ctx, replay.ReplayID, triggers.WaitOptions{
		OnProgress: func(replay triggers.Replay) { log.Println(replay.Delivered, "of", replay.Matched) },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ended.Status, ended.Dead)
	// completed 0
}

func ExampleEventsService_Trace() {
	created, err := client.Events.Create(ctx, triggers.EventParams{Source: "shop", EventType: "user.created", Payload: map[string]any{}})
	if err != nil {
		log.Fatal(err)
	}
	trace, err := client.Events.Trace(ctx, created.EventID)
	if err != nil {
		log.Fatal(err)
	}
	for _, webhook := range trace.Webhooks {
		fmt.Println(webhook.Reason, webhook.Detail)
	}
	// event_type event_type is user.created, the webhook wants order.*
}

// A table of your database serves all processes of the receiver, and forgets nothing when they end.
type seenMessages struct{ ids sync.Map }

func (s *seenMessages) Has(_ context.Context, messageID string) (bool, error) {
	_, seen := s.ids.Load(messageID)
	return seen, nil
}

func (s *seenMessages) Add(_ context.Context, messageID string) error {
	s.ids.Store(messageID, true)
	return nil
}

func ExampleNewWebhookHandler() {
	type Order struct {
		Order int `json:"order"`
	}
	handler := triggers.NewWebhookHandler([]string{os.Getenv("TRIGGERS_WEBHOOK_SECRET")}, triggers.WithSeen(&seenMessages{}))

	triggers.OnType(handler, "order.placed", func(ctx context.Context, event *triggers.WebhookEvent, order Order) error {
		fmt.Println("order", order.Order)
		return nil
	})
	triggers.OnType(handler, triggers.TypeWebhookDisabled,
		func(ctx context.Context, event *triggers.WebhookEvent, disabled triggers.WebhookDisabled) error {
			fmt.Println(disabled.URL, "is", disabled.Reason)
			return nil
		})
	handler.On("*", func(ctx context.Context, event *triggers.WebhookEvent) error {
		fmt.Println(event.EventType, string(event.Payload))
		return nil
	})
	http.Handle("/webhooks", handler)
}

func ExampleWebhookHandler() {
	secrets := []string{os.Getenv("TRIGGERS_WEBHOOK_SECRET")}

	http.Handle("/webhooks", triggers.WebhookHandler(secrets, func(ctx context.Context, event *triggers.WebhookEvent) error {
		fmt.Println(event.EventType, string(event.Payload))
		return nil
	}, triggers.WithOnError(func(_ context.Context, err error) {
		log.Println(err)
	})))
}

func ExampleVerifyWebhook() {
	const secret = "whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY="
	// The bytes as they came, before anything parses them, and the request's headers.
	body := []byte(`{"event_id": "01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e", "event_type": "order.placed", "payload": {"order": 1042}}`)
	header := triggers.SignWebhook(body, "msg_1", time.Now(), secret)

	event, err := triggers.VerifyWebhook(body, header, []string{secret})
	switch {
	case errors.Is(err, triggers.ErrMessageTooOld):
		fmt.Println("an old delivery sent again, or the clock is ahead")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(event.EventType, string(event.Payload))
	}
	// Output: order.placed {"order": 1042}
}

// A test of your own receiver.
func ExampleSignWebhook() {
	const secret = "whsec_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSY="
	handler := triggers.WebhookHandler([]string{secret}, func(context.Context, *triggers.WebhookEvent) error { return nil })

	body := `{"event_id": "01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e", "event_type": "order.placed", "payload": {"order": 1042}}`
	request := httptest.NewRequest("POST", "/webhooks", strings.NewReader(body))
	request.Header = triggers.SignWebhook([]byte(body), "msg_1", time.Now(), secret)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	fmt.Println(recorder.Code)
	// Output: 204
}
