// Receives webhooks with net/http, and checks who sent them.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	triggers "github.com/triggers-api/triggers/sdks/go"
)

func main() {
	// Give the new and the old secret while one replaces the other.
	secrets := strings.Fields(os.Getenv("TRIGGERS_WEBHOOK_SECRET"))
	handle := func(ctx context.Context, event *triggers.WebhookEvent) error {
		fmt.Println(event.EventType, string(event.Payload))
		return nil // 204; an error is 500, and the delivery comes again
	}
	logRefusal := triggers.WithOnError(func(_ context.Context, err error) { log.Print(err) })

	http.Handle("/webhooks", triggers.WebhookHandler(secrets, handle, logRefusal))
	server := &http.Server{
		Addr:              "127.0.0.1:" + cmp.Or(os.Getenv("PORT"), "3000"),
		ReadHeaderTimeout: 10 * time.Second,
	}
	fmt.Println("Receiving webhooks on", server.Addr)
	log.Fatal(server.ListenAndServe())
}
