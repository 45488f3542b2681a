package triggers

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"reflect"
	"slices"
	"testing"
	"time"
)

// ownEvent is how a receiver takes one of the server's own events.
type ownEvent struct {
	operation string
	eventType string
	payload   reflect.Type
	// on sets a function that decodes the payload, and says whether it got one.
	on func(mux *WebhookMux, got *any)
}

func ownEventOf[T any](operation, eventType string) ownEvent {
	return ownEvent{operation, eventType, reflect.TypeFor[T](), func(mux *WebhookMux, got *any) {
		OnType(mux, eventType, func(_ context.Context, _ *WebhookEvent, payload T) error {
			*got = payload
			return nil
		})
	}}
}

// ownEvents are the server's own events, by the document's schemas.
var ownEvents = map[string]ownEvent{
	"WebhookDisabledEvent":  ownEventOf[WebhookDisabled]("webhookDisabled", TypeWebhookDisabled),
	"WebhookRecoveredEvent": ownEventOf[WebhookRecovered]("webhookRecovered", TypeWebhookRecovered),
	"DeliveryDeadEvent":     ownEventOf[DeliveryDead]("deliveryDead", TypeDeliveryDead),
}

func TestOwnEventsHaveTheirTypes(t *testing.T) {
	doc := readDocument(t)
	for name, own := range ownEvents {
		described, known := doc.Components.Schemas[name]
		if !known || len(described.AnyOf) != 2 {
			t.Errorf("%s is not in the document as either format of a body", name)
			continue
		}
		for format, event := range map[string]schema{"event": described.AnyOf[0], "standard": described.AnyOf[1].Properties["data"]} {
			// The event, and what is particular about this one.
			if len(event.AllOf) != 2 || event.AllOf[0].name() != "Event" {
				t.Fatalf("%s: the format %s is no event", name, format)
			}
			particular := event.AllOf[1].Properties
			if types := particular["event_type"].Enum; !slices.Equal(types, []string{own.eventType}) {
				t.Errorf("%s is of type %v, and the constant is %s", name, types, own.eventType)
			}
			walker{t, doc}.object(name+".payload", particular["payload"], own.payload)
		}
	}
	for name := range doc.Components.Schemas {
		_, isOwn := ownEvents[name]
		_, isOther := schemaTypes[name]
		if isOwn == isOther {
			t.Errorf("%s: either a payload's type stands for it, or a type of its own", name)
		}
	}
}

// Each request that the document says the server sends, as its examples have it, in either format, reaches the function for its type.
func TestTheDocumentsWebhooksAreReceived(t *testing.T) {
	doc := readDocument(t)
	operations := map[string]ownEvent{"eventDelivery": {}}
	for _, own := range ownEvents {
		operations[own.operation] = own
	}
	for name, methods := range doc.Webhooks {
		operation := methods["post"]
		own, known := operations[operation.ID]
		if !known {
			t.Errorf("%s: no handler knows it", name)
			continue
		}
		delete(operations, operation.ID)
		var headers []string
		for _, parameter := range operation.Parameters {
			headers = append(headers, textproto.CanonicalMIMEHeaderKey(parameter.Name))
		}
		for _, header := range []string{headerWebhookID, headerWebhookTimestamp, headerWebhookSignature, headerPlainSignature} {
			if !slices.Contains(headers, header) {
				t.Errorf("%s comes without %s", name, header)
			}
		}
		examples := operation.RequestBody.Content["application/json"].Examples
		if len(examples) == 0 {
			t.Errorf("%s has no examples", name)
		}
		for format, example := range examples {
			t.Run(name+" as "+format, func(t *testing.T) {
				var payload any
				var unhandled *WebhookEvent
				mux := NewWebhookHandler([]string{webhookSecret})
				mux.OnUnhandled(func(_ context.Context, event *WebhookEvent) error {
					unhandled = event
					return nil
				})
				if own.on != nil {
					own.on(mux, &payload)
				}
				recorder := httptest.NewRecorder()
				mux.ServeHTTP(recorder, signedRequest(example.Value, "msg_1", time.Now()))
				switch {
				case recorder.Code != http.StatusNoContent:
					t.Errorf("answered %d: %s", recorder.Code, recorder.Body)
				case own.on == nil && (unhandled == nil || unhandled.EventID == "" || len(unhandled.Payload) == 0):
					t.Errorf("got %+v", unhandled)
				case own.on != nil && (reflect.TypeOf(payload) != own.payload || hasEmptyID(t, payload)):
					t.Errorf("got %#v", payload)
				}
			})
		}
	}
	for id := range operations {
		t.Errorf("%s is not in the document any more", id)
	}
}

// hasEmptyID says whether a payload was decoded to nothing: each has the id of a webhook.
func hasEmptyID(t *testing.T, payload any) bool {
	t.Helper()
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	var ids struct {
		WebhookID string `json:"webhook_id"`
	}
	return json.Unmarshal(text, &ids) != nil || ids.WebhookID == ""
}

// signedRequest is a delivery as the server sends it.
func signedRequest(body []byte, messageID string, signedAt time.Time) *http.Request {
	request := httptest.NewRequest(http.MethodPost, "/hooks", bytes.NewReader(body))
	request.Header = SignWebhook(body, messageID, signedAt, webhookSecret)
	return request
}
