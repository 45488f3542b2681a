package triggers

// WebhookFilter is what an event must be like beside its type: all of it.
type WebhookFilter struct {
	// Source: only events from one of these.
	Source []string `json:"source,omitzero"`
	// Priority: only events of one of these.
	Priority []Priority `json:"priority,omitzero"`
	// Metadata has keys with the value that each must have: a string, a number or a bool. Numbers are read as [json.Number].
	Metadata map[string]any `json:"metadata,omitzero"`
	// Payload are conditions on the payload.
	Payload []PayloadCondition `json:"payload,omitzero"`
}

// UnmarshalJSON keeps numbers as they are written.
func (f *WebhookFilter) UnmarshalJSON(text []byte) error {
	type plain WebhookFilter
	return unmarshalNumbers(text, (*plain)(f))
}

// PayloadOp is how a [PayloadCondition] compares.
type PayloadOp string

// The comparisons.
const (
	// PayloadEquals: that value, which is a string, a number, a bool or nil.
	PayloadEquals PayloadOp = "equals"
	// PayloadIn: one of the values of a slice.
	PayloadIn PayloadOp = "in"
	// PayloadExists: anything, null too; with the value false nothing.
	PayloadExists PayloadOp = "exists"
	// PayloadPrefix: a string that begins so.
	PayloadPrefix PayloadOp = "prefix"
	// PayloadInRange: a number or a string within a [PayloadRange].
	PayloadInRange PayloadOp = "range"
)

// PayloadCondition is what a payload must have at a path:
//
//	triggers.PayloadCondition{Path: "$.user.plan", Op: triggers.PayloadIn, Value: []string{"pro", "team"}}
type PayloadCondition struct {
	// Path has names and indexes, no wildcards: $.user.id, $.items[0].sku, $['a b'].
	Path string    `json:"path"`
	Op   PayloadOp `json:"op"`
	// Value depends on Op. Numbers are read as [json.Number].
	Value any `json:"value"`
}

// MarshalJSON leaves out the value that PayloadExists need not have.
func (c PayloadCondition) MarshalJSON() ([]byte, error) {
	fields := map[string]any{"path": c.Path, "op": c.Op, "value": c.Value}
	if c.Op == PayloadExists && c.Value == nil {
		delete(fields, "value")
	}
	return encodeJSON(fields)
}

// PayloadRange has the bounds of PayloadInRange: numbers, or strings.
type PayloadRange struct {
	GT  any `json:"gt,omitzero"`
	GTE any `json:"gte,omitzero"`
	LT  any `json:"lt,omitzero"`
	LTE any `json:"lte,omitzero"`
}
