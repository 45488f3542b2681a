package triggers

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"time"
)

// ReplayStatus is how far a replay is.
type ReplayStatus string

// The statuses of a replay.
const (
	// ReplayStatusRunning: until each of its deliveries has ended.
	ReplayStatusRunning   ReplayStatus = "running"
	ReplayStatusCompleted ReplayStatus = "completed"
	// ReplayStatusCancelled: by a call.
	ReplayStatusCancelled ReplayStatus = "cancelled"
	// ReplayStatusFailed: the webhook was switched off or deleted.
	ReplayStatusFailed ReplayStatus = "failed"
)

// ReplaySelection says which events a replay takes, by how their last delivery to the webhook ended. None takes an event that has a
// pending delivery.
type ReplaySelection string

// The selections.
const (
	ReplayDelivered ReplaySelection = "delivered"
	ReplayDead      ReplaySelection = "dead"
	ReplayHeld      ReplaySelection = "held"
	ReplayCancelled ReplaySelection = "cancelled"
	// ReplayNone: those without a delivery.
	ReplayNone ReplaySelection = "none"
	// ReplayUndelivered: those of which no delivery was delivered, or that have none.
	ReplayUndelivered ReplaySelection = "undelivered"
)

// Replay is a job that sends events of the past to a webhook.
type Replay struct {
	ReplayID  string       `json:"replay_id"`
	WebhookID string       `json:"webhook_id"`
	Status    ReplayStatus `json:"status"`
	// Since and Until are the times that its events were created between, both included.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Rate is the most deliveries a second.
	Rate int `json:"rate"`
	// Matched is how many events matched so far; all of them once it is completed.
	Matched int `json:"matched"`
	// Enqueued is how many deliveries it made so far; Delivered, Dead and Cancelled are what became of them. What is held counts as
	// cancelled.
	Enqueued  int       `json:"enqueued"`
	Delivered int       `json:"delivered"`
	Dead      int       `json:"dead"`
	Cancelled int       `json:"cancelled"`
	CreatedAt time.Time `json:"created_at"`
	// CompletedAt is when it ended; nil while it runs.
	CompletedAt *time.Time `json:"completed_at"`
}

// SingleReplay is a replay that was read alone.
type SingleReplay struct {
	Replay
	RequestID string `json:"request_id"`
}

// ReplayParams says what to replay.
type ReplayParams struct {
	// Since is when the first of the events was created.
	Since time.Time `json:"since"`
	// Until is when the last of them was created; now unless told.
	Until *time.Time `json:"until,omitzero"`
	// Filter is what the events must be like beside the webhook's own patterns and filter.
	Filter *WebhookFilter `json:"filter,omitzero"`
	// Status selects events by their last delivery to the webhook; all of them unless told.
	Status *ReplaySelection `json:"status,omitzero"`
	// Rate is the most deliveries a second, 1 to 1,000; the webhook's own limit, or 50, unless told.
	Rate *int `json:"rate,omitzero"`
}

// ReplayCounted is how many events a replay would send now.
type ReplayCounted struct {
	Matched   int    `json:"matched"`
	RequestID string `json:"request_id"`
}

// ReplayListParams says which page of a webhook's replays to list.
type ReplayListParams struct {
	Limit  *int    `query:"limit"`
	Cursor *string `query:"cursor"`
}

// WaitOptions says how a replay is waited for.
type WaitOptions struct {
	// Interval is how long to wait between two reads; 1 s unless told.
	Interval time.Duration
	// OnProgress is told of the replay after each read, the last one too.
	OnProgress func(Replay)
}

const defaultWaitInterval = time.Second

// Replay sends events of the past to a webhook, in the background, no faster than its rate. [ReplaysService.Wait] waits for its end.
func (s *WebhooksService) Replay(ctx context.Context, webhookID string, params ReplayParams, options ...Option) (*SingleReplay, error) {
	return call[SingleReplay](ctx, s.client, requestSpec{
		method: http.MethodPost, path: "/v1/webhooks/{id}/replay", id: webhookID, body: params, retry: retryNotDone, options: options,
	})
}

// CountReplay says how many events [WebhooksService.Replay] would send now, and sends none. It reads the whole span: for a long one
// give it more time with [WithTimeout].
func (s *WebhooksService) CountReplay(ctx context.Context, webhookID string, params ReplayParams, options ...Option) (*ReplayCounted, error) {
	return call[ReplayCounted](ctx, s.client, requestSpec{
		method: http.MethodPost, path: "/v1/webhooks/{id}/replay", id: webhookID, body: replayInput{params, Ptr(true)}, retry: retryAlways,
		options: options,
	})
}

// Replays reads a page of a webhook's replays, newest first.
func (s *WebhooksService) Replays(ctx context.Context, webhookID string, params ReplayListParams, options ...Option) (*Page[Replay], error) {
	return listPageOf[replayPage](ctx, s.client, "/v1/webhooks/{id}/replays", webhookID, queryOf(params), options)
}

// AllReplays goes through a webhook's replays, page by page. After an error it ends.
func (s *WebhooksService) AllReplays(ctx context.Context, webhookID string, params ReplayListParams, options ...Option) iter.Seq2[Replay, error] {
	return items(ctx, func() (*Page[Replay], error) { return s.Replays(ctx, webhookID, params, options...) })
}

// ReplaysService reads, cancels and waits for single replays; it needs the scope webhooks:manage. [WebhooksService.Replay] starts one.
type ReplaysService struct{ client *Client }

// Get reads how far a replay is.
func (s *ReplaysService) Get(ctx context.Context, replayID string, options ...Option) (*SingleReplay, error) {
	return call[SingleReplay](ctx, s.client, requestSpec{
		method: http.MethodGet, retry: retryAlways, path: "/v1/replays/{id}", id: replayID, options: options,
	})
}

// Cancel ends a replay that runs: what it has not sent yet is cancelled. One that had ended before is an [*Error] with CodeConflict,
// unless it may have been this very call that cancelled it, in a try whose answer was lost.
func (s *ReplaysService) Cancel(ctx context.Context, replayID string, options ...Option) (*SingleReplay, error) {
	spec := requestSpec{method: http.MethodPost, retry: retryAlways, path: "/v1/replays/{id}/cancel", id: replayID, options: options}
	wasCancelled := false
	spec.treatAsDone = func(refusal *Error) bool {
		wasCancelled = refusal.Code == CodeConflict && refusal.Details["current_status"] == string(ReplayStatusCancelled)
		return wasCancelled
	}
	cancelled, err := call[SingleReplay](ctx, s.client, spec)
	if err == nil && wasCancelled {
		// The answer that was lost had the replay, the refusal has not.
		return s.Get(ctx, replayID, options...)
	}
	return cancelled, err
}

// Wait returns when a replay has ended, however it did: look at its Status. When ctx is done the waiting ends, and the replay goes on.
func (s *ReplaysService) Wait(ctx context.Context, replayID string, wait WaitOptions, options ...Option) (*SingleReplay, error) {
	if wait.Interval < 0 {
		return nil, fmt.Errorf("triggers: the interval %s is negative", wait.Interval)
	}
	if wait.Interval == 0 {
		wait.Interval = defaultWaitInterval
	}
	for {
		replay, err := s.Get(ctx, replayID, options...)
		if err != nil {
			return nil, err
		}
		if wait.OnProgress != nil {
			wait.OnProgress(replay.Replay)
		}
		if replay.Status != ReplayStatusRunning {
			return replay, nil
		}
		if err := s.client.core.wait(ctx, wait.Interval); err != nil {
			return nil, fmt.Errorf("triggers: waiting for the replay %s: %w", replayID, err)
		}
	}
}

// replayInput is a ReplayParams on the wire, where a count is a replay that is not run.
type replayInput struct {
	ReplayParams
	DryRun *bool `json:"dry_run,omitzero"`
}

type replayPage struct {
	Replays    []Replay   `json:"replays"`
	Pagination pagination `json:"pagination"`
	RequestID  string     `json:"request_id"`
}

func (p replayPage) page() *Page[Replay] { return newPage(p.Replays, p.Pagination, p.RequestID) }
