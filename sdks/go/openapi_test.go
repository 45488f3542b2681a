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
		Schema schema `json:"schema"`
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
	"Whoami":               reflect.TypeFor[Whoami](),
}

// extraFields are the struct fields that the document knows in another place: the request id of an error stands in ErrorAnswer.
var extraFields = map[string][]string{"Error": {"request_id"}}

// enums are the values that a text can have, by its type.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[Status]():        {string(StatusPending), string(StatusAcknowledged)},
	reflect.TypeFor[Priority]():      {string(PriorityLow), string(PriorityNormal), string(PriorityHigh)},
	reflect.TypeFor[VersionStatus](): {string(VersionActive), string(VersionRotating), string(VersionExpired)},
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

// apiCall is the method that makes an operation's call.
type apiCall struct {
	// method is looked at for the types that go in and come out.
	method any
	// query is the struct of the query's parameters; nil where there are none.
	query any
	call  func(ctx context.Context, c *Client) error
}

var apiCalls = map[string]apiCall{
	"createEvent": {(*EventsService).Create, nil, create},
	"listEvents": {(*EventsService).List, EventListParams{}, func(ctx context.Context, c *Client) error {
		_, err := c.Events.List(ctx, EventListParams{})
		return err
	}},
	"createEventsBulk": {(*EventsService).CreateMany, nil, func(ctx context.Context, c *Client) error {
		_, err := c.Events.CreateMany(ctx, []EventParams{{Source: "s"}})
		return err
	}},
	"deleteEventsBulk": {(*EventsService).DeleteMany, nil, func(ctx context.Context, c *Client) error {
		_, err := c.Events.DeleteMany(ctx, []string{someEventID})
		return err
	}},
	"getEvent": {(*EventsService).Get, nil, read},
	"deleteEvent": {(*EventsService).Delete, nil, func(ctx context.Context, c *Client) error {
		_, err := c.Events.Delete(ctx, someEventID)
		return err
	}},
	"listInbox": {(*InboxService).List, InboxListParams{}, func(ctx context.Context, c *Client) error {
		_, err := c.Inbox.List(ctx, InboxListParams{})
		return err
	}},
	"ackEventsBulk": {(*InboxService).AckMany, nil, func(ctx context.Context, c *Client) error {
		_, err := c.Inbox.AckMany(ctx, []string{someEventID})
		return err
	}},
	"ackEvent": {(*InboxService).Ack, nil, func(ctx context.Context, c *Client) error {
		_, err := c.Inbox.Ack(ctx, someEventID)
		return err
	}},
	"createApiKey": {(*APIKeysService).Create, nil, createKey},
	"listApiKeys": {(*APIKeysService).List, APIKeyListParams{}, func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.List(ctx, APIKeyListParams{})
		return err
	}},
	"getApiKey": {(*APIKeysService).Get, nil, func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.Get(ctx, "key_x")
		return err
	}},
	"updateApiKey": {(*APIKeysService).Update, nil, func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.Update(ctx, "key_x", APIKeyChanges{})
		return err
	}},
	"deleteApiKey": {(*APIKeysService).Delete, nil, func(ctx context.Context, c *Client) error { return c.APIKeys.Delete(ctx, "key_x") }},
	"rotateApiKey": {(*APIKeysService).Rotate, RotateParams{}, func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.Rotate(ctx, "key_x", RotateParams{})
		return err
	}},
	"listApiKeyVersions": {(*APIKeysService).Versions, nil, func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.Versions(ctx, "key_x")
		return err
	}},
	"createSigningSecret": {(*APIKeysService).CreateSigningSecret, SigningSecretParams{}, func(ctx context.Context, c *Client) error {
		_, err := c.APIKeys.CreateSigningSecret(ctx, "key_x", SigningSecretParams{})
		return err
	}},
	"listAuditLog": {(*AuditLogService).List, AuditLogListParams{}, func(ctx context.Context, c *Client) error {
		_, err := c.AuditLog.List(ctx, AuditLogListParams{})
		return err
	}},
	"getHealth": {(*Client).Health, nil, func(ctx context.Context, c *Client) error {
		_, err := c.Health(ctx)
		return err
	}},
	"getWhoami": {(*Client).Whoami, nil, func(ctx context.Context, c *Client) error {
		_, err := c.Whoami(ctx)
		return err
	}},
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
			known = append(known, field.Tag.Get("query"))
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
		if method.Out(0) != reflect.PointerTo(want) {
			t.Errorf("gives %s, want *%s", method.Out(0), want)
		}
	}
}

// listTypes are what the lists make of their answers.
var listTypes = map[reflect.Type]reflect.Type{
	reflect.TypeFor[eventPage]():    reflect.TypeFor[Page[Event]](),
	reflect.TypeFor[apiKeyPage]():   reflect.TypeFor[Page[APIKey]](),
	reflect.TypeFor[auditLogPage](): reflect.TypeFor[Page[AuditEntry]](),
}
