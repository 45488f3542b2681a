package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// These tests run against the repository's server.

func createEvent(t *testing.T, client *Client, params EventParams) *EventCreated {
	t.Helper()
	created, err := client.Events.Create(context.Background(), params)
	if err != nil {
		t.Fatal(err)
	}
	return created
}

func refusalOf(t *testing.T, err error) *Error {
	t.Helper()
	var refusal *Error
	if !errors.As(err, &refusal) {
		t.Fatalf("%v is no refusal", err)
	}
	return refusal
}

func TestAnEventsLife(t *testing.T) {
	client, ctx, source := realClient(t), context.Background(), uniqueSource()
	payload := `{"z":1,"a":"<&> \u00e9 é","big":12345678901234567890.10}`
	created := createEvent(t, client, EventParams{
		Source: source, EventType: "order.placed", Payload: json.RawMessage(payload),
		Metadata: MetadataParams{Priority: Ptr(PriorityHigh), CorrelationID: Ptr("c-1"), Extra: map[string]any{"region": "eu", "count": 3, "ok": true}},
	})
	if created.Status != StatusPending || created.CreatedAt.IsZero() || created.RequestID == "" {
		t.Errorf("created %+v", created)
	}
	event, err := client.Events.Get(ctx, created.EventID)
	if err != nil {
		t.Fatal(err)
	}
	if string(event.Payload) != payload {
		t.Errorf("the payload is %s, was %s", event.Payload, payload)
	}
	if !event.CreatedAt.Equal(created.CreatedAt) || event.Source != source || event.EventType != "order.placed" || event.AcknowledgedAt != nil ||
		event.Metadata.Priority != PriorityHigh || *event.Metadata.CorrelationID != "c-1" || event.Metadata.IdempotencyKey == nil ||
		fmt.Sprint(event.Metadata.Extra) != "map[count:3 ok:true region:eu]" || event.RequestID == "" {
		t.Errorf("read %+v", event)
	}
	acknowledged, err := client.Inbox.Ack(ctx, created.EventID)
	if err != nil || acknowledged.Status != StatusAcknowledged || acknowledged.AcknowledgedAt.Before(created.CreatedAt) {
		t.Fatalf("acknowledged %+v, %v", acknowledged, err)
	}
	_, err = client.Inbox.Ack(ctx, created.EventID)
	if refusal := refusalOf(t, err); refusal.Code != CodeConflict || refusal.StatusCode != 409 || refusal.Details["event_id"] != created.EventID {
		t.Errorf("a second ack: %+v", refusal)
	}
	for range 2 {
		if deleted, err := client.Events.Delete(ctx, created.EventID); err != nil || deleted.EventID != created.EventID {
			t.Errorf("deleted %+v, %v", deleted, err)
		}
	}
	_, err = client.Events.Get(ctx, created.EventID)
	if refusal := refusalOf(t, err); refusal.Code != CodeNotFound || refusal.StatusCode != 404 || refusal.RequestID == "" {
		t.Errorf("a deleted event: %+v", refusal)
	}
}

func TestListsAndFilters(t *testing.T) {
	client, ctx, source := realClient(t), context.Background(), uniqueSource()
	var ids []string
	var times []time.Time
	for i := range 7 {
		priority, region := PriorityNormal, "eu west"
		if i%2 == 0 {
			priority, region = PriorityLow, "us+1&é"
		}
		created := createEvent(t, client, EventParams{
			Source: source, EventType: fmt.Sprintf("t%d", i%3), Payload: map[string]int{"i": i},
			Metadata: MetadataParams{Priority: &priority, Extra: map[string]any{"region": region}},
		})
		ids, times = append(ids, created.EventID), append(times, created.CreatedAt)
	}
	if _, err := client.Inbox.Ack(ctx, ids[6]); err != nil {
		t.Fatal(err)
	}
	inZone := times[2].In(time.FixedZone("here", 5*3600))
	for name, test := range map[string]struct {
		inbox  *InboxListParams
		events *EventListParams
		want   []int
	}{
		"the inbox":           {inbox: &InboxListParams{}, want: []int{0, 1, 2, 3, 4, 5}},
		"by type":             {inbox: &InboxListParams{EventType: Ptr("t1")}, want: []int{1, 4}},
		"by priority":         {inbox: &InboxListParams{Priority: Ptr(PriorityLow)}, want: []int{0, 2, 4}},
		"by metadata":         {inbox: &InboxListParams{Metadata: map[string]string{"region": "us+1&é"}}, want: []int{0, 2, 4}},
		"by time":             {inbox: &InboxListParams{CreatedAfter: &inZone, CreatedBefore: &times[4]}, want: []int{2, 3, 4}},
		"in pages of two":     {inbox: &InboxListParams{Limit: Ptr(2)}, want: []int{0, 1, 2, 3, 4, 5}},
		"events, newest":      {events: &EventListParams{Limit: Ptr(3)}, want: []int{6, 5, 4, 3, 2, 1, 0}},
		"events, oldest":      {events: &EventListParams{Order: Ptr(OrderAscending)}, want: []int{0, 1, 2, 3, 4, 5, 6}},
		"acknowledged events": {events: &EventListParams{Status: Ptr(StatusAcknowledged)}, want: []int{6}},
	} {
		t.Run(name, func(t *testing.T) {
			var got, want []string
			if test.inbox != nil {
				test.inbox.Source = &source
				for event, err := range client.Inbox.All(ctx, *test.inbox) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, event.EventID)
				}
			} else {
				test.events.Source = &source
				for event, err := range client.Events.All(ctx, *test.events) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, event.EventID)
				}
			}
			for _, i := range test.want {
				want = append(want, ids[i])
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
	_, err := client.Inbox.List(ctx, InboxListParams{Limit: Ptr(0)})
	if refusal := refusalOf(t, err); refusal.StatusCode != 422 || refusal.Details["field"] != "limit" {
		t.Errorf("a limit of none: %+v", refusal)
	}
	_, err = client.Inbox.List(ctx, InboxListParams{Cursor: Ptr("broken")})
	if refusal := refusalOf(t, err); refusal.StatusCode != 400 {
		t.Errorf("a broken cursor: %+v", refusal)
	}
}

func TestTheSameKeyMakesNoSecondEvent(t *testing.T) {
	client, source := realClient(t), uniqueSource()
	params := EventParams{Source: source, EventType: "t", Payload: map[string]int{"a": 1}}
	key := WithIdempotencyKey(newUUID())
	first, err := client.Events.Create(context.Background(), params, key)
	if err != nil {
		t.Fatal(err)
	}
	var response Response
	second, err := client.Events.Create(context.Background(), params, key, WithResponseInto(&response))
	if err != nil || second.EventID != first.EventID || response.Header.Get("Idempotent-Replayed") != "true" || response.StatusCode != 201 ||
		response.RequestID != second.RequestID || response.Tries != 1 {
		t.Errorf("%+v, %v, %+v", second, err, response)
	}
	params.Payload = map[string]int{"a": 2}
	_, err = client.Events.Create(context.Background(), params, key)
	if refusal := refusalOf(t, err); refusal.Code != CodeIdempotencyKeyReused || refusal.StatusCode != 422 {
		t.Errorf("other content: %+v", refusal)
	}
}

// forgetfulProxy passes all requests on, and keeps the answers to those that forget says, by their numbers from 1.
func forgetfulProxy(t *testing.T, target string, forget func(number int32) bool) string {
	t.Helper()
	parsed, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	var count atomic.Int32
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(parsed) },
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := transport.RoundTrip(r)
			if err == nil && forget(count.Add(1)) {
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				return nil, errors.New("forgotten")
			}
			return response, err
		}),
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	})
	t.Cleanup(proxy.Close)
	t.Cleanup(transport.CloseIdleConnections)
	return proxy.URL
}

func TestLostAnswersOfARealServer(t *testing.T) {
	ctx, source := context.Background(), uniqueSource()
	lossy := newTestClient(t, forgetfulProxy(t, realServer(t), func(number int32) bool { return number%2 == 1 }))
	withoutWaits(lossy)
	created := createEvent(t, lossy, EventParams{Source: source, EventType: "t", Payload: map[string]any{}})
	page, err := lossy.Events.List(ctx, EventListParams{Source: &source})
	if err != nil || len(page.Data) != 1 || page.Data[0].EventID != created.EventID {
		t.Fatalf("%+v, %v", page, err)
	}
	acknowledged, err := lossy.Inbox.Ack(ctx, created.EventID)
	if err != nil || acknowledged.EventID != created.EventID || acknowledged.AcknowledgedAt.IsZero() {
		t.Errorf("%+v, %v", acknowledged, err)
	}
	if _, err := lossy.Events.Delete(ctx, created.EventID); err != nil {
		t.Error(err)
	}
	// Its answer is lost, and it is not made twice.
	name := uniqueSource()
	_, err = lossy.APIKeys.Create(ctx, APIKeyParams{Name: name, Scopes: []Scope{ScopeEventsRead}})
	var refusal *Error
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("%v, want the connection's error", err)
	}
	count := 0
	for key, err := range realClient(t).APIKeys.All(ctx, APIKeyListParams{Limit: Ptr(100)}) {
		if err != nil {
			t.Fatal(err)
		}
		if key.Name == name {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d keys were made", count)
	}
}

func TestOneClientForManyGoroutines(t *testing.T) {
	client, ctx, source := realClient(t), context.Background(), uniqueSource()
	const goroutines, each = 16, 10
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for range each {
				created, err := client.Events.Create(ctx, EventParams{Source: source, EventType: "t", Payload: map[string]any{}})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := client.Inbox.Ack(ctx, created.EventID, WithHeader("X-Team", "a"), WithMaxRetries(1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	count := 0
	for event, err := range client.Events.All(ctx, EventListParams{Source: &source}) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Status == StatusAcknowledged {
			count++
		}
	}
	if count != goroutines*each {
		t.Errorf("%d events, want %d", count, goroutines*each)
	}
}

func TestAnAPIKeysLife(t *testing.T) {
	client, ctx, url := realClient(t), context.Background(), realServer(t)
	end := time.Now().Add(time.Hour)
	created, err := client.APIKeys.Create(ctx, APIKeyParams{
		Name: uniqueSource(), Scopes: []Scope{ScopeEventsWrite, ScopeEventsRead, ScopeInboxConsume, ScopeKeysManage},
		RateLimitPerMinute: Ptr(5000), AllowedIPs: []string{"127.0.0.0/8", "::1"}, RequireSignature: Ptr(true), ExpiresAt: &end,
	})
	if err != nil {
		t.Fatal(err)
	}
	if created.Secret == "" || created.SigningSecret == nil || !created.HasSigningSecret || !created.RequireSignature || created.Version != 1 ||
		created.RateLimitPerMinute != 5000 || created.ExpiresAt.Sub(end).Abs() > time.Microsecond || created.RevokedAt != nil {
		t.Fatalf("created %+v", created.APIKey)
	}

	unsigned, err := NewClient(created.Secret, WithBaseURL(url))
	if err != nil {
		t.Fatal(err)
	}
	_, err = unsigned.Whoami(ctx)
	if refusal := refusalOf(t, err); refusal.Code != CodeUnauthorized || refusal.StatusCode != 401 {
		t.Errorf("unsigned: %+v", refusal)
	}
	signed, err := NewClient(created.Secret, WithBaseURL(url), WithSigningSecret(*created.SigningSecret))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(signed.core.defaults.httpClient.CloseIdleConnections)
	who, err := signed.Whoami(ctx)
	if err != nil || who.KeyID != created.KeyID || who.Name != created.Name || who.WorkspaceID != "default" || len(who.Scopes) != 4 {
		t.Fatalf("%+v, %v", who, err)
	}
	source := uniqueSource() + " ä+&=%/?"
	event := createEvent(t, signed, EventParams{Source: source, EventType: "t", Payload: map[string]string{"é": "<>"}})
	page, err := signed.Inbox.List(ctx, InboxListParams{Source: &source, CreatedAfter: &event.CreatedAt})
	if err != nil || len(page.Data) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := signed.Events.Delete(ctx, event.EventID); err != nil {
		t.Error(err)
	}

	updated, err := signed.APIKeys.Update(ctx, created.KeyID, APIKeyChanges{Name: Ptr(created.Name + "-2"), Scopes: created.Scopes[:1]})
	if err != nil || updated.Name != created.Name+"-2" || len(updated.Scopes) != 1 || updated.RateLimitPerMinute != 5000 || updated.RequestID == "" {
		t.Fatalf("%+v, %v", updated, err)
	}
	_, err = signed.APIKeys.Get(ctx, created.KeyID)
	if refusal := refusalOf(t, err); refusal.Code != CodeForbidden || refusal.StatusCode != 403 {
		t.Errorf("without the scope: %+v", refusal)
	}
	updated, err = client.APIKeys.Update(ctx, created.KeyID, APIKeyChanges{
		RateLimitPerMinute: Set(0), ExpiresAt: Null[time.Time](), AllowedIPs: []string{}, RequireSignature: Ptr(false),
	})
	if err != nil || updated.RateLimitPerMinute != 0 || updated.ExpiresAt != nil || len(updated.AllowedIPs) != 0 || updated.RequireSignature {
		t.Errorf("%+v, %v", updated, err)
	}
	if updated, err = client.APIKeys.Update(ctx, created.KeyID, APIKeyChanges{ExpiresAt: Set(end)}); err != nil || updated.ExpiresAt == nil {
		t.Errorf("%+v, %v", updated, err)
	}

	rotated, err := client.APIKeys.Rotate(ctx, created.KeyID, RotateParams{TransitionDays: Ptr(3)})
	if err != nil || rotated.Version != 2 || rotated.PreviousVersion != 1 || rotated.Secret == created.Secret || rotated.RotatedAt.IsZero() {
		t.Fatalf("%+v, %v", rotated, err)
	}
	if rotated, err = client.APIKeys.Rotate(ctx, created.KeyID, RotateParams{RevokePrevious: Ptr(true)}); err != nil || rotated.Version != 3 {
		t.Fatalf("%+v, %v", rotated, err)
	}
	versions, err := client.APIKeys.Versions(ctx, created.KeyID)
	if err != nil || len(versions.Versions) != 3 || versions.Versions[0].Status != VersionActive || versions.Versions[2].Status != VersionExpired {
		t.Errorf("%+v, %v", versions, err)
	}
	secret, err := client.APIKeys.CreateSigningSecret(ctx, created.KeyID, SigningSecretParams{TransitionDays: Ptr(1)})
	if err != nil || secret.SigningSecret == *created.SigningSecret || secret.PreviousExpiresAt == nil {
		t.Errorf("%v, %v", secret.PreviousExpiresAt, err)
	}

	for range 2 {
		if err := client.APIKeys.Delete(ctx, created.KeyID); err != nil {
			t.Fatal(err)
		}
	}
	got, err := client.APIKeys.Get(ctx, created.KeyID)
	if err != nil || got.RevokedAt == nil || got.Version != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = client.APIKeys.Get(ctx, "key_nobody")
	if refusal := refusalOf(t, err); refusal.Code != CodeNotFound {
		t.Errorf("nobody's key: %+v", refusal)
	}

	actions := map[string]bool{}
	for entry, err := range client.AuditLog.All(ctx, AuditLogListParams{Limit: Ptr(3), CreatedAfter: &created.CreatedAt}) {
		if err != nil {
			t.Fatal(err)
		}
		if entry.Target.ID == created.KeyID {
			actions[entry.Action] = true
		}
		if entry.EntryID == "" || entry.Actor.Type != "api_key" || entry.Actor.KeyID == nil || entry.IP == nil || entry.RequestID == nil {
			t.Errorf("%+v", entry)
		}
		if entry.Action == "api_key.updated" && len(entry.Changes) == 0 {
			t.Errorf("no changes in %+v", entry)
		}
	}
	for _, action := range []string{"api_key.created", "api_key.updated", "api_key.rotated", "api_key.revoked"} {
		if !actions[action] {
			t.Errorf("%s is not in the audit log: %v", action, actions)
		}
	}
	log, err := client.AuditLog.List(ctx, AuditLogListParams{Action: Ptr("api_key.created"), Limit: Ptr(1)})
	if err != nil || len(log.Data) != 1 || log.Data[0].Action != "api_key.created" {
		t.Errorf("%+v, %v", log, err)
	}
}

func TestHealthAndWhoami(t *testing.T) {
	client, ctx := realClient(t), context.Background()
	health, err := client.Health(ctx, WithHeader("X-Request-ID", "mine"))
	if err != nil || health.Status != "healthy" || health.Version == "" || time.Since(health.Timestamp).Abs() > time.Hour || health.RequestID != "mine" {
		t.Errorf("%+v, %v", health, err)
	}
	who, err := client.Whoami(ctx)
	if err != nil || who.WorkspaceID != "default" || who.KeyID != "key_development" || len(who.Scopes) != 6 {
		t.Errorf("%+v, %v", who, err)
	}
	stranger, err := NewClient("nobody", WithBaseURL(realServer(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stranger.core.defaults.httpClient.CloseIdleConnections)
	_, err = stranger.Whoami(ctx)
	if refusal := refusalOf(t, err); refusal.Code != CodeUnauthorized {
		t.Errorf("a stranger: %+v", refusal)
	}
}

func TestRefusedEvents(t *testing.T) {
	client, ctx := realClient(t), context.Background()
	_, err := client.Events.Create(ctx, EventParams{Source: "", EventType: "t", Payload: []int{1}})
	refusal := refusalOf(t, err)
	if problems, _ := refusal.Details["errors"].([]any); refusal.Code != CodeValidation || refusal.StatusCode != 400 || len(problems) != 2 {
		t.Errorf("%+v", refusal)
	}
	_, err = client.Events.Create(ctx, EventParams{Source: "s", EventType: "t", Payload: map[string]string{"a": string(make([]byte, 100_000))}})
	if refusal := refusalOf(t, err); refusal.Code != CodePayloadTooLarge || refusal.StatusCode != 413 || refusal.Details["limit_bytes"] == nil {
		t.Errorf("%+v", refusal)
	}
	_, err = client.Events.Get(ctx, "no-uuid")
	if refusal := refusalOf(t, err); refusal.Code != CodeValidation || refusal.StatusCode != 422 {
		t.Errorf("%+v", refusal)
	}
}

func TestAServersRateLimitIsWaitedFor(t *testing.T) {
	client, ctx := realClient(t), context.Background()
	created, err := client.APIKeys.Create(ctx, APIKeyParams{Name: uniqueSource(), Scopes: []Scope{ScopeEventsRead}, RateLimitPerMinute: Ptr(1)})
	if err != nil {
		t.Fatal(err)
	}
	limited, err := NewClient(created.Secret, WithBaseURL(realServer(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(limited.core.defaults.httpClient.CloseIdleConnections)
	waits := withoutWaits(limited)
	if _, err := limited.Whoami(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = limited.Whoami(ctx, WithMaxRetries(1))
	refusal := refusalOf(t, err)
	if refusal.Code != CodeRateLimitExceeded || refusal.RetryAfter < 50*time.Second || len(waits()) != 1 || waits()[0] < 50*time.Second {
		t.Errorf("%+v after %v", refusal, waits())
	}
}
