package triggers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// quick are options under which nothing waits for long.
func quick(source string) ConsumeOptions {
	return ConsumeOptions{
		Source: &source, PollInterval: 10 * time.Millisecond, RetryDelay: 5 * time.Millisecond, MaxRetryDelay: 40 * time.Millisecond,
		OnError: func(*Event, error) {},
	}
}

// fill creates events, whose event types count them.
func fill(t *testing.T, client *Client, source string, count int) (ids []string) {
	t.Helper()
	items := make([]EventParams, count)
	for i := range items {
		items[i] = EventParams{Source: source, EventType: fmt.Sprintf("n.%d", i), Payload: map[string]any{}}
	}
	results, err := client.Events.CreateMany(t.Context(), items, WithConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		ids = append(ids, result.Value.EventID)
	}
	return ids
}

func pending(t *testing.T, client *Client, source string) (types []string) {
	t.Helper()
	for event, err := range client.Inbox.All(t.Context(), InboxListParams{Source: &source}) {
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, event.EventType)
	}
	return types
}

// consumeUntil consumes until the handler says that it was the last, and gives what Consume returned.
func consumeUntil(t *testing.T, client *Client, options ConsumeOptions, handle func(ctx context.Context, event Event) (last bool, err error)) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var timedOut atomic.Bool
	timedOut.Store(true)
	err := client.Inbox.Consume(ctx, func(handlerCtx context.Context, event Event) error {
		last, err := handle(handlerCtx, event)
		if last {
			timedOut.Store(false)
			cancel()
		}
		return err
	}, options)
	if err == nil && timedOut.Load() {
		t.Fatal("the events did not come within a minute")
	}
	return err
}

func TestConsumeHandlesEveryEventThoughHandlersFail(t *testing.T) {
	client, source := realClient(t), uniqueSource()
	const count, concurrency = 500, 8
	ids := fill(t, client, source, count)
	var mutex sync.Mutex
	atOnce, most := map[string]bool{}, 0
	calls, succeeded := map[string]int{}, map[string]int{}
	options := quick(source)
	options.Concurrency = concurrency
	err := consumeUntil(t, client, options, func(ctx context.Context, event Event) (bool, error) {
		mutex.Lock()
		if atOnce[event.EventID] {
			t.Errorf("%s runs twice at once", event.EventID)
		}
		atOnce[event.EventID] = true
		most = max(most, len(atOnce))
		calls[event.EventID]++
		call := calls[event.EventID]
		mutex.Unlock()
		// As long as somebody else finishes, more or less.
		if err := wait(ctx, time.Duration(len(event.EventType)%3)*time.Millisecond); err != nil {
			t.Error(err)
		}
		mutex.Lock()
		defer mutex.Unlock()
		delete(atOnce, event.EventID)
		// Every third event fails once, every ninth twice.
		if index := slices.Index(ids, event.EventID); (index%3 == 0 && call == 1) || (index%9 == 0 && call == 2) {
			return false, errors.New("not this time")
		}
		succeeded[event.EventID]++
		return len(succeeded) == count, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for index, id := range ids {
		want := 1
		if index%3 == 0 {
			want++
		}
		if index%9 == 0 {
			want++
		}
		if calls[id] != want || succeeded[id] != 1 {
			t.Errorf("event %d was handled %d times, %d of them well; want %d", index, calls[id], succeeded[id], want)
		}
	}
	if most != concurrency {
		t.Errorf("%d ran at once, want %d", most, concurrency)
	}
	if left := pending(t, client, source); len(left) != 0 {
		t.Errorf("not acknowledged: %v", left)
	}
}

func TestConsumeKeepsTheInboxsOrderOneAtATime(t *testing.T) {
	client, source := realClient(t), uniqueSource()
	fill(t, client, source, 60)
	var types []string
	err := consumeUntil(t, client, quick(source), func(_ context.Context, event Event) (bool, error) {
		types = append(types, event.EventType)
		if len(types) == 60 { // comes in a later look
			fill(t, client, source, 1)
		}
		return len(types) == 61, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, eventType := range types[:60] {
		if eventType != fmt.Sprintf("n.%d", i) {
			t.Fatalf("the order is %v", types)
		}
	}
}

func TestConsumeAcknowledgesOnlyWhatWasHandled(t *testing.T) {
	client, source := realClient(t), uniqueSource()
	fill(t, client, source, 3)
	var told []string
	var mutex sync.Mutex
	options := quick(source)
	options.OnError = func(event *Event, err error) {
		mutex.Lock()
		defer mutex.Unlock()
		told = append(told, event.EventType+": "+err.Error())
	}
	calls, others := 0, 0
	err := consumeUntil(t, client, options, func(_ context.Context, event Event) (bool, error) {
		if event.EventType == "n.0" {
			calls++
			return calls >= 4 && others == 2, errors.New("broken for good")
		}
		others++
		return false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := pending(t, client, source); len(left) != 1 || left[0] != "n.0" {
		t.Errorf("pending are %v", left)
	}
	if len(told) != calls || told[0] != "n.0: broken for good" {
		t.Errorf("after %d calls it was told %v", calls, told)
	}
}

func TestConsumeStopsGracefully(t *testing.T) {
	client, source := realClient(t), uniqueSource()
	fill(t, client, source, 10)
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	var started, stopped sync.WaitGroup
	started.Add(2)
	stopped.Add(1)
	var calls atomic.Int32
	go func() {
		started.Wait()
		cancel()
		stopped.Done()
	}()
	options := quick(source)
	options.Concurrency = 2
	err := client.Inbox.Consume(ctx, func(handlerCtx context.Context, event Event) error {
		calls.Add(1)
		started.Done()
		stopped.Wait()
		if ctx.Err() == nil || handlerCtx.Err() != nil || handlerCtx.Value(key{}) != "value" {
			t.Errorf("the handler's context: %v, %v", handlerCtx.Err(), handlerCtx.Value(key{}))
		}
		if event.EventType == "n.1" {
			return errors.New("interrupted")
		}
		return nil
	}, options)
	if err != nil {
		t.Errorf("got %v", err)
	}
	if got := calls.Load(); got != 2 {
		t.Errorf("%d handlers ran, want those 2 that had begun", got)
	}
	if left := pending(t, client, source); len(left) != 9 || left[0] != "n.1" {
		t.Errorf("pending are %v", left)
	}
}

func TestConsumeEndsThoughAHandlerDoesNot(t *testing.T) {
	client, source := realClient(t), uniqueSource()
	fill(t, client, source, 1)
	release := make(chan bool)
	defer close(release)
	options := quick(source)
	options.ShutdownTimeout = time.Millisecond
	shortened := shutdownGrace
	shutdownGrace = 200 * time.Millisecond
	defer func() { shutdownGrace = shortened }()
	var handlerCtx context.Context
	ctx, cancel := context.WithCancel(t.Context())
	err := client.Inbox.Consume(ctx, func(ctx context.Context, _ Event) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}, options)
	if err != nil {
		t.Errorf("one that ends when it is told to: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	err = client.Inbox.Consume(ctx, func(running context.Context, _ Event) error {
		handlerCtx = running
		cancel()
		<-release
		return nil
	}, options)
	if err == nil || !strings.Contains(err.Error(), "1 handlers still run") {
		t.Errorf("got %v", err)
	}
	if handlerCtx.Err() == nil {
		t.Error("the handler is not told to end")
	}
}

func TestConsumeDoesNothingOnceItsContextIsDone(t *testing.T) {
	url, requests := faultyServer(t, reset)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newTestClient(t, url).Inbox.Consume(ctx, nil, ConsumeOptions{}); err != nil || len(requests()) != 0 {
		t.Errorf("got %v after %d requests", err, len(requests()))
	}
}

const oneEvent = `{"events":[{"event_id":"a","created_at":"2025-11-21T08:00:00.123456Z","source":"s","event_type":"t","payload":{},
	"status":"pending","metadata":{"priority":"normal"},"acknowledged_at":null}],"pagination":{"next_cursor":null,"limit":10},"request_id":"r"}`

const noEvents = `{"events":[],"pagination":{"next_cursor":null,"limit":10},"request_id":"r"}`

const acknowledged = `{"event_id":"a","status":"acknowledged","acknowledged_at":"2025-11-21T08:00:01.123456Z","message":"","request_id":"r"}`

// fakeInbox is a server whose inbox answers with the given handlers, and whose acks with the others; the last ones repeat.
func fakeInbox(t *testing.T, lists, acks []http.HandlerFunc) (client *Client, requests func() []sentRequest) {
	t.Helper()
	var listed, acked atomic.Int32
	url, requests := faultyServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			lists[min(int(listed.Add(1)), len(lists))-1](w, r)
			return
		}
		acks[min(int(acked.Add(1)), len(acks))-1](w, r)
	})
	client = newTestClient(t, url, WithMaxRetries(0))
	withoutWaits(client)
	return client, requests
}

// cutOffPage ends the connection in the middle of the body. What comes before is sent, as net/http itself would try again else.
func cutOffPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"events":`)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func TestConsumeGoesOnAfterFailedPolls(t *testing.T) {
	client, _ := fakeInbox(t, []http.HandlerFunc{
		refuse(500, CodeInternal), cutOffPage, refuse(429, CodeRateLimitExceeded), refuse(404, ""), answer(200, oneEvent),
	}, []http.HandlerFunc{answer(200, acknowledged)})
	waits := withoutWaits(client)
	options := quick("s")
	var told []error
	options.OnError = func(event *Event, err error) {
		if event != nil {
			t.Errorf("told of %s", event.EventID)
		}
		told = append(told, err)
	}
	if err := consumeUntil(t, client, options, func(context.Context, Event) (bool, error) { return true, nil }); err != nil {
		t.Error(err)
	}
	if len(told) != 4 {
		t.Errorf("told %v", told)
	}
	for i, delay := range waits() {
		if limit := time.Second << i; delay > limit || delay < limit/2 {
			t.Errorf("wait %d is %s", i, delay)
		}
	}
	if len(waits()) != 4 {
		t.Errorf("it waited %v", waits())
	}
}

func TestConsumeEndsWhenTheServerRefusesIt(t *testing.T) {
	for _, status := range []int{400, 401, 403, 422} {
		var refusal *Error
		client, requests := fakeInbox(t, []http.HandlerFunc{refuse(status, "X")}, nil)
		err := client.Inbox.Consume(t.Context(), nil, quick("s"))
		if !errors.As(err, &refusal) || refusal.StatusCode != status || len(requests()) != 1 {
			t.Errorf("a poll with %d: %v", status, err)
		}
	}
	for _, status := range []int{401, 403} {
		var refusal *Error
		client, requests := fakeInbox(t, []http.HandlerFunc{answer(200, oneEvent), answer(200, noEvents)}, []http.HandlerFunc{refuse(status, "X")})
		err := client.Inbox.Consume(t.Context(), func(context.Context, Event) error { return nil }, quick("s"))
		if !errors.As(err, &refusal) || refusal.StatusCode != status {
			t.Errorf("an ack with %d: %v after %v", status, err, requests())
		}
	}
}

func TestConsumeTriesAnAckAgainWithoutTheHandler(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client, _ := fakeInbox(t, []http.HandlerFunc{answer(200, oneEvent)}, []http.HandlerFunc{
		refuse(500, CodeInternal), reset, func(w http.ResponseWriter, r *http.Request) {
			answer(200, acknowledged)(w, r)
			cancel()
		},
	})
	options := quick("s")
	var told []string
	options.OnError = func(event *Event, err error) { told = append(told, event.EventID+": "+err.Error()) }
	calls := 0
	if err := client.Inbox.Consume(ctx, func(context.Context, Event) error { calls++; return nil }, options); err != nil {
		t.Error(err)
	}
	if calls != 1 {
		t.Errorf("handled %d times", calls)
	}
	if len(told) != 2 || !strings.HasPrefix(told[0], "a: the event was handled, but not acknowledged: ") {
		t.Errorf("told %v", told)
	}
}

func TestConsumeIsContentWhenTheEventIsGone(t *testing.T) {
	for _, status := range []int{404, 409} {
		ctx, cancel := context.WithCancel(t.Context())
		client, _ := fakeInbox(t, []http.HandlerFunc{answer(200, oneEvent), answer(200, noEvents), func(w http.ResponseWriter, r *http.Request) {
			answer(200, noEvents)(w, r)
			cancel()
		}}, []http.HandlerFunc{refuse(status, "X")})
		options := quick("s")
		options.OnError = func(_ *Event, err error) { t.Errorf("an ack with %d: %v", status, err) }
		if err := client.Inbox.Consume(ctx, func(context.Context, Event) error { return nil }, options); err != nil {
			t.Errorf("an ack with %d: %v", status, err)
		}
	}
}

// A page that was asked for before an event was acknowledged may still have it.
func TestConsumeDoesNotHandleAnAcknowledgedEventOfAnOlderPage(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	acked := make(chan bool)
	var mutex sync.Mutex
	client, _ := fakeInbox(t, []http.HandlerFunc{
		answer(200, oneEvent),
		func(w http.ResponseWriter, r *http.Request) {
			<-acked
			// Long enough for the ack's answer to arrive; were it too short, the event would count as under way, which is as good.
			time.Sleep(5 * time.Millisecond)
			answer(200, oneEvent)(w, r)
		},
		func(w http.ResponseWriter, r *http.Request) {
			answer(200, noEvents)(w, r)
			cancel()
		},
	}, []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
		answer(200, acknowledged)(w, r)
		acked <- true
	}})
	calls := 0
	handle := func(context.Context, Event) error {
		mutex.Lock()
		defer mutex.Unlock()
		calls++
		return nil
	}
	if err := client.Inbox.Consume(ctx, handle, quick("s")); err != nil {
		t.Error(err)
	}
	if calls != 1 {
		t.Errorf("handled %d times", calls)
	}
}

func TestConsumeBeginsAnewWhenItsCursorIsRefused(t *testing.T) {
	withCursor := strings.Replace(noEvents, "null", `"c"`, 1)
	client, requests := fakeInbox(t, []http.HandlerFunc{answer(200, withCursor), refuse(400, CodeValidation), answer(200, oneEvent)},
		[]http.HandlerFunc{answer(200, acknowledged)})
	if err := consumeUntil(t, client, quick("s"), func(context.Context, Event) (bool, error) { return true, nil }); err != nil {
		t.Error(err)
	}
	if target := requests()[2].target; strings.Contains(target, "cursor") {
		t.Errorf("asked for %s", target)
	}
}

func TestConsumeSendsItsFilters(t *testing.T) {
	client, requests := fakeInbox(t, []http.HandlerFunc{refuse(401, CodeUnauthorized)}, nil)
	_ = client.Inbox.Consume(t.Context(), nil, ConsumeOptions{
		Concurrency: 20, Source: Ptr("shop"), EventType: Ptr("order.placed"), Priority: Ptr(PriorityHigh),
		CreatedAfter: Ptr(time.Unix(0, 0)), CreatedBefore: Ptr(time.Unix(1, 0)), Metadata: map[string]string{"region": "eu"},
	})
	target, err := url.ParseRequestURI(requests()[0].target)
	if err != nil {
		t.Fatal(err)
	}
	want := "created_after=1970-01-01T00%3A00%3A00.000000Z&created_before=1970-01-01T00%3A00%3A01.000000Z&event_type=order.placed&limit=40&" +
		"metadata.region=eu&priority=high&source=shop"
	if got := target.Query().Encode(); got != want {
		t.Errorf("asked for %s", got)
	}
}

func TestConsumesOfOneClientShareWhatIsUnderWay(t *testing.T) {
	client, source := realClient(t), uniqueSource()
	fill(t, client, source, 50)
	var mutex sync.Mutex
	atOnce, done := map[string]bool{}, map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	handle := func(ctx context.Context, event Event) error {
		mutex.Lock()
		if atOnce[event.EventID] {
			t.Errorf("%s runs twice at once", event.EventType)
		}
		atOnce[event.EventID] = true
		mutex.Unlock()
		_ = wait(ctx, time.Millisecond)
		mutex.Lock()
		defer mutex.Unlock()
		delete(atOnce, event.EventID)
		done[event.EventID] = true
		if len(done) == 50 {
			cancel()
		}
		return nil
	}
	var consumers sync.WaitGroup
	for range 3 {
		consumers.Go(func() {
			if err := client.Inbox.Consume(ctx, handle, quick(source)); err != nil {
				t.Error(err)
			}
		})
	}
	consumers.Wait()
	if len(done) != 50 || len(pending(t, client, source)) != 0 {
		t.Errorf("%d were handled", len(done))
	}
}

// The inbox's start is full of events that fail for good. Those that come after them are handled all the same.
func TestFailingEventsDoNotHoldUpNewOnes(t *testing.T) {
	client, source := realClient(t), uniqueSource()
	fill(t, client, source, 250)
	options := quick(source)
	options.Concurrency = 8
	options.RetryDelay = time.Hour
	options.MaxRetryDelay = time.Hour
	var mutex sync.Mutex
	failed, late := 0, 0
	err := consumeUntil(t, client, options, func(_ context.Context, event Event) (bool, error) {
		mutex.Lock()
		defer mutex.Unlock()
		if event.EventType == "late" {
			late++
			return late == 3, nil
		}
		if failed++; failed == 250 {
			for range 3 {
				if _, err := client.Events.Create(t.Context(), EventParams{Source: source, EventType: "late", Payload: map[string]any{}}); err != nil {
					t.Error(err)
				}
			}
		}
		return false, errors.New("broken for good")
	})
	if err != nil || failed != 250 || late != 3 {
		t.Errorf("%d failed, %d came late, %v", failed, late, err)
	}
}

// isFromStart says whether a request asks for the inbox's first page.
func isFromStart(request sentRequest) bool {
	return !strings.Contains(request.target, "created_after") && !strings.Contains(request.target, "cursor")
}

func TestConsumeForgetsWhatLeftTheInbox(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	client, requests := fakeInbox(t, []http.HandlerFunc{answer(200, oneEvent), func(w http.ResponseWriter, r *http.Request) {
		answer(200, noEvents)(w, r)
		if looks++; looks == 20 {
			cancel()
		}
	}}, nil)
	options := quick("s")
	options.PollInterval = time.Millisecond
	if err := client.Inbox.Consume(ctx, func(context.Context, Event) error { return errors.New("broken") }, options); err != nil {
		t.Error(err)
	}
	// Once at first, and once for the event that failed, which was not there any more.
	fromStart := 0
	for _, request := range requests() {
		if isFromStart(request) {
			fromStart++
		}
	}
	if fromStart != 2 {
		t.Errorf("it began anew %d times in %d looks", fromStart, len(requests()))
	}
}

// Going through the pages of an inbox that is full of failing events must not become all that is done.
func TestConsumeBeginsAnewTheMoreRarelyTheMorePagesItSkips(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var mutex sync.Mutex
	var begun []time.Time
	client, _ := fakeInbox(t, []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		page := r.URL.Query().Get("cursor")
		switch {
		case isFromStart(sentRequest{target: r.RequestURI}):
			if begun = append(begun, time.Now()); len(begun) == 5 {
				cancel()
			}
			answer(200, strings.Replace(oneEvent, `"next_cursor":null`, `"next_cursor":"c"`, 1))(w, r)
		case page == "" || len(page) == 4:
			answer(200, noEvents)(w, r)
		default:
			answer(200, strings.Replace(noEvents, "null", `"`+page+`c"`, 1))(w, r)
		}
	}}, nil)
	options := quick("s")
	options.PollInterval = 20 * time.Millisecond
	options.RetryDelay = time.Nanosecond
	options.MaxRetryDelay = time.Nanosecond
	if err := client.Inbox.Consume(ctx, func(context.Context, Event) error { return errors.New("broken") }, options); err != nil {
		t.Error(err)
	}
	// One interval, and one for each of four pages, before each of the four times; less what the first request took to arrive.
	if took := begun[4].Sub(begun[0]); took < 15*options.PollInterval {
		t.Errorf("it began anew four times in %s", took)
	}
}

func TestConsumeLogsWhereNobodyIsTold(t *testing.T) {
	var output bytes.Buffer
	url, _ := faultyServer(t, refuse(500, CodeInternal), answer(200, oneEvent), refuse(404, CodeNotFound), refuse(401, CodeUnauthorized))
	client := newTestClient(t, url, WithMaxRetries(0), WithLogger(slog.New(slog.NewTextHandler(&output, nil))))
	withoutWaits(client)
	failing := true
	_ = client.Inbox.Consume(t.Context(), func(context.Context, Event) error {
		if failing {
			failing = false
			return errors.New("out of stock")
		}
		return nil
	}, ConsumeOptions{PollInterval: time.Millisecond, RetryDelay: time.Millisecond})
	if text := output.String(); !strings.Contains(text, "polling failed") || !strings.Contains(text, "event_id=a") || !strings.Contains(text, "out of stock") {
		t.Errorf("logged: %s", text)
	}
}

func TestConsumeRefusesNegativeOptions(t *testing.T) {
	url, requests := faultyServer(t, reset)
	client := newTestClient(t, url)
	for _, options := range []ConsumeOptions{
		{Concurrency: -1}, {PollInterval: -1}, {RetryDelay: -1}, {MaxRetryDelay: -1}, {ShutdownTimeout: -1},
	} {
		if err := client.Inbox.Consume(t.Context(), nil, options); err == nil || len(requests()) != 0 {
			t.Errorf("%+v: %v", options, err)
		}
	}
}

func TestBackOff(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 100, 2: 200, 3: 400, 4: 800, 5: 1000, 500: 1000} {
		for range 200 {
			if got := backOff(100, 1000, failures); got > want || got < want/2 {
				t.Errorf("after %d failures: %d", failures, got)
			}
		}
	}
}
