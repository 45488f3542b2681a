// Handles the inbox's events until it is stopped (Ctrl-C or SIGTERM), and finishes those it is at.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	triggers "github.com/triggers-api/triggers/sdks/go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, err := triggers.NewClient("")
	if err != nil {
		log.Fatal(err)
	}
	err = client.Inbox.Consume(ctx, func(ctx context.Context, event triggers.Event) error {
		// Acknowledged when this returns nil. After an error the event stays in the inbox and comes again.
		fmt.Println(event.EventType, string(event.Payload))
		return nil
	}, triggers.ConsumeOptions{Concurrency: 4})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stopped")
}
