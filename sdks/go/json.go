package triggers

import (
	"bytes"
	"encoding/json"
)

// Ptr gives a pointer to a value, for optional fields: triggers.Ptr(10).
func Ptr[T any](value T) *T { return &value }

// Nullable is a field of a change that is left as it is (the zero value), set to null ([Null]), or set to a value ([Set]).
type Nullable[T any] struct {
	given bool
	value *T
}

// Set changes a field to a value.
func Set[T any](value T) Nullable[T] { return Nullable[T]{given: true, value: &value} }

// Null changes a field to null.
func Null[T any]() Nullable[T] { return Nullable[T]{given: true} }

// IsZero says whether the field is left as it is.
func (n Nullable[T]) IsZero() bool { return !n.given }

// MarshalJSON writes the value or null.
func (n Nullable[T]) MarshalJSON() ([]byte, error) { return encodeJSON(n.value) }

// encodeJSON is json.Marshal that leaves <, > and & alone: payloads are kept as they are sent, escapes included.
func encodeJSON(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// unmarshalNumbers is json.Unmarshal that keeps numbers as they are written.
func unmarshalNumbers(text []byte, out any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode(out)
}
