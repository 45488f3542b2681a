// Creates an event in spite of failures, once only, and tells refusals apart.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	triggers "github.com/triggers-api/triggers/sdks/go"
)

func main() {
	ctx := context.Background()
	client, err := triggers.NewClient("",
		// Connection failures, 408, 429 and 5xx are tried again, after what Retry-After says, else after a random, growing time.
		triggers.WithMaxRetries(5),
		triggers.WithTimeout(10*time.Second),
		triggers.WithTotalTimeout(time.Minute),
		// Each retry is a warning.
		triggers.WithLogger(slog.New(slog.NewTextHandler(os.Stdout, nil))),
	)
	if err != nil {
		log.Fatal(err)
	}

	// The key makes it safe to create again after a crash of this program. Without one, each call makes its own, for its retries.
	event := triggers.EventParams{Source: "shop", EventType: "order.placed", Payload: map[string]any{"order": 1042}}
	created, err := client.Events.Create(ctx, event, triggers.WithIdempotencyKey("order-1042"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("created", created.EventID)
	again, err := client.Events.Create(ctx, event, triggers.WithIdempotencyKey("order-1042"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same event:", again.EventID == created.EventID)

	other := event
	other.Payload = map[string]any{"order": 1043}
	_, err = client.Events.Create(ctx, other, triggers.WithIdempotencyKey("order-1042"))
	explain(err)
	other.EventType = ""
	_, err = client.Events.Create(ctx, other)
	explain(err)
	_, err = client.Events.Get(ctx, "01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e")
	explain(err)
	_, err = client.Whoami(ctx, triggers.WithBaseURL("http://127.0.0.1:1"), triggers.WithMaxRetries(1))
	explain(err)
}

func explain(err error) {
	var refusal *triggers.Error
	switch {
	case err == nil:
	case !errors.As(err, &refusal):
		fmt.Println("No answer:", err)
	case refusal.Code == triggers.CodeIdempotencyKeyReused:
		fmt.Println("The key belongs to an event of other content.")
	case refusal.Code == triggers.CodeValidation:
		fmt.Println("The request is wrong:", refusal.Details["errors"])
	case refusal.Code == triggers.CodeNotFound:
		fmt.Println("There is no such event.")
	default:
		fmt.Printf("%d %s: %s (request %s)\n", refusal.StatusCode, refusal.Code, refusal.Message, refusal.RequestID)
	}
}
