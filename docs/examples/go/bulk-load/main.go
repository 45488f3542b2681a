// Creates the events of a file, one JSON object a line: go run ./bulk-load events.ndjson
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	triggers "github.com/triggers-api/triggers/sdks/go"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: bulk-load FILE")
	}
	events, err := readEvents(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	client, err := triggers.NewClient("")
	if err != nil {
		log.Fatal(err)
	}

	// In requests of 25 events at most, four under way at a time. What fails does not hold up the others: each event has a result of
	// its own, and err says that some of them are failures.
	results, err := client.Events.CreateMany(context.Background(), events, triggers.WithConcurrency(4))
	refused := 0
	for index, result := range results {
		if result.Err != nil {
			refused++
			fmt.Fprintf(os.Stderr, "line %d: %v\n", index+1, result.Err)
		}
	}
	fmt.Printf("%d stored, %d refused\n", len(results)-refused, refused)
	if err != nil {
		os.Exit(1)
	}
}

// Each line has a metadata.idempotency_key, so that a second run makes no second events.
func readEvents(path string) ([]triggers.EventParams, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()

	var events []triggers.EventParams
	for lines := json.NewDecoder(file); ; {
		// The payload as it stands in the file: a number of many digits would not survive a float64.
		event := triggers.EventParams{Payload: new(json.RawMessage)}
		if err := lines.Decode(&event); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
}
