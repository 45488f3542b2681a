package triggers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	defaultPollInterval    = time.Second
	defaultRetryDelay      = time.Second
	defaultMaxRetryDelay   = 5 * time.Minute
	defaultShutdownTimeout = 30 * time.Second
	// How long polling waits at most after it failed.
	maxPollDelay = 30 * time.Second
	// How often the inbox is read from its start when nothing asks for it earlier.
	rereadInterval = time.Minute
	minPollLimit   = 10
	maxPollLimit   = 100
)

// How long handlers and acknowledgements may take once the handlers' context is done; tests shorten it.
var shutdownGrace = 5 * time.Second

// A Handler does what is to be done about an event. When it returns nil, the event is acknowledged; after an error it is tried again
// later. The context outlives the end of [InboxService.Consume]'s by ConsumeOptions.ShutdownTimeout.
type Handler func(ctx context.Context, event Event) error

// ConsumeOptions say which events [InboxService.Consume] takes, and how. The zero value takes all, one at a time.
type ConsumeOptions struct {
	// Concurrency is how many events are handled at once; 1 unless told. With 1, events come in the inbox's order, but for those that
	// are tried again.
	Concurrency int
	// PollInterval is the longest wait between two looks into an inbox that has nothing new; 1 s unless told. The first waits after
	// an event are shorter.
	PollInterval time.Duration

	// Filters, all of which must match: see [InboxListParams].

	Source        *string
	EventType     *string
	Priority      *Priority
	CreatedAfter  *time.Time
	CreatedBefore *time.Time
	Metadata      map[string]string

	// RetryDelay is about how long an event waits after its handler failed for the first time; 1 s unless told. It doubles with every
	// further failure, up to MaxRetryDelay: 5 minutes unless told.
	RetryDelay    time.Duration
	MaxRetryDelay time.Duration
	// ShutdownTimeout is how long running handlers may take once Consume is to end; 30 s unless told. Then their context is done.
	ShutdownTimeout time.Duration
	// OnError is told of handlers that failed, of events that could not be acknowledged, and, with a nil event, of polls that failed.
	// All of them are tried again. It is called from several goroutines at once. Without it they are logged as warnings: with the
	// client's logger (see [WithLogger]), or [slog.Default].
	OnError func(event *Event, err error)
}

func (o ConsumeOptions) withDefaults(logger *slog.Logger) (ConsumeOptions, error) {
	if o.Concurrency < 0 || o.PollInterval < 0 || o.RetryDelay < 0 || o.MaxRetryDelay < 0 || o.ShutdownTimeout < 0 {
		return o, errors.New("triggers: a negative number among the consume options")
	}
	o.Concurrency = max(1, o.Concurrency)
	for setting, value := range map[*time.Duration]time.Duration{
		&o.PollInterval: defaultPollInterval, &o.RetryDelay: defaultRetryDelay,
		&o.MaxRetryDelay: defaultMaxRetryDelay, &o.ShutdownTimeout: defaultShutdownTimeout,
	} {
		if *setting == 0 {
			*setting = value
		}
	}
	if o.OnError == nil {
		if logger == nil {
			logger = slog.Default()
		}
		o.OnError = func(event *Event, err error) {
			if event == nil {
				logger.Warn("triggers: polling failed", slog.Any("error", err))
				return
			}
			logger.Warn("triggers: event not consumed", slog.String("event_id", event.EventID), slog.Any("error", err))
		}
	}
	return o, nil
}

// Consume gives every event of the inbox to the handler, oldest first, and acknowledges it after the handler returned nil. It goes on
// with new events until ctx is done, and then returns nil: it takes no further events, lets the running handlers finish and
// acknowledges what they did.
//
// Every event is handled at least once: twice when an acknowledgement does not arrive before the program ends, or when another program
// reads the same events. One client never handles an event twice at once, not even with several Consume whose filters overlap. An
// event whose handler fails is tried again later, and holds up no other. A panic of the handler is not recovered.
//
// When the server cannot be reached, it goes on trying. It ends with an error when the server refuses the API key (401, 403) or the
// filters (400, 422), and when handlers still run ShutdownTimeout after their end.
func (s *InboxService) Consume(ctx context.Context, handle Handler, options ConsumeOptions) error {
	options, err := options.withDefaults(s.client.core.defaults.logger)
	if err != nil {
		return err
	}
	pollCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// Neither ends with ctx, but both keep its values.
	handlerCtx, endHandlers := context.WithCancel(context.WithoutCancel(ctx))
	defer endHandlers()
	ackCtx, endAcks := context.WithCancel(context.WithoutCancel(ctx))
	defer endAcks()

	c := &consumer{
		inbox: s, handle: handle, options: options, handlerCtx: handlerCtx, ackCtx: ackCtx, stop: stop,
		slots: make(chan struct{}, options.Concurrency), states: map[string]*eventState{},
	}
	c.poll(pollCtx)
	refused := context.Cause(pollCtx)
	if !isRefused(refused) {
		refused = nil
	}

	finished := make(chan struct{})
	go func() {
		c.workers.Wait()
		close(finished)
	}()
	if !closesWithin(finished, options.ShutdownTimeout) {
		endHandlers()
		if !closesWithin(finished, shutdownGrace) {
			err = fmt.Errorf("triggers: %d handlers still run %s after the end", len(c.slots), options.ShutdownTimeout)
		}
	}
	return errors.Join(refused, err)
}

func closesWithin(done <-chan struct{}, timeout time.Duration) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
