// Command driver makes the calls of one job with the Go client: it reads a Job of driver.ts and writes a Done.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"sync"
	"time"

	triggers "github.com/triggers-api/triggers/sdks/go"
)

type job struct {
	Client struct {
		BaseURL        string            `json:"baseUrl"`
		APIKey         string            `json:"apiKey"`
		SigningSecret  string            `json:"signingSecret"`
		MaxRetries     *int              `json:"maxRetries"`
		TimeoutMs      *int              `json:"timeoutMs"`
		TotalTimeoutMs *int              `json:"totalTimeoutMs"`
		Headers        map[string]string `json:"headers"`
	} `json:"client"`
	Calls          []call `json:"calls"`
	Concurrency    int    `json:"concurrency"`
	AbortAfterMs   *int   `json:"abortAfterMs"`
	AbortAtDelayMs *int   `json:"abortAtDelayMs"`
}

type outcome struct {
	Value any      `json:"value,omitempty"`
	Error *failure `json:"error,omitempty"`
}

type failure struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Status    int    `json:"status,omitempty"`
	Code      string `json:"code,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	Message   string `json:"message"`
}

type done struct {
	Outcomes []outcome `json:"outcomes"`
	DelaysMs []float64 `json:"delaysMs"`
	Printed  string    `json:"printed"`
}

func main() {
	var j job
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(run(j)); err != nil {
		log.Fatal(err)
	}
}

func run(j job) done {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := &record{abortAt: j.AbortAtDelayMs, abort: cancel, delaysMs: []float64{}}
	result := done{Outcomes: make([]outcome, len(j.Calls))}
	client, err := triggers.NewClient(j.Client.APIKey, optionsOf(j, seen)...)
	if err != nil {
		for i := range result.Outcomes {
			result.Outcomes[i] = outcomeOf(nil, err, seen)
		}
	} else {
		seen.print(client, *client)
		if j.AbortAfterMs != nil {
			time.AfterFunc(time.Duration(*j.AbortAfterMs)*time.Millisecond, cancel)
		}
		slots := make(chan struct{}, max(1, j.Concurrency))
		var group sync.WaitGroup
		for i, call := range j.Calls {
			slots <- struct{}{}
			group.Go(func() {
				defer func() { <-slots }()
				value, err := call.do(ctx, client, seen)
				result.Outcomes[i] = outcomeOf(value, err, seen)
			})
		}
		group.Wait()
	}
	result.DelaysMs, result.Printed = seen.delaysMs, seen.printed.String()
	return result
}

func optionsOf(j job, seen *record) []triggers.Option {
	options := []triggers.Option{triggers.WithLogger(slog.New(seen))}
	if j.Client.BaseURL != "" {
		options = append(options, triggers.WithBaseURL(j.Client.BaseURL))
	}
	if j.Client.SigningSecret != "" {
		options = append(options, triggers.WithSigningSecret(j.Client.SigningSecret))
	}
	if j.Client.MaxRetries != nil {
		options = append(options, triggers.WithMaxRetries(*j.Client.MaxRetries))
	}
	if j.Client.TimeoutMs != nil {
		options = append(options, triggers.WithTimeout(time.Duration(*j.Client.TimeoutMs)*time.Millisecond))
	}
	if j.Client.TotalTimeoutMs != nil {
		options = append(options, triggers.WithTotalTimeout(time.Duration(*j.Client.TotalTimeoutMs)*time.Millisecond))
	}
	for name, value := range j.Client.Headers {
		options = append(options, triggers.WithHeader(name, value))
	}
	return options
}

func outcomeOf(value any, err error, seen *record) outcome {
	if err == nil {
		return outcome{Value: value}
	}
	seen.print(err)
	f := &failure{Kind: "other", Name: fmt.Sprintf("%T", err), Message: err.Error()}
	var refusal *triggers.Error
	switch {
	// First, as the error of an aborted wait has that of the last try in it, too.
	case errors.Is(err, context.Canceled):
		f.Kind = "aborted"
	case errors.As(err, &refusal):
		f.Kind, f.Name = "api", "Error"
		f.Status, f.Code, f.RequestID = refusal.StatusCode, refusal.Code, refusal.RequestID
	case errors.Is(err, context.DeadlineExceeded):
		f.Kind = "timeout"
	case isConnectionError(err):
		f.Kind = "connection"
	default:
		for name, sentinel := range sentinels {
			if errors.Is(err, sentinel) {
				f.Kind, f.Name = "signature", name
			}
		}
	}
	return outcome{Error: f}
}
