package triggers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// consumer is one Consume under way: one goroutine polls, and one for each event under way handles.
type consumer struct {
	inbox      *InboxService
	handle     Handler
	options    ConsumeOptions
	handlerCtx context.Context
	ackCtx     context.Context
	// stop ends polling for good, with the error that Consume returns.
	stop    context.CancelCauseFunc
	slots   chan struct{}
	workers sync.WaitGroup

	mu sync.Mutex
	// What is known of the events that can come again in a page, by id.
	states map[string]*eventState
}

type eventState struct {
	phase    phase
	failures int
	retryAt  time.Time
	// pass is the last one that met the event.
	pass int
}

type phase int

const (
	// The handler or the ack is under way.
	phaseRunning phase = iota
	// The handler is to be called again, at retryAt.
	phaseFailed
	// The handler is done; the ack alone is to be tried again, at retryAt.
	phaseHandled
	// Nothing is to be done any more, but the page that is being gone through can be older than that.
	phaseOver
)

// claims are the events under way, whichever Consume of a client it is: their filters can overlap.
var claims sync.Map

type claimedEvent struct {
	core *core
	id   string
}

// place is where in the inbox the next page is read.
type place struct {
	// since leaves out what lies before the newest event that was seen; nil begins with the oldest.
	since  *time.Time
	cursor *string
}

// poll reads the inbox, page by page, until the context is done.
//
// It follows cursors to the end, and goes on looking there for what is new. What has failed lies behind it by then: to try that
// again it begins anew, and skips what still has to wait. Every page in which it found nothing to do delays the next beginning by a
// poll interval. So an inbox full of failing events costs hardly more requests than an empty one, and does not hold up new ones.
func (c *consumer) poll(ctx context.Context) {
	var next place
	var newest *time.Time
	var restart time.Time
	pass, idle, errorsInARow := 0, 0, 0
	for ctx.Err() == nil {
		if now := time.Now(); c.mustRestart(now, restart) {
			pass++
			next, restart = place{}, now.Add(c.options.PollInterval)
		}
		page, err := c.read(ctx, next)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if isRefused(err) && next.cursor == nil {
				c.stop(err)
				return
			}
			c.options.OnError(nil, err)
			errorsInARow++
			if isRefused(err) {
				// Perhaps the cursor: the server can have got other keys meanwhile.
				next.cursor = nil
			}
			_ = c.inbox.client.core.wait(ctx, backOff(defaultPollInterval, maxPollDelay, errorsInARow))
			continue
		}
		errorsInARow = 0
		taken := 0
		for _, event := range page.Data {
			newest = Ptr(event.CreatedAt)
			if c.take(ctx, event, pass) {
				taken++
			}
		}
		if taken > 0 {
			idle = 0
		} else {
			restart = restart.Add(c.options.PollInterval)
		}
		if page.HasMore() {
			next.cursor = page.NextCursor
			continue
		}
		if next.since == nil && ctx.Err() == nil {
			c.forgetUnseen(pass)
		}
		next = place{since: newest}
		_ = wait(ctx, c.idleDelay(idle, restart))
		idle++
	}
}

func (c *consumer) mustRestart(now, restart time.Time) bool {
	if now.Before(restart) {
		return false
	}
	if now.Sub(restart) > rereadInterval { // at first, too
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, state := range c.states {
		if state.waits() && !state.retryAt.After(now) {
			return true
		}
	}
	return false
}

func (s *eventState) waits() bool { return s.phase == phaseFailed || s.phase == phaseHandled }

func (c *consumer) read(ctx context.Context, from place) (*Page[Event], error) {
	// Before the page is asked for: what is over by now is not in it.
	waiting := c.forgetOver()
	return c.inbox.List(ctx, InboxListParams{
		// Few, as a page gets old while it is gone through, and what is to be skipped on top.
		Limit:         Ptr(min(max(minPollLimit, 2*c.options.Concurrency)+waiting, maxPollLimit)),
		Cursor:        from.cursor,
		Source:        c.options.Source,
		EventType:     c.options.EventType,
		Priority:      c.options.Priority,
		CreatedAfter:  cmp.Or(from.since, c.options.CreatedAfter),
		CreatedBefore: c.options.CreatedBefore,
		Metadata:      c.options.Metadata,
	})
}

// take starts the work on an event when there is any, as soon as a slot is free, and says whether it did.
func (c *consumer) take(ctx context.Context, event Event, pass int) bool {
	if !c.isDue(event, pass) {
		return false
	}
	if !acquire(ctx, c.slots) {
		return false
	}
	claim := claimedEvent{c.inbox.client.core, event.EventID}
	if _, claimed := claims.LoadOrStore(claim, true); claimed {
		<-c.slots
		return false
	}
	c.mu.Lock()
	state := c.states[event.EventID]
	if state == nil {
		state = &eventState{pass: pass}
		c.states[event.EventID] = state
	}
	mustHandle := state.phase != phaseHandled
	state.phase = phaseRunning
	c.mu.Unlock()
	c.workers.Go(func() {
		defer func() {
			claims.Delete(claim)
			<-c.slots
		}()
		c.work(event, state, mustHandle)
	})
	return true
}

func (c *consumer) isDue(event Event, pass int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.states[event.EventID]
	if state == nil {
		return true
	}
	state.pass = pass
	return state.waits() && !state.retryAt.After(time.Now())
}

// work handles and acknowledges an event.
func (c *consumer) work(event Event, state *eventState, mustHandle bool) {
	result := phaseFailed
	// Also when the handler ends its goroutine, as a test's FailNow does.
	defer func() { c.finish(state, result) }()
	if mustHandle {
		if err := c.handle(c.handlerCtx, event); err != nil {
			c.options.OnError(&event, err)
			return
		}
	}
	result = phaseHandled
	_, err := c.inbox.Ack(c.ackCtx, event.EventID)
	var refusal *Error
	switch {
	case err == nil:
		result = phaseOver
	case errors.As(err, &refusal) && (refusal.StatusCode == http.StatusConflict || refusal.StatusCode == http.StatusNotFound):
		// Somebody else acknowledged or deleted it, or it expired, meanwhile.
		result = phaseOver
	default:
		c.options.OnError(&event, fmt.Errorf("the event was handled, but not acknowledged: %w", err))
		if isRefused(err) {
			c.stop(err)
		}
	}
}

func (c *consumer) finish(state *eventState, result phase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state.phase = result; state.waits() {
		state.failures++
		state.retryAt = time.Now().Add(backOff(c.options.RetryDelay, c.options.MaxRetryDelay, state.failures))
	}
}

// forgetOver says how many events are left that a page can have to be skipped in it.
func (c *consumer) forgetOver() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.states, func(_ string, state *eventState) bool { return state.phase == phaseOver })
	return len(c.states)
}

// forgetUnseen forgets what the whole inbox does not have any more: others have acknowledged or deleted it, or it expired.
func (c *consumer) forgetUnseen(pass int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.states, func(_ string, state *eventState) bool { return state.waits() && state.pass != pass })
}

// idleDelay is how long to wait at the inbox's end: an eighth of the poll interval, twice that after each look that found nothing
// to do, up to the whole; but not past what is to be tried again.
func (c *consumer) idleDelay(idle int, restart time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	delay := c.options.PollInterval >> max(0, 3-idle)
	for _, state := range c.states {
		if state.waits() {
			delay = min(delay, max(state.retryAt.Sub(now), restart.Sub(now)))
		}
	}
	return max(0, delay)
}

// isRefused says whether the same call would be refused for ever: for its key or its filters.
func isRefused(err error) bool {
	var refusal *Error
	if !errors.As(err, &refusal) {
		return false
	}
	switch refusal.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity:
		return true
	default:
		return false
	}
}

// backOff doubles with every failure, up to a limit, and takes off up to a half, so that what failed together does not come back
// together.
func backOff(first, limit time.Duration, failures int) time.Duration {
	delay := first
	for range failures - 1 {
		if delay >= limit {
			break
		}
		delay *= 2
	}
	delay = min(delay, limit)
	return delay - time.Duration(rand.Int64N(int64(delay)/2+1))
}
