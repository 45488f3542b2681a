package triggers

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// InboxListParams says which pending events to list; the zero value is all of them, oldest first.
type InboxListParams struct {
	// Limit is the most events of a page, 1 to 100; 50 unless told.
	Limit *int `query:"limit"`
	// Cursor is where to begin: a page's NextCursor, with the same filters.
	Cursor        *string    `query:"cursor"`
	Source        *string    `query:"source"`
	EventType     *string    `query:"event_type"`
	Priority      *Priority  `query:"priority"`
	CreatedAfter  *time.Time `query:"created_after"`
	CreatedBefore *time.Time `query:"created_before"`
	// Metadata has the values that the event's metadata must have.
	Metadata map[string]string `query:"metadata."`
}

// EventAcknowledged is the answer to an ack.
type EventAcknowledged struct {
	EventID        string    `json:"event_id"`
	Status         Status    `json:"status"`
	AcknowledgedAt time.Time `json:"acknowledged_at"`
	Message        string    `json:"message"`
	RequestID      string    `json:"request_id"`
}

// InboxService reads and acknowledges pending events.
type InboxService struct{ client *Client }

// List reads a page of the inbox. No event is skipped and none comes twice while cursors are followed, whatever others do.
func (s *InboxService) List(ctx context.Context, params InboxListParams, options ...Option) (*Page[Event], error) {
	return listPage[eventPage](ctx, s.client, "/v1/inbox", queryOf(params), options)
}

// All goes through the inbox, page by page. After an error it ends.
func (s *InboxService) All(ctx context.Context, params InboxListParams, options ...Option) iter.Seq2[Event, error] {
	return items(ctx, func() (*Page[Event], error) { return s.List(ctx, params, options...) })
}

// Ack acknowledges an event: it leaves the inbox. An event that was acknowledged before is an [*Error] with CodeConflict, unless
// it may have been this very call that did it, in a try whose answer was lost.
func (s *InboxService) Ack(ctx context.Context, eventID string, options ...Option) (*EventAcknowledged, error) {
	spec := requestSpec{method: http.MethodPost, retry: retryAlways, path: "/v1/events/{id}/ack", id: eventID, options: options}
	var acknowledged EventAcknowledged
	spec.treatAsDone = func(refusal *Error) bool {
		at, ok := acknowledgedAt(refusal)
		acknowledged = EventAcknowledged{eventID, StatusAcknowledged, at, "Event acknowledged.", refusal.RequestID}
		return ok
	}
	if _, err := s.client.do(ctx, spec, &acknowledged); err != nil {
		return nil, err
	}
	return &acknowledged, nil
}

// acknowledgedAt says whether a refusal is because the event is acknowledged already, and since when.
func acknowledgedAt(refusal *Error) (time.Time, bool) {
	text, _ := refusal.Details["acknowledged_at"].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil && refusal.Code == CodeConflict
}
