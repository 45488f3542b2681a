package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	defaultConcurrency = 4
	// What a bulk request may have.
	maxBatchItems       = 25
	maxBatchCreateBytes = 5_242_880
	maxBatchIDsBytes    = 524_288
)

// WithConcurrency says how many requests of a CreateMany, DeleteMany or AckMany may be under way at once; 4 unless told. With 1, events
// are created in the order of the items.
func WithConcurrency(count int) Option {
	return func(s *settings) error {
		if count < 1 {
			return fmt.Errorf("triggers: the concurrency %d is less than 1", count)
		}
		s.concurrency = count
		return nil
	}
}

// BatchResult is what became of one item.
type BatchResult[T any] struct {
	// Value is what the single call would have returned. It is the zero value when Err is not nil.
	Value T
	// Err is an [*Error] where the server refused the item, or the request that it was in.
	Err error
}

// BatchError says that some items failed; which ones is in the results. [errors.Is] and [errors.As] look into the errors of the items.
type BatchError struct {
	Failed int
	Total  int
	// First is the index of the first item that failed.
	First int

	distinct []error
}

// Error is one short line.
func (e *BatchError) Error() string {
	first := strings.TrimPrefix(e.distinct[0].Error(), "triggers: ")
	return fmt.Sprintf("triggers: %d of %d items failed, the first of them item %d: %s", e.Failed, e.Total, e.First, first)
}

// Unwrap gives the errors of the items, each once, though all items of a request that failed share its error.
func (e *BatchError) Unwrap() []error { return e.distinct }

// CreateMany creates any number of events, in requests of up to 25 items and 5,242,880 bytes. There is a result for each item, at its
// index, whatever happens; the error is nil when all went well, and else a [*BatchError].
//
// Every item has an idempotency key, as in [EventsService.Create], so that the retries of a request make no second event. Give
// keys of your own in the metadata where the whole may be run again. When ctx is done, the items that were not sent yet fail.
func (s *EventsService) CreateMany(ctx context.Context, items []EventParams, options ...Option) ([]BatchResult[EventCreated], error) {
	return runBatches(ctx, s.client, len(items), options, batchCall[bulkCreated, EventCreated]{
		method: http.MethodPost, path: "/v1/events/bulk", retry: retryIdempotentWrite, maxBytes: maxBatchCreateBytes,
		encode: func(index int) ([]byte, error) { return encodeItem(items[index]) },
		body:   func(_ []int, texts []json.RawMessage) any { return eventsInput{Items: texts} },
	})
}

// DeleteMany deletes any number of events, in requests of up to 25. The results are like those of [EventsService.CreateMany]. Deleting
// what is not there is no error.
func (s *EventsService) DeleteMany(ctx context.Context, ids []string, options ...Option) ([]BatchResult[EventDeleted], error) {
	return runBatches(ctx, s.client, len(ids), options, batchCall[bulkDeleted, EventDeleted]{
		method: http.MethodDelete, path: "/v1/events/bulk", retry: retryAlways, maxBytes: maxBatchIDsBytes,
		encode: func(index int) ([]byte, error) { return encodeJSON(ids[index]) },
		body:   func(indexes []int, _ []json.RawMessage) any { return eventIDs{EventIDs: pick(ids, indexes)} },
	})
}

// AckMany acknowledges any number of events, in requests of up to 25. The results are like those of [EventsService.CreateMany]; an
// event that was acknowledged before is an [*Error] with CodeConflict, unless it may have been this very call that did it, in a try
// whose answer was lost.
func (s *InboxService) AckMany(ctx context.Context, ids []string, options ...Option) ([]BatchResult[EventAcknowledged], error) {
	return runBatches(ctx, s.client, len(ids), options, batchCall[bulkAcknowledged, EventAcknowledged]{
		method: http.MethodPost, path: "/v1/events/bulk/ack", retry: retryAlways, maxBytes: maxBatchIDsBytes,
		encode: func(index int) ([]byte, error) { return encodeJSON(ids[index]) },
		body:   func(indexes []int, _ []json.RawMessage) any { return eventIDs{EventIDs: pick(ids, indexes)} },
		doneBefore: func(index int, refusal *Error) (EventAcknowledged, bool) {
			at, ok := acknowledgedAt(refusal)
			return EventAcknowledged{ids[index], StatusAcknowledged, at, "Event acknowledged.", refusal.RequestID}, ok
		},
	})
}

// batchCall is how a bulk call makes and reads its requests. A is an item of the answer on the wire.
type batchCall[A batchAnswer[T], T any] struct {
	method   string
	path     string
	retry    retryClass
	maxBytes int
	// encode gives an item as it stands in the body, for its size.
	encode func(index int) ([]byte, error)
	body   func(indexes []int, texts []json.RawMessage) any
	// doneBefore turns a refusal into success, once an earlier try of the request may have done the work.
	doneBefore func(index int, refusal *Error) (T, bool)
}

type batchAnswer[T any] interface {
	// value is the item as its single call would have answered, and its place in the request.
	value(requestID string) (place int, value T)
}

func (b bulkCreated) value(requestID string) (int, EventCreated) {
	return b.Index, EventCreated{EventID: b.EventID, CreatedAt: b.CreatedAt, Status: b.Status, Message: b.Message, RequestID: requestID}
}

func (b bulkDeleted) value(requestID string) (int, EventDeleted) {
	return b.Index, EventDeleted{EventID: b.EventID, Message: b.Message, RequestID: requestID}
}

func (b bulkAcknowledged) value(requestID string) (int, EventAcknowledged) {
	return b.Index, EventAcknowledged{
		EventID: b.EventID, Status: b.Status, AcknowledgedAt: b.AcknowledgedAt, Message: b.Message, RequestID: requestID,
	}
}

var errNoOutcome = errors.New("triggers: the answer does not say what became of the item")

// runBatches sends count items in as many requests as they need.
func runBatches[A batchAnswer[T], T any](
	ctx context.Context, c *Client, count int, options []Option, call batchCall[A, T],
) ([]BatchResult[T], error) {
	results := make([]BatchResult[T], count)
	s, err := c.core.defaults.with(options)
	switch {
	case err != nil:
	case s.idempotencyKey != "":
		err = errors.New("triggers: WithIdempotencyKey is for one event: give each item its own, in its metadata")
	case s.response != nil:
		err = errors.New("triggers: WithResponseInto is for one request")
	}
	if err != nil {
		for i := range results {
			results[i].Err = err
		}
		return results, err
	}
	if s.concurrency == 0 {
		s.concurrency = defaultConcurrency
	}
	slots := make(chan struct{}, s.concurrency)
	var requests sync.WaitGroup
	var indexes []int
	var texts []json.RawMessage
	// The braces, the name and the brackets are fewer.
	const frame = 32
	bytes := frame
	flush := func() {
		if len(indexes) == 0 {
			return
		}
		batch, body := indexes, call.body(indexes, texts)
		indexes, texts, bytes = nil, nil, frame
		if !acquire(ctx, slots) {
			for _, index := range batch {
				results[index].Err = fmt.Errorf("triggers: the item was not sent: %w", ctx.Err())
			}
			return
		}
		requests.Go(func() {
			defer func() { <-slots }()
			// Each request writes to its own items' places alone.
			call.send(ctx, c, s, batch, body, results)
		})
	}
	for index := range count {
		text, err := call.encode(index)
		if err != nil {
			results[index].Err = fmt.Errorf("triggers: the item cannot be JSON: %w", err)
			continue
		}
		// An item that alone is too large is sent alone, for the server to refuse.
		if len(texts) == maxBatchItems || bytes+len(text)+1 > call.maxBytes {
			flush()
		}
		indexes, texts, bytes = append(indexes, index), append(texts, text), bytes+len(text)+1
	}
	flush()
	requests.Wait()
	return results, batchError(results)
}

// acquire takes a slot as soon as one is free; false when the context is done.
func acquire(ctx context.Context, slots chan<- struct{}) bool {
	if ctx.Err() != nil { // select takes either when both are ready
		return false
	}
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// send makes one request, and writes what became of its items.
func (call batchCall[A, T]) send(ctx context.Context, c *Client, s settings, indexes []int, body any, results []BatchResult[T]) {
	var answer bulkAnswer[A]
	response, err := c.doWith(ctx, s, requestSpec{method: call.method, path: call.path, body: body, retry: call.retry}, &answer)
	if err != nil {
		for _, index := range indexes {
			results[index].Err = err
		}
		return
	}
	for _, index := range indexes {
		results[index].Err = errNoOutcome
	}
	at := func(place int) (index int, ok bool) {
		if place < 0 || place >= len(indexes) {
			return 0, false
		}
		return indexes[place], true
	}
	for _, item := range answer.Successful {
		place, value := item.value(answer.RequestID)
		if index, ok := at(place); ok {
			results[index] = BatchResult[T]{Value: value}
		}
	}
	for _, item := range answer.Failed {
		index, ok := at(item.Index)
		if !ok {
			continue
		}
		refusal := item.Error
		refusal.StatusCode, refusal.RequestID = statusOf(refusal.Code), answer.RequestID
		results[index].Err = &refusal
		if call.doneBefore != nil && response.maybeDoneBefore {
			if value, done := call.doneBefore(index, &refusal); done {
				results[index] = BatchResult[T]{Value: value}
			}
		}
	}
}

func batchError[T any](results []BatchResult[T]) error {
	failure := &BatchError{Total: len(results)}
	var last error
	for index, result := range results {
		if result.Err == nil {
			continue
		}
		if failure.Failed++; failure.Failed == 1 {
			failure.First = index
		}
		if result.Err != last { // all of them are pointers
			failure.distinct = append(failure.distinct, result.Err)
		}
		last = result.Err
	}
	if failure.Failed == 0 {
		return nil
	}
	return failure
}

func encodeItem(item EventParams) ([]byte, error) {
	event, err := item.onWire("")
	if err != nil {
		return nil, err
	}
	text, err := encodeJSON(event)
	if err == nil && !utf8.Valid(text) {
		// The server would refuse the whole request for it.
		err = errors.New("it is not UTF-8")
	}
	return text, err
}

func pick[T any](all []T, indexes []int) []T {
	picked := make([]T, len(indexes))
	for i, index := range indexes {
		picked[i] = all[index]
	}
	return picked
}
