package triggers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// WebhookStage is where a delivery failed.
type WebhookStage string

// The stages.
const (
	// WebhookStageVerify: it was refused, and reached no function.
	WebhookStageVerify WebhookStage = "verify"
	// WebhookStageHandle: the function failed.
	WebhookStageHandle WebhookStage = "handle"
	// WebhookStageSeen: the [SeenMessages] failed.
	WebhookStageSeen WebhookStage = "seen"
)

// WebhookError is what a handler tells the function of [WithOnError]; [errors.Is] and [errors.As] look into what went wrong.
type WebhookError struct {
	Stage WebhookStage
	// Event is nil where the delivery was refused.
	Event *WebhookEvent
	Err   error
	// Stack is where the function panicked; nil unless it did.
	Stack []byte
}

// Error is one short line.
func (e *WebhookError) Error() string {
	switch {
	case e.Event == nil:
		return e.Err.Error()
	case e.Stage == WebhookStageSeen:
		return fmt.Sprintf("triggers: seen messages, for event %s: %s", e.Event.EventID, e.Err)
	default:
		return fmt.Sprintf("triggers: handle event %s: %s", e.Event.EventID, e.Err)
	}
}

// Unwrap gives what went wrong.
func (e *WebhookError) Unwrap() error { return e.Err }

// SeenMessages remembers which deliveries were handled: a table or a cache, which all processes of the receiver share. It is called
// from several goroutines.
type SeenMessages interface {
	// Has says whether the message was handled.
	Has(ctx context.Context, messageID string) (bool, error)
	// Add is called after a message was handled.
	Add(ctx context.Context, messageID string) error
}

// WithOnError tells a handler whom to tell why it refused a request, and what went wrong with an event: a [*WebhookError]. Unless told it
// logs to [slog.Default], but not what it refused, as anybody can send that.
func WithOnError(onError func(ctx context.Context, err error)) WebhookOption {
	return func(s *webhookSettings) { s.onError = onError }
}

// WithMaxBytes says how large a body a handler takes; 1,048,576 bytes unless told, which is twice what the largest event needs.
func WithMaxBytes(count int64) WebhookOption {
	return func(s *webhookSettings) { s.maxBytes = count }
}

// WithSeen lets a handler pass over what was handled before: it answers 204 at once. A message counts as handled after the function has
// returned nil, so one can still come twice when the process dies in between.
//
// The sender stops waiting after some 20 seconds, and sends again later. Where the first delivery is still being handled in this
// process then, the second one waits for it, and is answered the same. So that it comes to an end, the function's context outlives the
// request.
func WithSeen(seen SeenMessages) WebhookOption {
	return func(s *webhookSettings) { s.seen = seen }
}

// WebhookHandler verifies deliveries, and calls the function with each event; [NewWebhookHandler] has one function for each type of
// event. It answers:
//
//   - 204 when the function returns nil, or has handled the message before (see [WithSeen]);
//   - 500 when it returns an error or panics, without saying why;
//   - 401 when the signature is not right, or too old or too new, and 400 when the delivery is malformed, saying why;
//   - 405 and 413 to what is no delivery.
//
// The server sends again later what is not answered with 2xx. The function should be done within some seconds, and expect the same
// event more than once (see [WebhookEvent].MessageID).
//
// It panics when there is no secret, or an empty one: a receiver that can accept nothing should not start.
func WebhookHandler(secrets []string, handle func(ctx context.Context, event *WebhookEvent) error, opts ...WebhookOption) http.Handler {
	if err := checkWebhookSecrets(secrets); err != nil {
		panic(err.Error())
	}
	settings := newWebhookSettings(opts)
	if settings.maxBytes <= 0 {
		panic(fmt.Sprintf("triggers: a receiver of at most %d bytes can take nothing", settings.maxBytes))
	}
	return &webhookReceiver{
		secrets: slices.Clone(secrets), opts: slices.Clone(opts), settings: settings, handle: handle, running: map[string]*webhookRun{},
	}
}

type webhookReceiver struct {
	secrets  []string
	opts     []WebhookOption
	settings webhookSettings
	handle   func(ctx context.Context, event *WebhookEvent) error

	// The messages that are being handled, by their ids.
	mutex   sync.Mutex
	running map[string]*webhookRun
}

// webhookRun is a message that is being handled. Its outcome is there when done is closed.
type webhookRun struct {
	done chan struct{}
	err  error
}

// errNoEnd is the outcome of a function that did not return, as after runtime.Goexit.
var errNoEnd = errors.New("the handler did not return")

func (r *webhookReceiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "webhooks are sent with POST", http.StatusMethodNotAllowed)
		return
	}
	ctx := request.Context()
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, r.settings.maxBytes))
	if err != nil {
		r.refuse(ctx, w, fmt.Errorf("triggers: read the webhook's body: %w", err))
		return
	}
	event, err := VerifyWebhook(body, request.Header, r.secrets, r.opts...)
	if err == nil && event.EventType == "" {
		err = fmt.Errorf("%w: the event has no event_type", ErrMalformedBody)
	}
	if err != nil {
		r.refuse(ctx, w, err)
		return
	}
	if err := r.handleOnce(ctx, event); err != nil {
		r.report(ctx, err)
		// Why is nobody's business but the receiver's own.
		http.Error(w, "the receiver failed", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers what reaches no function. None of the answers is 410, which would switch the webhook off.
func (r *webhookReceiver) refuse(ctx context.Context, w http.ResponseWriter, err error) {
	r.report(ctx, &WebhookError{Stage: WebhookStageVerify, Err: err})
	status, text := http.StatusBadRequest, err.Error()
	tooLarge := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &tooLarge):
		status, text = http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)
	case errors.Is(err, ErrNoMatchingSignature) || errors.Is(err, ErrMessageTooOld) || errors.Is(err, ErrMessageTooNew):
		status = http.StatusUnauthorized
	}
	http.Error(w, text, status)
}

// handleOnce calls the function, unless the message was handled before or is being handled.
func (r *webhookReceiver) handleOnce(ctx context.Context, event *WebhookEvent) error {
	id := event.MessageID
	if id == "" && event.EventID != "" {
		// The plain signature comes without an id.
		id = "msg_" + strings.ReplaceAll(event.EventID, "-", "")
	}
	if r.settings.seen == nil || id == "" {
		return guarded(WebhookStageHandle, event, func() error { return r.handle(ctx, event) })
	}
	r.mutex.Lock()
	run, isRunning := r.running[id]
	if !isRunning {
		run = &webhookRun{done: make(chan struct{}), err: &WebhookError{Stage: WebhookStageHandle, Event: event, Err: errNoEnd}}
		r.running[id] = run
	}
	r.mutex.Unlock()
	if isRunning {
		select {
		case <-run.done:
			return run.err
		case <-ctx.Done():
			return &WebhookError{Stage: WebhookStageHandle, Event: event, Err: fmt.Errorf("waiting for the same message: %w", ctx.Err())}
		}
	}
	defer func() {
		r.mutex.Lock()
		delete(r.running, id)
		r.mutex.Unlock()
		close(run.done)
	}()
	run.err = r.handleUnseen(context.WithoutCancel(ctx), id, event)
	return run.err
}

func (r *webhookReceiver) handleUnseen(ctx context.Context, id string, event *WebhookEvent) error {
	var isSeen bool
	err := guarded(WebhookStageSeen, event, func() (err error) {
		isSeen, err = r.settings.seen.Has(ctx, id)
		return err
	})
	if err != nil || isSeen {
		return err
	}
	if err := guarded(WebhookStageHandle, event, func() error { return r.handle(ctx, event) }); err != nil {
		return err
	}
	if err := guarded(WebhookStageSeen, event, func() error { return r.settings.seen.Add(ctx, id) }); err != nil {
		// It is handled all the same: to have it sent again would do more harm than good.
		r.report(ctx, err)
	}
	return nil
}

// guarded says of an error, or a panic, where it was.
func guarded(stage WebhookStage, event *WebhookEvent, run func() error) (err error) {
	defer func() {
		switch value := recover().(type) {
		case nil:
		case error:
			err = &WebhookError{Stage: stage, Event: event, Err: fmt.Errorf("panic: %w", value), Stack: debug.Stack()}
		default:
			err = &WebhookError{Stage: stage, Event: event, Err: fmt.Errorf("panic: %v", value), Stack: debug.Stack()}
		}
	}()
	if err := run(); err != nil {
		return &WebhookError{Stage: stage, Event: event, Err: err}
	}
	return nil
}

// report changes nothing about the answer, not even when the function that is told panics.
func (r *webhookReceiver) report(ctx context.Context, err error) {
	defer func() {
		if value := recover(); value != nil {
			slog.ErrorContext(ctx, "triggers: the function of WithOnError panicked", slog.Any("panic", value))
		}
	}()
	if r.settings.onError != nil {
		r.settings.onError(ctx, err)
	}
}

func logWebhookError(ctx context.Context, err error) {
	var failure *WebhookError
	if !errors.As(err, &failure) || failure.Stage == WebhookStageVerify {
		return
	}
	attributes := []any{slog.String("event_id", failure.Event.EventID), slog.Any("error", failure.Err)}
	if failure.Stack != nil {
		attributes = append(attributes, slog.String("stack", string(failure.Stack)))
	}
	slog.ErrorContext(ctx, "triggers: event not handled", attributes...)
}
