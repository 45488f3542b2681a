package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func manyItems(count int, source string) []EventParams {
	items := make([]EventParams, count)
	for i := range items {
		items[i] = EventParams{Source: source, EventType: "row.loaded", Payload: map[string]any{"row": i}}
	}
	return items
}

// bulkServer answers bulk creates, and gives the bodies it got.
func bulkServer(t *testing.T, during func()) (url string, bodies func() []string) {
	t.Helper()
	var mutex sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mutex.Lock()
		seen = append(seen, string(body))
		mutex.Unlock()
		if during != nil {
			during()
		}
		var input struct{ Items []EventParams }
		if err := json.Unmarshal(body, &input); err != nil {
			t.Error(err)
		}
		output := bulkAnswer[bulkCreated]{RequestID: "r"}
		for i, item := range input.Items {
			// The id says which item it is.
			text, _ := json.Marshal(item.Payload)
			output.Successful = append(output.Successful, bulkCreated{Index: i, EventID: string(text), Status: StatusPending})
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(output)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string {
		mutex.Lock()
		defer mutex.Unlock()
		return seen
	}
}

func TestCreateManySplitsAndKeepsTheOrderOfResults(t *testing.T) {
	url, bodies := bulkServer(t, nil)
	client := newTestClient(t, url)
	for _, count := range []int{0, 1, 25, 26, 113} {
		before := len(bodies())
		results, err := client.Events.CreateMany(t.Context(), manyItems(count, "s"))
		if err != nil || len(results) != count {
			t.Fatalf("%d items: %d results, %v", count, len(results), err)
		}
		for i, result := range results {
			if want := fmt.Sprintf(`{"row":%d}`, i); result.Value.EventID != want || result.Value.RequestID != "r" {
				t.Errorf("item %d has the result %+v", i, result)
			}
		}
		if got, want := len(bodies())-before, (count+24)/25; got != want {
			t.Errorf("%d items: %d requests, want %d", count, got, want)
		}
	}
}

func TestCreateManySplitsBySize(t *testing.T) {
	url, bodies := bulkServer(t, nil)
	client := newTestClient(t, url)
	items := manyItems(16, "s")
	for i := range items {
		// Fourteen fit into 5,242,880 bytes: each character takes two, and < stays as it is.
		items[i].Payload = map[string]any{"row": i, "text": "<" + strings.Repeat("é", 180_000)}
	}
	results, err := client.Events.CreateMany(t.Context(), items)
	if err != nil || len(results) != 16 {
		t.Fatal(err)
	}
	for _, body := range bodies() {
		if len(body) > maxBatchCreateBytes {
			t.Errorf("a body has %d bytes", len(body))
		}
		if strings.Contains(body, `\u003c`) {
			t.Error("the payload was escaped")
		}
	}
	if got := len(bodies()); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
}

func TestCreateManyBoundsItsConcurrency(t *testing.T) {
	for _, c := range []struct {
		options []Option
		want    int
	}{{nil, 4}, {[]Option{WithConcurrency(2)}, 2}, {[]Option{WithConcurrency(1)}, 1}} {
		arrived, release := make(chan bool), make(chan bool)
		url, _ := bulkServer(t, func() { arrived <- true; <-release })
		client := newTestClient(t, url)
		done := make(chan error)
		go func() {
			_, err := client.Events.CreateMany(context.Background(), manyItems(25*8, "s"), c.options...)
			done <- err
		}()
		for range c.want {
			<-arrived
		}
		// All slots are taken: another request has some time to arrive all the same.
		select {
		case <-arrived:
			t.Fatalf("more than %d requests at once", c.want)
		case <-time.After(20 * time.Millisecond):
		}
		for range 8 - c.want {
			release <- true
			<-arrived
		}
		for range c.want {
			release <- true
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestCreateManyGivesEveryItemItsOwnKeyAndKeepsItInRetries(t *testing.T) {
	url, requests := faultyServer(t, reset, refuse(503, CodeServiceUnavailable), func(w http.ResponseWriter, r *http.Request) {
		answer(201, `{"successful":[{"index":1,"event_id":"b"},{"index":0,"event_id":"a"}],"failed":[],"request_id":"r"}`)(w, r)
	})
	client := newTestClient(t, url)
	withoutWaits(client)
	items := manyItems(2, "s")
	items[1].Metadata.IdempotencyKey = Ptr("mine")
	results, err := client.Events.CreateMany(t.Context(), items)
	if err != nil || results[0].Value.EventID != "a" || results[1].Value.EventID != "b" {
		t.Fatalf("got %+v, %v", results, err)
	}
	sent := requests()
	if len(sent) != 3 || sent[0].body != sent[1].body || sent[1].body != sent[2].body {
		t.Fatalf("the tries differ: %+v", sent)
	}
	var body struct{ Items []EventParams }
	if err := json.Unmarshal([]byte(sent[0].body), &body); err != nil {
		t.Fatal(err)
	}
	if first := body.Items[0].Metadata.IdempotencyKey; first == nil || len(*first) != 36 {
		t.Errorf("the first item has the key %v", first)
	}
	if second := body.Items[1].Metadata.IdempotencyKey; second == nil || *second != "mine" {
		t.Errorf("the second item has the key %v", second)
	}
	if items[0].Metadata.IdempotencyKey != nil {
		t.Error("the caller's item was changed")
	}
	if header := sent[0].header.Get("Idempotency-Key"); header != "" {
		t.Errorf("bulk calls take no header Idempotency-Key, but %q was sent", header)
	}
}

func TestARequestThatFailsForGoodFailsItsItemsAlone(t *testing.T) {
	var count atomic.Int32
	url, _ := faultyServer(t, func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) == 2 {
			refuse(403, CodeForbidden)(w, r)
			return
		}
		var items []string
		for i := range 25 {
			items = append(items, fmt.Sprintf(`{"index":%d,"event_id":"e"}`, i))
		}
		answer(201, `{"successful":[`+strings.Join(items, ",")+`],"failed":[],"request_id":"r"}`)(w, r)
	})
	results, err := newTestClient(t, url).Events.CreateMany(t.Context(), manyItems(75, "s"), WithConcurrency(1))
	for i, result := range results {
		var refusal *Error
		if isSecond := i >= 25 && i < 50; errors.As(result.Err, &refusal) != isSecond {
			t.Errorf("item %d: %v", i, result.Err)
		}
	}
	var failure *BatchError
	var refusal *Error
	if !errors.As(err, &failure) || failure.Failed != 25 || failure.Total != 75 || failure.First != 25 || len(failure.Unwrap()) != 1 {
		t.Errorf("got %#v", err)
	}
	if !errors.As(err, &refusal) || refusal.Code != CodeForbidden {
		t.Errorf("got %v", err)
	}
	if got, want := err.Error(), "triggers: 25 of 75 items failed, the first of them item 25: 403 FORBIDDEN: No (request r)"; got != want {
		t.Errorf("it says %q", got)
	}
}

func TestAnItemThatCannotBeSentFailsAlone(t *testing.T) {
	client := realClient(t)
	items := manyItems(5, uniqueSource())
	items[0].Payload = func() {}
	items[1].Payload = json.RawMessage("{\"a\":\"\xff\"}")
	items[2].Payload = json.RawMessage(`{"a":`)
	items[3].Source = ""
	results, err := client.Events.CreateMany(t.Context(), items)
	var failure *BatchError
	if !errors.As(err, &failure) || failure.Failed != 4 || failure.First != 0 {
		t.Fatalf("got %v", err)
	}
	for _, result := range results[:3] {
		var refusal *Error
		if result.Err == nil || errors.As(result.Err, &refusal) {
			t.Errorf("got %v", result.Err)
		}
	}
	var refusal *Error
	if !errors.As(results[3].Err, &refusal) || refusal.StatusCode != 400 || refusal.Code != CodeValidation || refusal.RequestID == "" {
		t.Errorf("got %v", results[3].Err)
	}
	if results[4].Err != nil || results[4].Value.EventID == "" {
		t.Errorf("got %+v", results[4])
	}
}

func TestAnItemThatIsTooLargeFailsAlone(t *testing.T) {
	items := manyItems(3, uniqueSource())
	items[1].Payload = map[string]any{"text": strings.Repeat("a", 6_000_000)}
	items[2].Payload = map[string]any{"text": strings.Repeat("a", 410_000)}
	results, _ := realClient(t).Events.CreateMany(t.Context(), items)
	if results[0].Err != nil {
		t.Error(results[0].Err)
	}
	for _, result := range results[1:] {
		var refusal *Error
		if !errors.As(result.Err, &refusal) || refusal.StatusCode != 413 || refusal.Code != CodePayloadTooLarge {
			t.Errorf("got %v", result.Err)
		}
	}
}

func TestBatchesOfTheRealServer(t *testing.T) {
	client, source := realClient(t), uniqueSource()
	items := manyItems(60, source)
	results, err := client.Events.CreateMany(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i, result := range results {
		event, err := client.Events.Get(t.Context(), result.Value.EventID)
		if err != nil || string(event.Payload) != fmt.Sprintf(`{"row":%d}`, i) {
			t.Fatalf("item %d became %+v, %v", i, event, err)
		}
		ids = append(ids, result.Value.EventID)
	}

	acks, err := client.Inbox.AckMany(t.Context(), append(ids[:30:30], ids[0], "not-an-id"), WithConcurrency(1))
	var failure *BatchError
	if !errors.As(err, &failure) || failure.Failed != 2 || failure.First != 30 {
		t.Errorf("got %v", err)
	}
	for i, ack := range acks[:30] {
		if ack.Value.EventID != ids[i] || ack.Value.Status != StatusAcknowledged || ack.Value.AcknowledgedAt.IsZero() || ack.Value.RequestID == "" {
			t.Errorf("ack %d: %+v", i, ack)
		}
	}
	var refusal *Error
	if !errors.As(acks[30].Err, &refusal) || refusal.StatusCode != 409 {
		t.Errorf("a second ack: %v", acks[30].Err)
	}

	deletes, err := client.Events.DeleteMany(t.Context(), append(ids, newUUID()))
	if err != nil {
		t.Error(err)
	}
	for i, id := range ids {
		if deletes[i].Value.EventID != id {
			t.Errorf("delete %d: %+v", i, deletes[i])
		}
	}
	page, err := client.Events.List(t.Context(), EventListParams{Source: &source})
	if err != nil || len(page.Data) != 0 {
		t.Errorf("left are %d events, %v", len(page.Data), err)
	}
}

func TestAckManyWhoseAnswerWasLost(t *testing.T) {
	conflict := answer(200, `{"successful":[],"failed":[
		{"index":0,"error":{"code":"CONFLICT","message":"Acknowledged.","details":{"event_id":"a","acknowledged_at":"2025-11-21T08:00:00.123456Z"}}},
		{"index":1,"error":{"code":"NOT_FOUND","message":"No.","details":{}}}],"request_id":"r"}`)
	for name, c := range map[string]struct {
		first []http.HandlerFunc
		done  bool
	}{
		"no earlier try":                      {nil, false},
		"an earlier try was lost":             {[]http.HandlerFunc{reset}, true},
		"an earlier try was half answered":    {[]http.HandlerFunc{halfAnswer}, true},
		"an earlier try was refused for good": {[]http.HandlerFunc{refuse(429, CodeRateLimitExceeded)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := faultyServer(t, append(c.first, conflict)...)
			client := newTestClient(t, url)
			withoutWaits(client)
			results, _ := client.Inbox.AckMany(t.Context(), []string{"a", "b"})
			if done := results[0].Err == nil; done != c.done {
				t.Errorf("got %+v", results[0])
			}
			if c.done && (results[0].Value.EventID != "a" || results[0].Value.AcknowledgedAt.Nanosecond() != 123456000) {
				t.Errorf("got %+v", results[0].Value)
			}
			var refusal *Error
			if !errors.As(results[1].Err, &refusal) || refusal.StatusCode != 404 {
				t.Errorf("got %+v", results[1])
			}
		})
	}
}

func TestAnAnswerWithoutAnItemsOutcomeIsAnErrorOfThatItem(t *testing.T) {
	url, _ := faultyServer(t, answer(201, `{"successful":[{"index":1,"event_id":"b"},{"index":7,"event_id":"c"},{"index":-1,"event_id":"c"}],
		"failed":[{"index":9,"error":{"code":"CONFLICT"}}],"request_id":"r"}`))
	results, err := newTestClient(t, url).Events.CreateMany(t.Context(), manyItems(2, "s"))
	if !errors.Is(results[0].Err, errNoOutcome) || results[1].Value.EventID != "b" || err == nil {
		t.Errorf("got %+v, %v", results, err)
	}
}

func TestCreateManyEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url, bodies := bulkServer(t, cancel)
	results, err := newTestClient(t, url).Events.CreateMany(ctx, manyItems(200, "s"), WithConcurrency(1))
	if !errors.Is(err, context.Canceled) || len(results) != 200 {
		t.Fatalf("got %v", err)
	}
	if !errors.Is(results[199].Err, context.Canceled) {
		t.Errorf("got %+v", results[199])
	}
	if got := len(bodies()); got != 1 {
		t.Errorf("%d requests", got)
	}
}

func TestBatchesRefuseOptionsOfSingleRequests(t *testing.T) {
	url, requests := faultyServer(t, reset)
	client := newTestClient(t, url)
	for _, option := range []Option{WithIdempotencyKey("k"), WithResponseInto(&Response{}), WithConcurrency(0), WithMaxRetries(-1)} {
		results, err := client.Events.CreateMany(t.Context(), manyItems(2, "s"), option)
		if err == nil || len(results) != 2 || results[1].Err == nil {
			t.Errorf("got %v, %v", results, err)
		}
	}
	if got := len(requests()); got != 0 {
		t.Errorf("%d requests", got)
	}
}
