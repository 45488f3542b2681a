// Creates an event, then reads it. The client takes TRIGGERS_URL and TRIGGERS_API_KEY from the environment.
package main

import (
	"context"
	"fmt"
	"log"

	triggers "github.com/triggers-api/triggers/sdks/go"
)

type orderPlaced struct {
	Order int     `json:"order"`
	Total float64 `json:"total"`
}

func main() {
	ctx := context.Background()
	client, err := triggers.NewClient("")
	if err != nil {
		log.Fatal(err)
	}
	created, err := client.Events.Create(ctx, triggers.EventParams{
		Source:    "shop",
		EventType: "order.placed",
		Payload:   orderPlaced{Order: 1042, Total: 99.5},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("created", created.EventID)

	event, err := client.Events.Get(ctx, created.EventID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(event.EventID, event.Status, string(event.Payload))
}
