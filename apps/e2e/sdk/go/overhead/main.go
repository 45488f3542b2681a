// Command overhead makes calls in one of two ways, with the client or with bare net/http, and measures the slices that it is told to.
// See overhead-slice.ts for what is read and written, and overhead-case.ts for what comes of it.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	triggers "github.com/triggers-api/triggers/sdks/go"
)

const (
	apiKey      = "test-api-key-12345"
	concurrency = 32
)

var payload = json.RawMessage(`{"order_id":"ord_00000042","customer":{"id":"cus_332598","email":"customer.42@example.com"},` +
	`"amount":{"value":1042,"currency":"EUR"},"items":[{"sku":"sku-42","quantity":1}]}`)

type slice struct {
	URL  string `json:"url"`
	Call string `json:"call"`
	Ms   int    `json:"ms"`
}

type reply struct {
	Requests   int64   `json:"requests"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

type call func(ctx context.Context) error

// transport is what both ways send with: as many idle connections as there are calls at once.
func transport() *http.Transport {
	return &http.Transport{MaxIdleConns: 2 * concurrency, MaxIdleConnsPerHost: 2 * concurrency}
}

func withClient(url string) (map[string]call, error) {
	client, err := triggers.NewClient(apiKey, triggers.WithBaseURL(url), triggers.WithHTTPClient(&http.Client{Transport: transport()}))
	if err != nil {
		return nil, err
	}
	priority := triggers.PriorityNormal
	return map[string]call{
		"health": func(ctx context.Context) error {
			_, err := client.Health(ctx)
			return err
		},
		"create": func(ctx context.Context) error {
			_, err := client.Events.Create(ctx, triggers.EventParams{
				Source:    "shop",
				EventType: "order.created",
				Payload:   payload,
				Metadata:  triggers.MetadataParams{Priority: &priority, Extra: map[string]any{"tenant": "tenant-42"}},
			})
			return err
		},
	}, nil
}

type event struct {
	Source    string            `json:"source"`
	EventType string            `json:"event_type"`
	Payload   json.RawMessage   `json:"payload"`
	Metadata  map[string]string `json:"metadata"`
}

type created struct {
	EventID   string `json:"event_id"`
	CreatedAt string `json:"created_at"`
	Status    string `json:"status"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
}

type health struct {
	Status    string `json:"status"`
	Timestamp string `json:"timestamp"`
	Version   string `json:"version"`
	RequestID string `json:"request_id"`
}

func withNetHTTP(url string) (map[string]call, error) { return byHand(url, 0) }

// withTimeout is what a program that cares would write: the client limits each try, too.
func withTimeout(url string) (map[string]call, error) { return byHand(url, 30*time.Second) }

func byHand(url string, timeout time.Duration) (map[string]call, error) {
	client := &http.Client{Transport: transport(), Timeout: timeout}
	send := func(ctx context.Context, method, path string, in, out any) error {
		var body io.Reader
		if in != nil {
			sent, err := json.Marshal(in)
			if err != nil {
				return err
			}
			body = bytes.NewReader(sent)
		}
		request, err := http.NewRequestWithContext(ctx, method, url+path, body)
		if err != nil {
			return err
		}
		request.Header.Set("X-API-Key", apiKey)
		if in != nil {
			request.Header.Set("Content-Type", "application/json")
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		if response.StatusCode >= 300 {
			return fmt.Errorf("%s: %s", response.Status, answer)
		}
		return json.Unmarshal(answer, out)
	}
	return map[string]call{
		"health": func(ctx context.Context) error {
			return send(ctx, http.MethodGet, "/v1/health", nil, new(health))
		},
		"create": func(ctx context.Context) error {
			metadata := map[string]string{"priority": "normal", "tenant": "tenant-42", "idempotency_key": rand.Text()}
			return send(ctx, http.MethodPost, "/v1/events", event{"shop", "order.created", payload, metadata}, new(created))
		},
	}, nil
}

func measure(make call, length time.Duration) (reply, error) {
	ctx := context.Background()
	var requests atomic.Int64
	var firstError atomic.Pointer[error]
	var group sync.WaitGroup
	cpu, begin := cpuTime(), time.Now()
	for range concurrency {
		group.Go(func() {
			for time.Since(begin) < length {
				if err := make(ctx); err != nil {
					firstError.CompareAndSwap(nil, &err)
					return
				}
				requests.Add(1)
			}
		})
	}
	group.Wait()
	if err := firstError.Load(); err != nil {
		return reply{}, *err
	}
	return reply{requests.Load(), time.Since(begin).Seconds(), (cpuTime() - cpu).Seconds()}, nil
}

// cpuTime is what this process has used in user and system mode.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func main() {
	ways := map[string]func(url string) (map[string]call, error){
		"client": withClient, "net/http": withNetHTTP, "net/http with a timeout": withTimeout,
	}
	if len(os.Args) != 2 || ways[os.Args[1]] == nil {
		log.Fatal("Say which: client, net/http or net/http with a timeout.")
	}
	calls := map[string]map[string]call{}
	answers := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := answer(lines.Bytes(), ways[os.Args[1]], calls, answers); err != nil {
			if err := answers.Encode(map[string]string{"failure": err.Error()}); err != nil {
				log.Fatal(err)
			}
		}
	}
}

func answer(line []byte, way func(url string) (map[string]call, error), calls map[string]map[string]call, answers *json.Encoder) error {
	var slice slice
	if err := json.Unmarshal(line, &slice); err != nil {
		return err
	}
	if calls[slice.URL] == nil {
		made, err := way(slice.URL)
		if err != nil {
			return err
		}
		calls[slice.URL] = made
	}
	measured, err := measure(calls[slice.URL][slice.Call], time.Duration(slice.Ms)*time.Millisecond)
	if err != nil {
		return err
	}
	return answers.Encode(measured)
}
