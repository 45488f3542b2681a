package triggers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// WebhookMux receives deliveries, and gives each event to the function of its type. [NewWebhookHandler] makes one.
type WebhookMux struct {
	receiver http.Handler

	mutex     sync.RWMutex
	functions map[string]func(context.Context, *WebhookEvent) error
	unhandled func(context.Context, *WebhookEvent) error
}

// NewWebhookHandler makes an http.Handler that verifies deliveries, in either payload format, and calls the function that
// [WebhookMux.On] or [OnType] has set for the event's type. Its answers are those of [WebhookHandler], and so are its options.
//
//	handler := triggers.NewWebhookHandler([]string{os.Getenv("WEBHOOK_SECRET")})
//	triggers.OnType(handler, "order.placed", func(ctx context.Context, event *triggers.WebhookEvent, order Order) error { … })
//	http.Handle("/webhooks", handler)
//
// It panics when there is no secret, or an empty one: a receiver that can accept nothing should not start.
func NewWebhookHandler(secrets []string, opts ...WebhookOption) *WebhookMux {
	mux := &WebhookMux{functions: map[string]func(context.Context, *WebhookEvent) error{}}
	mux.receiver = WebhookHandler(secrets, mux.dispatch, opts...)
	return mux
}

// On sets the function for a type of event, such as order.placed, or a pattern: order.* is all types that begin with "order.", and * all
// but triggers.*, the events about webhooks, which a webhook gets only when it asks for them.
//
// One function is called for an event: that of its very type, else of the longest pattern that matches, else of *, else that of
// [WebhookMux.OnUnhandled]. It panics when the pattern is none, or has a function already.
func (m *WebhookMux) On(pattern string, handle func(ctx context.Context, event *WebhookEvent) error) {
	name := strings.TrimSuffix(pattern, ".*")
	if pattern != "*" && (name == "" || strings.Contains(name, "*")) {
		panic(fmt.Sprintf("triggers: %q is neither a type of event nor a pattern such as user.*", pattern))
	}
	if handle == nil {
		panic(fmt.Sprintf("triggers: the function for %q is nil", pattern))
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.functions[pattern] != nil {
		panic(fmt.Sprintf("triggers: %q has a function already", pattern))
	}
	m.functions[pattern] = handle
}

// OnType is [WebhookMux.On] with the event's payload decoded. Where that fails, so does the event: it comes again, in case the
// receiver is mended.
//
// The payloads of our own events are [WebhookDisabled], [WebhookRecovered] and [DeliveryDead].
func OnType[T any](m *WebhookMux, pattern string, handle func(ctx context.Context, event *WebhookEvent, payload T) error) {
	if handle == nil {
		panic(fmt.Sprintf("triggers: the function for %q is nil", pattern))
	}
	m.On(pattern, func(ctx context.Context, event *WebhookEvent) error {
		var payload T
		if err := json.Unmarshal(event.Payload, &payload); err != nil {
			return fmt.Errorf("the payload of %s is no %T: %w", event.EventType, payload, err)
		}
		return handle(ctx, event, payload)
	})
}

// OnUnhandled sets the function for events that no other one is for. Without it they are answered with 204, and nothing is done.
func (m *WebhookMux) OnUnhandled(handle func(ctx context.Context, event *WebhookEvent) error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.unhandled = handle
}

// ServeHTTP receives one delivery.
func (m *WebhookMux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.receiver.ServeHTTP(w, r) }

func (m *WebhookMux) dispatch(ctx context.Context, event *WebhookEvent) error {
	handle := m.functionFor(event.EventType)
	if handle == nil {
		return nil
	}
	return handle(ctx, event)
}

func (m *WebhookMux) functionFor(eventType string) func(context.Context, *WebhookEvent) error {
	m.mutex.RLock()
	defer m.mutex.RUnlock()
	if handle := m.functions[eventType]; handle != nil {
		return handle
	}
	for dot := strings.LastIndexByte(eventType, '.'); dot > 0; dot = strings.LastIndexByte(eventType[:dot], '.') {
		if handle := m.functions[eventType[:dot]+".*"]; handle != nil {
			return handle
		}
	}
	if handle := m.functions["*"]; handle != nil && !strings.HasPrefix(eventType, ownEventPrefix) {
		return handle
	}
	return m.unhandled
}
