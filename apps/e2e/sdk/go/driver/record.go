package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// record is a slog.Handler that keeps what is logged, and what printing things gives.
type record struct {
	abortAt *int
	abort   func()

	mu       sync.Mutex
	delaysMs []float64
	printed  strings.Builder
}

func (r *record) Enabled(context.Context, slog.Level) bool { return true }
func (r *record) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *record) WithGroup(string) slog.Handler            { return r }

func (r *record) Handle(_ context.Context, entry slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintln(&r.printed, entry.Message)
	entry.Attrs(func(attribute slog.Attr) bool {
		fmt.Fprintln(&r.printed, attribute)
		if delay, ok := attribute.Value.Any().(time.Duration); ok && attribute.Key == "delay" {
			r.delaysMs = append(r.delaysMs, float64(delay)/float64(time.Millisecond))
			if r.abortAt != nil && delay > time.Duration(*r.abortAt)*time.Millisecond {
				r.abort()
			}
		}
		return true
	})
	return nil
}

// print keeps what every verb gives of each thing, and its JSON.
func (r *record) print(things ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, thing := range things {
		fmt.Fprintf(&r.printed, "%v\n%+v\n%#v\n%s\n%q\n", thing, thing, thing, thing, thing)
		if text, err := json.Marshal(thing); err == nil {
			fmt.Fprintf(&r.printed, "%s\n", text)
		}
	}
}
