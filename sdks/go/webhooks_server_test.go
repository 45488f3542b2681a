package triggers

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// These tests run against the repository's server, which delivers to receivers of this process.

// testReceiver is a receiver of deliveries, which are verified and kept.
type testReceiver struct {
	*WebhookMux
	url string
	// broken is the status of all answers, whatever comes; 0 lets the handler answer.
	broken atomic.Int32

	mutex  sync.Mutex
	events []*WebhookEvent
	header http.Header
}

func newReceiver(t *testing.T) *testReceiver {
	t.Helper()
	receiver := &testReceiver{WebhookMux: NewWebhookHandler([]string{webhookSecret}, WithOnError(func(_ context.Context, err error) { t.Error(err) }))}
	receiver.OnUnhandled(func(_ context.Context, event *WebhookEvent) error {
		receiver.mutex.Lock()
		defer receiver.mutex.Unlock()
		receiver.events = append(receiver.events, event)
		return nil
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := int(receiver.broken.Load()); status != 0 {
			http.Error(w, "out of order", status)
			return
		}
		receiver.mutex.Lock()
		receiver.header = r.Header.Clone()
		receiver.mutex.Unlock()
		receiver.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	receiver.url = server.URL
	return receiver
}

func (r *testReceiver) received() []*WebhookEvent {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.Clone(r.events)
}

// eventually waits for what the server does by itself.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it takes too long: %s", what)
		}
	}
}

// newWebhook makes a webhook that is deleted with the test; its pattern is for the test's own events.
func newWebhook(t *testing.T, client *Client, params WebhookParams) *WebhookCreated {
	t.Helper()
	params.Secret = Ptr(webhookSecret)
	webhook, err := client.Webhooks.Create(context.Background(), params)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Webhooks.Delete(context.Background(), webhook.WebhookID) })
	return webhook
}

// waitForDelivery waits until a webhook has a delivery of an event that has ended.
func waitForDelivery(t *testing.T, client *Client, webhookID, eventID string) (ended Delivery) {
	t.Helper()
	eventually(t, "the delivery's end", func() bool {
		for delivery, err := range client.Events.AllDeliveries(context.Background(), eventID, DeliveryListParams{}) {
			if err != nil {
				t.Fatal(err)
			}
			if delivery.WebhookID == webhookID && delivery.Status != DeliveryStatusPending {
				ended = delivery
				return true
			}
		}
		return false
	})
	return ended
}

func TestWebhooksAgainstTheServer(t *testing.T) {
	client, ctx, receiver := realClient(t), context.Background(), newReceiver(t)
	filter := &WebhookFilter{
		Priority: []Priority{PriorityHigh}, Metadata: map[string]any{"region": "eu"},
		Payload: []PayloadCondition{
			{Path: "$.plan", Op: PayloadIn, Value: []string{"pro", "team"}}, {Path: "$.gone", Op: PayloadExists, Value: false},
			{Path: "$.total", Op: PayloadInRange, Value: PayloadRange{GTE: 10}}, {Path: "$.plan", Op: PayloadExists},
			{Path: "$.plan", Op: PayloadPrefix, Value: "p"}, {Path: "$.nothing", Op: PayloadEquals},
		},
	}
	prefix := uniqueSource()
	webhook := newWebhook(t, client, WebhookParams{
		URL: receiver.url, Events: []string{prefix + ".*"}, Description: Ptr("a test's"), Filter: filter, Headers: map[string]string{"X-Tenant": "acme"},
		RateLimit: Ptr(100), Retry: Ptr(RetryShort), PayloadFormat: Ptr(PayloadFormatStandard),
	})
	if webhook.Secret != nil || !webhook.IsActive || *webhook.Description != "a test's" || *webhook.RateLimit != 100 || webhook.Retry != RetryShort ||
		fmt.Sprint(webhook.HeaderNames) != "[x-tenant]" || len(webhook.Filter.Payload) != 6 || webhook.DisabledAt != nil || webhook.RequestID == "" {
		t.Errorf("created %+v", webhook)
	}

	tested, err := client.Webhooks.Test(ctx, webhook.WebhookID)
	if err != nil || tested.Status != WebhookTestSuccess || *tested.StatusCode != 204 {
		t.Fatalf("tested %+v, %v", tested, err)
	}
	if events := receiver.received(); len(events) != 1 || events[0].EventType != "webhook.test" {
		t.Fatalf("received %+v", events)
	}

	payload := map[string]any{"plan": "pro", "total": 10, "nothing": nil}
	metadata := MetadataParams{Priority: Ptr(PriorityHigh), Extra: map[string]any{"region": "eu"}}
	createEvent(t, client, EventParams{Source: "s", EventType: prefix + ".a", Payload: map[string]any{"plan": "free"}, Metadata: metadata})
	event := createEvent(t, client, EventParams{Source: "s", EventType: prefix + ".b", Payload: payload, Metadata: metadata})
	eventually(t, "the delivery", func() bool { return len(receiver.received()) == 2 })
	got := receiver.received()[1]
	if got.EventID != event.EventID || string(got.Payload) != `{"nothing":null,"plan":"pro","total":10}` || got.Metadata.Extra["region"] != "eu" {
		t.Errorf("received %+v", got)
	}
	if receiver.header.Get("X-Tenant") != "acme" || receiver.header.Get("X-Webhook-Id") != webhook.WebhookID {
		t.Errorf("received %v", receiver.header)
	}

	updated, err := client.Webhooks.Update(ctx, webhook.WebhookID, WebhookChanges{
		Description: Null[string](), Filter: Null[WebhookFilter](), Headers: Null[map[string]string](), RateLimit: Null[int](),
	})
	if err != nil || updated.Description != nil || updated.Filter != nil || len(updated.HeaderNames) != 0 || updated.RateLimit != nil ||
		updated.Retry != RetryShort || updated.PayloadFormat != PayloadFormatStandard || updated.URL != receiver.url {
		t.Errorf("updated %+v, %v", updated, err)
	}
	updated, err = client.Webhooks.Update(ctx, webhook.WebhookID, WebhookChanges{
		Description: Set("another"), Filter: Set(WebhookFilter{Source: []string{"s"}}), IsActive: Ptr(false), PayloadFormat: Ptr(PayloadFormatEvent),
	})
	if err != nil || *updated.Description != "another" || updated.Filter.Source[0] != "s" || updated.IsActive || *updated.DisabledReason != DisabledManual ||
		updated.DisabledAt == nil || !updated.UpdatedAt.After(updated.CreatedAt) {
		t.Errorf("updated %+v, %v", updated, err)
	}
	read, err := client.Webhooks.Get(ctx, webhook.WebhookID)
	if err != nil || *read.Description != "another" || read.IsActive || read.RequestID == "" {
		t.Errorf("read %+v, %v", read, err)
	}
	for _, isActive := range []bool{true, false} {
		var ids []string
		for webhook, err := range client.Webhooks.All(ctx, WebhookListParams{Limit: Ptr(1), IsActive: &isActive}) {
			if err != nil || webhook.IsActive != isActive {
				t.Fatalf("%+v, %v", webhook, err)
			}
			ids = append(ids, webhook.WebhookID)
		}
		if slices.Contains(ids, webhook.WebhookID) == isActive {
			t.Errorf("active %v: %v", isActive, ids)
		}
	}

	rotated, err := client.Webhooks.RotateSecret(ctx, webhook.WebhookID, RotateWebhookSecretParams{TransitionDays: Ptr(2)})
	if err != nil || len(rotated.Secret) < 16 || rotated.Secret == webhookSecret || rotated.PreviousExpiresAt.Sub(rotated.RotatedAt) != 48*time.Hour {
		t.Errorf("rotated %+v, %v", rotated, err)
	}
	if _, err = client.Webhooks.RotateSecret(ctx, webhook.WebhookID, RotateWebhookSecretParams{Secret: Ptr("too short")}); refusalOf(t, err).StatusCode != 400 {
		t.Error(err)
	}
	if err := client.Webhooks.Delete(ctx, webhook.WebhookID); err != nil {
		t.Fatal(err)
	}
	if err := client.Webhooks.Delete(ctx, webhook.WebhookID); refusalOf(t, err).Code != CodeNotFound {
		t.Error(err)
	}

	made, err := client.Webhooks.Create(ctx, WebhookParams{URL: receiver.url, Events: []string{prefix}, IsActive: Ptr(false)})
	if err != nil || made.Secret == nil || made.IsActive {
		t.Fatalf("%+v, %v", made, err)
	}
	if err := client.Webhooks.Delete(ctx, made.WebhookID); err != nil {
		t.Error(err)
	}
}

func TestDeliveriesAndReplays(t *testing.T) {
	client, ctx, receiver := realClient(t), context.Background(), newReceiver(t)
	prefix := uniqueSource()
	webhook := newWebhook(t, client, WebhookParams{URL: receiver.url, Events: []string{prefix + ".*"}})
	other := newWebhook(t, client, WebhookParams{URL: receiver.url, Events: []string{prefix + ".elsewhere"}})
	first := createEvent(t, client, EventParams{Source: "s", EventType: prefix + ".a", Payload: map[string]int{"n": 1}})
	delivery := waitForDelivery(t, client, webhook.WebhookID, first.EventID)
	if delivery.Status != DeliveryStatusDelivered || delivery.AttemptCount != 1 || delivery.EventType != prefix+".a" || delivery.CompletedAt == nil ||
		delivery.NextAttemptAt != nil || delivery.ReplayID != nil || len(delivery.Attempts) != 1 {
		t.Fatalf("delivered %+v", delivery)
	}
	if attempt := delivery.Attempts[0]; attempt.Attempt != 1 || *attempt.StatusCode != 204 || attempt.Error != nil || attempt.RetryReason != nil || attempt.DurationMS < 0 {
		t.Errorf("attempt %+v", attempt)
	}
	page, err := client.Webhooks.Deliveries(ctx, webhook.WebhookID, DeliveryListParams{Status: Ptr(DeliveryStatusDelivered)})
	if err != nil || len(page.Data) != 1 || page.Data[0].DeliveryID != delivery.DeliveryID {
		t.Errorf("%+v, %v", page, err)
	}
	if page, err = client.Webhooks.Deliveries(ctx, webhook.WebhookID, DeliveryListParams{Status: Ptr(DeliveryStatusDead)}); err != nil || len(page.Data) != 0 {
		t.Errorf("%+v, %v", page, err)
	}

	trace, err := client.Events.Trace(ctx, first.EventID)
	if err != nil || trace.EventID != first.EventID {
		t.Fatalf("%+v, %v", trace, err)
	}
	for _, traced := range trace.Webhooks {
		switch traced.WebhookID {
		case webhook.WebhookID:
			if !traced.Matched || traced.Reason != TraceMatched || len(traced.Deliveries) != 1 || traced.Deliveries[0].DeliveryID != delivery.DeliveryID {
				t.Errorf("traced %+v", traced)
			}
		case other.WebhookID:
			if traced.Matched || traced.Reason != TraceEventType || traced.Detail == "" || len(traced.Deliveries) != 0 {
				t.Errorf("traced %+v", traced)
			}
		}
	}

	// Once more by hand: the receiver sees the same message.
	retried, err := client.Deliveries.Retry(ctx, delivery.DeliveryID)
	if err != nil || retried.Status != DeliveryStatusPending || retried.DeliveryID != delivery.DeliveryID {
		t.Fatalf("%+v, %v", retried, err)
	}
	eventually(t, "the retry", func() bool {
		read, err := client.Deliveries.Get(ctx, delivery.DeliveryID)
		if err != nil {
			t.Fatal(err)
		}
		return read.Status == DeliveryStatusDelivered && read.AttemptCount == 2 && len(read.Attempts) == 2
	})
	if events := receiver.received(); len(events) != 2 || events[0].MessageID != events[1].MessageID || events[0].EventID != first.EventID {
		t.Errorf("received %+v", events)
	}

	// One that fails waits for its retry, and is held when its webhook is switched off.
	receiver.broken.Store(503)
	second := createEvent(t, client, EventParams{Source: "s", EventType: prefix + ".b", Payload: map[string]int{"n": 2}})
	var pending Delivery
	eventually(t, "the failed attempt", func() bool {
		page, err := client.Events.Deliveries(ctx, second.EventID, DeliveryListParams{})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Data) == 0 || page.Data[0].AttemptCount == 0 {
			return false
		}
		pending = page.Data[0]
		return true
	})
	if attempt := pending.Attempts[0]; pending.Status != DeliveryStatusPending || pending.NextAttemptAt == nil || *attempt.StatusCode != 503 ||
		*attempt.RetryReason != "status_503" || attempt.ResponseBody != "out of order\n" {
		t.Errorf("failed %+v", pending)
	}
	if _, err := client.Deliveries.Retry(ctx, pending.DeliveryID); refusalOf(t, err).Code != CodeConflict {
		t.Error(err)
	}
	for _, isActive := range []bool{false, true} {
		if _, err := client.Webhooks.Update(ctx, webhook.WebhookID, WebhookChanges{IsActive: &isActive}); err != nil {
			t.Fatal(err)
		}
	}
	if held := waitForDelivery(t, client, webhook.WebhookID, second.EventID); held.Status != DeliveryStatusHeld {
		t.Errorf("held %+v", held)
	}
	receiver.broken.Store(0)

	// What was not delivered is found by a replay.
	params := ReplayParams{Since: first.CreatedAt, Status: Ptr(ReplayUndelivered), Rate: Ptr(100), Filter: &WebhookFilter{Source: []string{"s"}}}
	counted, err := client.Webhooks.CountReplay(ctx, webhook.WebhookID, params)
	if err != nil || counted.Matched != 1 {
		t.Errorf("%+v, %v", counted, err)
	}
	started, err := client.Webhooks.Replay(ctx, webhook.WebhookID, params)
	if err != nil || started.WebhookID != webhook.WebhookID || started.Rate != 100 || !started.Since.Equal(first.CreatedAt) {
		t.Fatalf("%+v, %v", started, err)
	}
	var told ReplayStatus
	ended, err := client.Replays.Wait(ctx, started.ReplayID, WaitOptions{Interval: 20 * time.Millisecond, OnProgress: func(r Replay) { told = r.Status }})
	if err != nil || ended.Status != ReplayStatusCompleted || ended.Matched != 1 || ended.Delivered != 1 || ended.CompletedAt == nil || told != ReplayStatusCompleted {
		t.Fatalf("%+v, %v", ended, err)
	}
	if events := receiver.received(); len(events) != 3 || events[2].EventID != second.EventID {
		t.Errorf("received %+v", events)
	}
	replays, err := client.Webhooks.Replays(ctx, webhook.WebhookID, ReplayListParams{})
	if err != nil || len(replays.Data) != 1 || replays.Data[0].ReplayID != started.ReplayID {
		t.Errorf("%+v, %v", replays, err)
	}
	page, err = client.Events.Deliveries(ctx, second.EventID, DeliveryListParams{})
	if err != nil || len(page.Data) != 2 || page.Data[0].ReplayID == nil || *page.Data[0].ReplayID != started.ReplayID {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := client.Replays.Cancel(ctx, started.ReplayID); refusalOf(t, err).Details["current_status"] != string(ReplayStatusCompleted) {
		t.Error(err)
	}

	// A slow one is cancelled, though the answer is lost.
	slow, err := client.Webhooks.Replay(ctx, webhook.WebhookID, ReplayParams{Since: first.CreatedAt, Rate: Ptr(1)})
	if err != nil {
		t.Fatal(err)
	}
	lossy := newTestClient(t, forgetfulProxy(t, realServer(t), func(number int32) bool { return number == 1 }))
	withoutWaits(lossy)
	cancelled, err := lossy.Replays.Cancel(ctx, slow.ReplayID)
	if err != nil || cancelled.Status != ReplayStatusCancelled || cancelled.ReplayID != slow.ReplayID {
		t.Errorf("%+v, %v", cancelled, err)
	}
}

func TestOwnEventsAreReceived(t *testing.T) {
	client, ctx, receiver, watcher := realClient(t), context.Background(), newReceiver(t), newReceiver(t)
	prefix := uniqueSource()
	disabled := make(chan WebhookDisabled, 8)
	OnType(watcher.WebhookMux, TypeWebhookDisabled, func(_ context.Context, event *WebhookEvent, payload WebhookDisabled) error {
		if event.Source != "triggers" {
			t.Errorf("received %+v", event)
		}
		disabled <- payload
		return nil
	})
	newWebhook(t, client, WebhookParams{URL: watcher.url, Events: []string{"triggers.*"}})
	webhook := newWebhook(t, client, WebhookParams{URL: receiver.url + "/hook?token=1", Events: []string{prefix}})
	receiver.broken.Store(http.StatusGone)
	event := createEvent(t, client, EventParams{Source: "s", EventType: prefix, Payload: map[string]any{}})
	select {
	case got := <-disabled:
		if got.WebhookID != webhook.WebhookID || got.Reason != DisabledGone || got.URL != receiver.url+"/hook" || got.DisabledAt.Before(event.CreatedAt) ||
			!got.DeliveriesHeldUntil.After(got.DisabledAt) {
			t.Errorf("received %+v", got)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is told")
	}
	read, err := client.Webhooks.Get(ctx, webhook.WebhookID)
	if err != nil || read.IsActive || *read.DisabledReason != DisabledGone {
		t.Errorf("%+v, %v", read, err)
	}
}
