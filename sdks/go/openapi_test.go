package triggers

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// document is as much of openapi.json as the client can be held against.
type document struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Webhooks   map[string]map[string]operation `json:"webhooks"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string             `json:"operationId"`
	Parameters  []parameter        `json:"parameters"`
	RequestBody *content           `json:"requestBody"`
	Responses   map[string]content `json:"responses"`
}

type parameter struct {
	Name string `json:"name"`
	In   string `json:"in"`
}

type content struct {
	Content map[string]struct {
		Schema   schema `json:"schema"`
		Examples map[string]struct {
			Value json.RawMessage `json:"value"`
		} `json:"examples"`
		Example json.RawMessage `json:"example"`
	} `json:"content"`
}

type schema struct {
	Ref                  string            `json:"$ref"`
	Type                 any               `json:"type"`
	Format               string            `json:"format"`
	Enum                 []string          `json:"enum"`
	Properties           map[string]schema `json:"properties"`
	Required             []string          `json:"required"`
	AdditionalProperties any               `json:"additionalProperties"`
	Items                *schema           `json:"items"`
	AllOf                []schema          `json:"allOf"`
	AnyOf                []schema          `json:"anyOf"`
	OneOf                []schema          `json:"oneOf"`
	ReadOnly             bool              `json:"readOnly"`
}

func (s schema) name() string { return s.Ref[strings.LastIndex(s.Ref, "/")+1:] }

// types says which type alternatives the schema has, null among them.
func (s schema) types() []string {
	switch kind := s.Type.(type) {
	case string:
		return []string{kind}
	case []any:
		var kinds []string
		for _, one := range kind {
			kinds = append(kinds, one.(string))
		}
		return kinds
	}
	return nil
}

// withoutNull is the schema without its null, and whether it had one.
func (s schema) withoutNull() (schema, bool) {
	if len(s.AnyOf) == 2 {
		for i, one := range s.AnyOf {
			if slices.Equal(one.types(), []string{"null"}) {
				return s.AnyOf[1-i], true
			}
		}
	}
	kinds := s.types()
	if rest := slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return kind == "null" }); len(rest) == 1 && len(kinds) == 2 {
		s.Type = rest[0]
		// The null among the values.
		s.Enum = slices.DeleteFunc(slices.Clone(s.Enum), func(value string) bool { return value == "" })
		return s, true
	}
	return s, false
}

func readDocument(t *testing.T) document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "apps", "api", "openapi.json"))
	if os.IsNotExist(err) {
		t.Skip("SKIPPED: the API's document is in the repository, and this is outside of it")
	}
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// schemaTypes are the types that stand for the document's named schemas.
var schemaTypes = map[string]reflect.Type{
	"ApiKey":               reflect.TypeFor[APIKey](),
	"ApiKeyChanges":        reflect.TypeFor[APIKeyChanges](),
	"ApiKeyCreated":        reflect.TypeFor[APIKeyCreated](),
	"ApiKeyInput":          reflect.TypeFor[APIKeyParams](),
	"ApiKeyPage":           reflect.TypeFor[apiKeyPage](),
	"ApiKeyRotated":        reflect.TypeFor[APIKeyRotated](),
	"ApiKeyVersion":        reflect.TypeFor[APIKeyVersion](),
	"ApiKeyVersions":       reflect.TypeFor[APIKeyVersions](),
	"AuditEntry":           reflect.TypeFor[AuditEntry](),
	"AuditLogPage":         reflect.TypeFor[auditLogPage](),
	"Error":                reflect.TypeFor[Error](),
	"ErrorAnswer":          reflect.TypeFor[errorAnswer](),
	"Event":                reflect.TypeFor[Event](),
	"EventAcknowledged":    reflect.TypeFor[EventAcknowledged](),
	"EventCreated":         reflect.TypeFor[EventCreated](),
	"EventDeleted":         reflect.TypeFor[EventDeleted](),
	"EventIds":             reflect.TypeFor[eventIDs](),
	"EventInput":           reflect.TypeFor[EventParams](),
	"EventPage":            reflect.TypeFor[eventPage](),
	"EventsAcknowledged":   reflect.TypeFor[bulkAnswer[bulkAcknowledged]](),
	"EventsCreated":        reflect.TypeFor[bulkAnswer[bulkCreated]](),
	"EventsDeleted":        reflect.TypeFor[bulkAnswer[bulkDeleted]](),
	"EventsInput":          reflect.TypeFor[eventsInput](),
	"Health":               reflect.TypeFor[Health](),
	"Metadata":             reflect.TypeFor[Metadata](),
	"MetadataInput":        reflect.TypeFor[MetadataParams](),
	"SigningSecretCreated": reflect.TypeFor[SigningSecretCreated](),
	"SingleApiKey":         reflect.TypeFor[SingleAPIKey](),
	"SingleEvent":          reflect.TypeFor[SingleEvent](),
	"Delivery":             reflect.TypeFor[Delivery](),
	"DeliveryAttempt":      reflect.TypeFor[DeliveryAttempt](),
	"DeliveryPage":         reflect.TypeFor[deliveryPage](),
	"DeliveryRetried":      reflect.TypeFor[DeliveryRetried](),
	"EventTrace":           reflect.TypeFor[EventTrace](),
	"PayloadCondition":     reflect.TypeFor[PayloadCondition](),
	"Replay":               reflect.TypeFor[Replay](),
	"ReplayCounted":        reflect.TypeFor[ReplayCounted](),
	"ReplayInput":          reflect.TypeFor[replayInput](),
	"ReplayPage":           reflect.TypeFor[replayPage](),
	"SingleDelivery":       reflect.TypeFor[SingleDelivery](),
	"SingleReplay":         reflect.TypeFor[SingleReplay](),
	"SingleWebhook":        reflect.TypeFor[SingleWebhook](),
	"StandardEvent":        reflect.TypeFor[standardEvent](),
	"TracedWebhook":        reflect.TypeFor[TracedWebhook](),
	"Webhook":              reflect.TypeFor[Webhook](),
	"WebhookChanges":       reflect.TypeFor[WebhookChanges](),
	"WebhookCreated":       reflect.TypeFor[WebhookCreated](),
	"WebhookFilter":        reflect.TypeFor[WebhookFilter](),
	"WebhookInput":         reflect.TypeFor[WebhookParams](),
	"WebhookPage":          reflect.TypeFor[webhookPage](),
	"WebhookSecretInput":   reflect.TypeFor[RotateWebhookSecretParams](),
	"WebhookSecretRotated": reflect.TypeFor[WebhookSecretRotated](),
	"WebhookTested":        reflect.TypeFor[WebhookTested](),
	"Whoami":               reflect.TypeFor[Whoami](),
}

// extraFields are the struct fields that the document knows in another place: the request id of an error stands in ErrorAnswer.
var extraFields = map[string][]string{"Error": {"request_id"}}

// enums are the values that a text can have, by its type.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[Status]():        {string(StatusPending), string(StatusAcknowledged)},
	reflect.TypeFor[Priority]():      {string(PriorityLow), string(PriorityNormal), string(PriorityHigh)},
	reflect.TypeFor[VersionStatus](): {string(VersionActive), string(VersionRotating), string(VersionExpired)},
	reflect.TypeFor[RetryProfile]():  {string(RetryStandard), string(RetryShort)},
	reflect.TypeFor[PayloadFormat](): {string(PayloadFormatEvent), string(PayloadFormatStandard)},
	reflect.TypeFor[PayloadOp](): {
		string(PayloadEquals), string(PayloadIn), string(PayloadExists), string(PayloadPrefix), string(PayloadInRange),
	},
	reflect.TypeFor[DisabledReason]():    {string(DisabledManual), string(DisabledFailing), string(DisabledGone)},
	reflect.TypeFor[WebhookTestStatus](): {string(WebhookTestSuccess), string(WebhookTestFailed)},
	reflect.TypeFor[DeliveryStatus](): {
		string(DeliveryStatusPending), string(DeliveryStatusDelivered), string(DeliveryStatusDead), string(DeliveryStatusHeld),
		string(DeliveryStatusCancelled),
	},
	reflect.TypeFor[AttemptError](): {
		string(AttemptURLRefused), string(AttemptDNSFailed), string(AttemptAddressRefused), string(AttemptConnectTimeout),
		string(AttemptConnectionRefused), string(AttemptConnectionReset), string(AttemptConnectionFailed), string(AttemptTLSFailed),
		string(AttemptProxyFailed), string(AttemptTimeout), string(AttemptInvalidAnswer),
	},
	reflect.TypeFor[TraceReason](): {
		string(TraceMatched), string(TraceEventType), string(TraceFilter), string(TraceInactive), string(TraceCreatedLater),
	},
	reflect.TypeFor[ReplayStatus](): {
		string(ReplayStatusRunning), string(ReplayStatusCompleted), string(ReplayStatusCancelled), string(ReplayStatusFailed),
	},
	reflect.TypeFor[ReplaySelection](): {
		string(ReplayDelivered), string(ReplayDead), string(ReplayHeld), string(ReplayCancelled), string(ReplayNone), string(ReplayUndelivered),
	},
	reflect.TypeFor[Scope](): {
		string(ScopeEventsWrite), string(ScopeEventsRead), string(ScopeInboxConsume),
		string(ScopeWebhooksManage), string(ScopeAnalyticsRead), string(ScopeKeysManage),
	},
}

var errorCodes = []string{
	CodeValidation, CodeUnauthorized, CodeForbidden, CodeNotFound, CodeMethodNotAllowed, CodeRequestTimeout, CodeConflict,
	CodePayloadTooLarge, CodeIdempotencyKeyReused, CodeRateLimitExceeded, CodeInternal, CodeServiceUnavailable,
}

func TestEverySchemaHasItsType(t *testing.T) {
	doc := readDocument(t)
	walk := walker{t, doc}
	for name, schema := range doc.Components.Schemas {
		if _, isOwn := ownEvents[name]; isOwn {
			continue // see TestOwnEventsHaveTheirTypes
		}
		typ, known := schemaTypes[name]
		if !known {
			t.Errorf("%s: no type stands for it", name)
			continue
		}
		walk.object(name, schema, typ)
	}
	for name := range schemaTypes {
		if _, known := doc.Components.Schemas[name]; !known {
			t.Errorf("%s is not in the document any more", name)
		}
	}
}

type walker struct {
	t   *testing.T
	doc document
}

// object compares a schema's properties with a struct's fields.
func (w walker) object(path string, s schema, typ reflect.Type) {
	fields := jsonFields(typ)
	properties := map[string]schema{}
	required := slices.Clone(s.Required)
	for _, part := range append([]schema{s}, s.AllOf...) {
		if part.Ref != "" {
			part = w.doc.Components.Schemas[part.name()]
		}
		for name, property := range part.Properties {
			properties[name] = property
		}
		required = append(required, part.Required...)
	}
	for i, variant := range s.OneOf {
		// What one of the variants can do without may be missing.
		if i == 0 {
			required = slices.Clone(variant.Required)
		}
		required = slices.DeleteFunc(required, func(name string) bool { return !slices.Contains(variant.Required, name) })
		for name, property := range variant.Properties {
			property.Enum = append(property.Enum, properties[name].Enum...)
			properties[name] = property
		}
	}
	for name, property := range properties {
		if property.ReadOnly {
			// What a request may carry and the server ignores.
			continue
		}
		field, known := fields[name]
		if !known {
			w.t.Errorf("%s.%s: %s has no field for it", path, name, typ)
			continue
		}
		_, nullable := property.withoutNull()
		if (nullable || !slices.Contains(required, name)) && !canBeMissing(field) {
			w.t.Errorf("%s.%s may be missing or null, and %s.%s cannot say so", path, name, typ, field.Name)
		}
		if tag := field.Tag.Get("json"); !slices.Contains(required, name) && !strings.HasSuffix(tag, ",omitzero") && strings.Contains(path, "Input") {
			w.t.Errorf("%s.%s is optional, and %s.%s is always sent", path, name, typ, field.Name)
		}
		w.value(path+"."+name, property, field.Type)
	}
	for name, field := range fields {
		if _, known := properties[name]; !known && !slices.Contains(extraFields[path], name) {
			w.t.Errorf("%s.%s has the tag %s, which the document does not know", typ, field.Name, name)
		}
	}
	if _, closed := s.AdditionalProperties.(bool); s.AdditionalProperties != nil && !closed {
		if _, open := typ.FieldByName("Extra"); !open {
			w.t.Errorf("%s has further properties, and %s has no place for them", path, typ)
		}
	}
}

// value compares a schema with the type of a field.
func (w walker) value(path string, s schema, typ reflect.Type) {
	if s, nullable := s.withoutNull(); nullable {
		w.value(path, s, typ)
		return
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if value, ok := reflect.New(typ).Interface().(interface{ held() reflect.Type }); ok {
		typ = value.held()
	}
	if typ == reflect.TypeFor[json.RawMessage]() || typ == reflect.TypeFor[any]() {
		return
	}
	if s.Ref != "" {
		if want := schemaTypes[s.name()]; typ != want {
			w.t.Errorf("%s is %s, want %s", path, typ, want)
		}
		return
	}
	kinds := map[string]reflect.Kind{
		"string": reflect.String, "integer": reflect.Int, "boolean": reflect.Bool, "array": reflect.Slice, "object": reflect.Struct,
		"number": reflect.Float64,
	}
	kind := ""
	if types := s.types(); len(types) > 0 {
		kind = types[0]
	}
	if len(s.AllOf) > 0 {
		kind = "object"
	}
	switch {
	case kind == "string" && typ == reflect.TypeFor[time.Time]():
	case kind == "object" && typ.Kind() == reflect.Map:
		if of, ok := s.AdditionalProperties.(map[string]any); ok && typ.Elem().Kind() == reflect.Struct {
			w.value(path+".*", asSchema(w.t, of), typ.Elem())
		}
		return
	case typ.Kind() != kinds[kind]:
		w.t.Errorf("%s is %s, want a %s", path, typ, kind)
		return
	}
	switch kind {
	case "object":
		w.object(path, s, typ)
	case "array":
		w.value(path+"[]", *s.Items, typ.Elem())
	case "string":
		if s.Format == "date-time" && typ != reflect.TypeFor[time.Time]() {
			w.t.Errorf("%s is %s, want a time", path, typ)
		}
		known := enums[typ]
		if strings.HasSuffix(path, "rror.code") {
			known = errorCodes
		}
		if !isFixedWord(path) && len(s.Enum) > 0 && known == nil {
			w.t.Errorf("%s has fixed values, and %s has no constants", path, typ)
		}
		for _, value := range s.Enum {
			if !isFixedWord(path) && !slices.Contains(known, value) {
				w.t.Errorf("%s can be %s, for which there is no constant", path, value)
			}
		}
	}
}

// isFixedWord says whether a text is not worth constants.
func isFixedWord(path string) bool { return path == "Health.status" || path == "AuditEntry.actor.type" }

// held is the type of the value that a Nullable has.
func (n *Nullable[T]) held() reflect.Type { return reflect.TypeFor[T]() }

func asSchema(t *testing.T, value map[string]any) schema {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// jsonFields are a struct's fields by their names on the wire, those of embedded structs among them.
func jsonFields(typ reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for _, field := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = field
		}
	}
	return fields
}

// canBeMissing says whether the field has a value for what is not there.
func canBeMissing(field reflect.StructField) bool {
	switch field.Type.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	}
	return strings.HasSuffix(field.Tag.Get("json"), ",omitzero")
}

func TestEveryOperationHasItsMethod(t *testing.T) {
	doc := readDocument(t)
	documented := map[string]bool{}
	for path, operations := range doc.Paths {
		for method, operation := range operations {
			documented[operation.ID] = true
			t.Run(operation.ID, func(t *testing.T) {
				call, known := apiCalls[operation.ID]
				if !known {
					t.Fatalf("%s %s has no method", strings.ToUpper(method), path)
				}
				checkRequest(t, call, strings.ToUpper(method), path, operation)
				checkTypes(t, call, operation)
			})
		}
	}
	for id := range apiCalls {
		if !documented[id] {
			t.Errorf("%s is not in the document any more", id)
		}
	}
}

// checkRequest makes the call, and compares what is sent with the document.
func checkRequest(t *testing.T, call apiCall, method, path string, operation operation) {
	t.Helper()
	url, requests := faultyServer(t, answer(http.StatusOK, `{}`))
	// What comes back has no item in it, which a bulk call takes for an error.
	_ = call.call(context.Background(), newTestClient(t, url))
	if len(requests()) != 1 {
		t.Fatalf("%d requests", len(requests()))
	}
	sent := requests()[0]
	template := "^" + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, `[^/]+`) + "$"
	if sent.method != method || !regexp.MustCompile(template).MatchString(sent.target) {
		t.Errorf("sends %s %s, want %s %s", sent.method, sent.target, method, path)
	}
	if (operation.RequestBody != nil) != (sent.body != "") {
		t.Errorf("sends the body %q", sent.body)
	}
	if sent.body != "" && sent.header.Get("Content-Type") != "application/json" {
		t.Errorf("sends the body as %s", sent.header.Get("Content-Type"))
	}
	var documented, known []string
	for _, parameter := range operation.Parameters {
		if parameter.In == "query" {
			documented = append(documented, strings.TrimSuffix(parameter.Name, "{key}"))
		}
	}
	if call.query != nil {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(call.query)) {
			if name, tagged := field.Tag.Lookup("query"); tagged {
				known = append(known, name)
			}
		}
	}
	slices.Sort(documented)
	slices.Sort(known)
	if !slices.Equal(documented, known) {
		t.Errorf("knows the query parameters %v, the document %v", known, documented)
	}
}

// checkTypes compares what the method takes and gives with the document. Bulk helpers have items, and lists have pages of them.
func checkTypes(t *testing.T, call apiCall, operation operation) {
	t.Helper()
	method := reflect.TypeOf(call.method)
	bulk := strings.HasSuffix(operation.ID, "Bulk")
	if operation.RequestBody != nil && !bulk {
		want := schemaTypes[operation.RequestBody.Content["application/json"].Schema.name()]
		if params, isOther := paramsTypes[want]; isOther {
			want = params
		}
		takes := false
		for i := range method.NumIn() {
			takes = takes || method.In(i) == want
		}
		if !takes {
			t.Errorf("does not take %s", want)
		}
	}
	for status, response := range operation.Responses {
		body, hasBody := response.Content["application/json"]
		if !strings.HasPrefix(status, "2") || !hasBody || bulk {
			continue
		}
		want := schemaTypes[body.Schema.name()]
		if list, isList := listTypes[want]; isList {
			want = list
		}
		gives := method.Out(0)
		if other, isOther := call.others[status]; isOther {
			gives = reflect.TypeOf(other).Out(0)
		}
		if gives != reflect.PointerTo(want) {
			t.Errorf("gives %s for %s, want *%s", gives, status, want)
		}
	}
}

// listTypes are what the lists make of their answers.
var listTypes = map[reflect.Type]reflect.Type{
	reflect.TypeFor[eventPage]():    reflect.TypeFor[Page[Event]](),
	reflect.TypeFor[apiKeyPage]():   reflect.TypeFor[Page[APIKey]](),
	reflect.TypeFor[auditLogPage](): reflect.TypeFor[Page[AuditEntry]](),
	reflect.TypeFor[webhookPage]():  reflect.TypeFor[Page[Webhook]](),
	reflect.TypeFor[deliveryPage](): reflect.TypeFor[Page[Delivery]](),
	reflect.TypeFor[replayPage]():   reflect.TypeFor[Page[Replay]](),
}

// paramsTypes are what the methods take where that is not the body itself.
var paramsTypes = map[reflect.Type]reflect.Type{reflect.TypeFor[replayInput](): reflect.TypeFor[ReplayParams]()}
