package triggers

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"time"
)

// Status is whether an event was acknowledged.
type Status string

// The statuses of an event.
const (
	StatusPending      Status = "pending"
	StatusAcknowledged Status = "acknowledged"
)

// Priority is what an event can be filtered by; it is no order.
type Priority string

// The priorities; PriorityNormal unless told.
const (
	PriorityLow    Priority = "low"
	PriorityNormal Priority = "normal"
	PriorityHigh   Priority = "high"
)

// Order is the order of a list.
type Order string

// The orders of events, by the time they were created.
const (
	OrderAscending  Order = "asc"
	OrderDescending Order = "desc"
)

// Event is an event as it is read.
type Event struct {
	EventID   string    `json:"event_id"`
	CreatedAt time.Time `json:"created_at"`
	Source    string    `json:"source"`
	EventType string    `json:"event_type"`
	// Payload is a JSON object, exactly as it was sent.
	Payload  json.RawMessage `json:"payload"`
	Status   Status          `json:"status"`
	Metadata Metadata        `json:"metadata"`
	// AcknowledgedAt is nil while the event is pending.
	AcknowledgedAt *time.Time `json:"acknowledged_at"`
}

// Metadata is what stands beside an event's payload.
type Metadata struct {
	Priority       Priority `json:"priority"`
	CorrelationID  *string  `json:"correlation_id,omitzero"`
	IdempotencyKey *string  `json:"idempotency_key,omitzero"`
	// Extra has the producer's own keys. Values are string, [json.Number] or bool.
	Extra map[string]any `json:"-"`
}

// SingleEvent is an event that was read alone.
type SingleEvent struct {
	Event
	RequestID string `json:"request_id"`
}

// EventParams is an event to create.
type EventParams struct {
	// Source is the system that the event comes from, such as shop.
	Source string `json:"source"`
	// EventType is what kind of thing happened, such as order.placed.
	EventType string `json:"event_type"`
	// Payload is anything that encodes as a JSON object. A [json.RawMessage] is sent as it is, but for white space.
	Payload any `json:"payload"`
	// Metadata is what the event can be filtered by.
	Metadata MetadataParams `json:"metadata,omitzero"`
}

// MetadataParams is the metadata of an event to create.
type MetadataParams struct {
	// CorrelationID ties together events of one business process.
	CorrelationID *string   `json:"correlation_id,omitzero"`
	Priority      *Priority `json:"priority,omitzero"`
	// IdempotencyKey names the event: within 24 hours the same key makes no second one. One is made where it is nil.
	IdempotencyKey *string `json:"idempotency_key,omitzero"`
	// Extra has up to 20 keys of one's own, whose values are strings, numbers or booleans.
	Extra map[string]any `json:"-"`
}

// EventCreated is the answer to a create.
type EventCreated struct {
	EventID   string    `json:"event_id"`
	CreatedAt time.Time `json:"created_at"`
	Status    Status    `json:"status"`
	Message   string    `json:"message"`
	RequestID string    `json:"request_id"`
}

// EventDeleted is the answer to a delete.
type EventDeleted struct {
	EventID   string `json:"event_id"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
}

// EventListParams says which events to list; the zero value is all of them, newest first.
type EventListParams struct {
	// Limit is the most events of a page, 1 to 100; 50 unless told.
	Limit *int `query:"limit"`
	// Cursor is where to begin: a page's NextCursor, with the same filters and order.
	Cursor        *string    `query:"cursor"`
	Source        *string    `query:"source"`
	EventType     *string    `query:"event_type"`
	Priority      *Priority  `query:"priority"`
	CreatedAfter  *time.Time `query:"created_after"`
	CreatedBefore *time.Time `query:"created_before"`
	// Metadata has the values that the event's metadata must have.
	Metadata map[string]string `query:"metadata."`
	Status   *Status           `query:"status"`
	// Order is OrderDescending, newest first, unless told.
	Order *Order `query:"order"`
}

// EventsService creates, reads and deletes events.
type EventsService struct{ client *Client }

// Create posts an event. It is durable when this returns. Its idempotency key is the one of [WithIdempotencyKey], else of its
// metadata, else a new one, so that a retry gives the same event, also after an answer that was lost. It goes with the metadata,
// where a signature covers it.
func (s *EventsService) Create(ctx context.Context, params EventParams, options ...Option) (*EventCreated, error) {
	settings, err := s.client.core.defaults.with(options)
	if err != nil {
		return nil, err
	}
	body, err := params.onWire(settings.idempotencyKey)
	if err != nil {
		return nil, err
	}
	var created EventCreated
	spec := requestSpec{method: http.MethodPost, path: "/v1/events", body: body, retry: retryIdempotentWrite}
	if _, err := s.client.doWith(ctx, settings, spec, &created); err != nil {
		return nil, err
	}
	return &created, nil
}

// Get reads an event.
func (s *EventsService) Get(ctx context.Context, eventID string, options ...Option) (*SingleEvent, error) {
	return call[SingleEvent](ctx, s.client, requestSpec{method: http.MethodGet, retry: retryAlways, path: "/v1/events/{id}", id: eventID, options: options})
}

// List reads a page of events, of any status.
func (s *EventsService) List(ctx context.Context, params EventListParams, options ...Option) (*Page[Event], error) {
	return listPage[eventPage](ctx, s.client, "/v1/events", queryOf(params), options)
}

// All goes through all events, page by page. After an error it ends.
//
//	for event, err := range client.Events.All(ctx, triggers.EventListParams{}) { … }
func (s *EventsService) All(ctx context.Context, params EventListParams, options ...Option) iter.Seq2[Event, error] {
	return items(ctx, func() (*Page[Event], error) { return s.List(ctx, params, options...) })
}

// Delete removes an event, whatever its status. Deleting what is not there is no error.
func (s *EventsService) Delete(ctx context.Context, eventID string, options ...Option) (*EventDeleted, error) {
	spec := requestSpec{method: http.MethodDelete, retry: retryAlways, path: "/v1/events/{id}", id: eventID, options: options}
	var deleted EventDeleted
	spec.treatAsDone = func(refusal *Error) bool {
		deleted = EventDeleted{EventID: eventID, Message: "Event deleted.", RequestID: refusal.RequestID}
		return refusal.StatusCode == http.StatusNotFound
	}
	if _, err := s.client.do(ctx, spec, &deleted); err != nil {
		return nil, err
	}
	return &deleted, nil
}

type eventPage struct {
	Events     []Event    `json:"events"`
	Pagination pagination `json:"pagination"`
	RequestID  string     `json:"request_id"`
}

func (p eventPage) page() *Page[Event] { return newPage(p.Events, p.Pagination, p.RequestID) }

// What follows are the bulk calls' bodies and answers.

type eventsInput struct {
	// Each an EventParams, encoded already, as its size counts.
	Items []json.RawMessage `json:"items"`
}

type eventIDs struct {
	EventIDs []string `json:"event_ids"`
}

// bulkAnswer has each item's outcome, by its index in the request.
type bulkAnswer[T any] struct {
	Successful []T          `json:"successful"`
	Failed     []bulkFailed `json:"failed"`
	RequestID  string       `json:"request_id"`
}

type bulkFailed struct {
	Index int   `json:"index"`
	Error Error `json:"error"`
}

type bulkCreated struct {
	Index     int       `json:"index"`
	EventID   string    `json:"event_id"`
	CreatedAt time.Time `json:"created_at"`
	Status    Status    `json:"status"`
	Message   string    `json:"message"`
}

type bulkDeleted struct {
	Index   int    `json:"index"`
	EventID string `json:"event_id"`
	Message string `json:"message"`
}

type bulkAcknowledged struct {
	Index          int       `json:"index"`
	EventID        string    `json:"event_id"`
	Status         Status    `json:"status"`
	AcknowledgedAt time.Time `json:"acknowledged_at"`
	Message        string    `json:"message"`
}

// MarshalJSON writes the named keys and Extra side by side.
func (m Metadata) MarshalJSON() ([]byte, error) {
	return MetadataParams{m.CorrelationID, &m.Priority, m.IdempotencyKey, m.Extra}.MarshalJSON()
}

// UnmarshalJSON reads the named keys, and all others into Extra.
func (m *Metadata) UnmarshalJSON(text []byte) error {
	type named Metadata
	extra, err := decodeWithExtra(text, (*named)(m))
	m.Extra = extra
	return err
}

// MarshalJSON writes the named keys and Extra side by side.
func (m MetadataParams) MarshalJSON() ([]byte, error) {
	fields, err := m.fields()
	if err != nil {
		return nil, err
	}
	return encodeJSON(fields)
}

// UnmarshalJSON reads the named keys, and all others into Extra.
func (m *MetadataParams) UnmarshalJSON(text []byte) error {
	type named MetadataParams
	extra, err := decodeWithExtra(text, (*named)(m))
	m.Extra = extra
	return err
}

var namedMetadata = []string{"correlation_id", "priority", "idempotency_key"}

// fields has the named keys and Extra side by side.
func (m MetadataParams) fields() (map[string]any, error) {
	for _, name := range namedMetadata {
		if _, given := m.Extra[name]; given {
			return nil, fmt.Errorf("metadata: %s has a field of its own, and is none of the extra keys", name)
		}
	}
	fields := make(map[string]any, len(m.Extra)+len(namedMetadata))
	maps.Copy(fields, m.Extra)
	if m.CorrelationID != nil {
		fields["correlation_id"] = m.CorrelationID
	}
	if m.Priority != nil {
		fields["priority"] = m.Priority
	}
	if m.IdempotencyKey != nil {
		fields["idempotency_key"] = m.IdempotencyKey
	}
	return fields, nil
}

func decodeWithExtra(text []byte, named any) (map[string]any, error) {
	if err := json.Unmarshal(text, named); err != nil {
		return nil, err
	}
	var extra map[string]any
	if err := unmarshalNumbers(text, &extra); err != nil {
		return nil, err
	}
	for _, name := range namedMetadata {
		delete(extra, name)
	}
	if len(extra) == 0 {
		return nil, nil
	}
	return extra, nil
}

// eventOnWire is an EventParams without methods of its own: what MarshalJSON returns, encoding/json checks and copies once more.
type eventOnWire struct {
	Source    string         `json:"source"`
	EventType string         `json:"event_type"`
	Payload   any            `json:"payload"`
	Metadata  map[string]any `json:"metadata"`
}

// onWire is the event as all tries send it. Its idempotency key is the given one, else its metadata's, else a new one.
func (p EventParams) onWire(idempotencyKey string) (eventOnWire, error) {
	switch {
	case idempotencyKey != "":
		p.Metadata.IdempotencyKey = &idempotencyKey
	case p.Metadata.IdempotencyKey == nil:
		p.Metadata.IdempotencyKey = Ptr(newUUID())
	}
	metadata, err := p.Metadata.fields()
	return eventOnWire{p.Source, p.EventType, p.Payload, metadata}, err
}
