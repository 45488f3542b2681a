package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestWebhookCallsAreTriedAgainWhereThatIsSafe(t *testing.T) {
	ctx := context.Background()
	for name, test := range map[string]struct {
		call   func(c *Client) error
		always bool
	}{
		"create": {func(c *Client) error { _, err := c.Webhooks.Create(ctx, WebhookParams{}); return err }, false},
		"list":   {func(c *Client) error { _, err := c.Webhooks.List(ctx, WebhookListParams{}); return err }, true},
		"get":    {func(c *Client) error { _, err := c.Webhooks.Get(ctx, "w"); return err }, true},
		"update": {func(c *Client) error { _, err := c.Webhooks.Update(ctx, "w", WebhookChanges{}); return err }, true},
		"delete": {func(c *Client) error { return c.Webhooks.Delete(ctx, "w") }, true},
		"test":   {func(c *Client) error { _, err := c.Webhooks.Test(ctx, "w"); return err }, false},
		"rotate secret": {func(c *Client) error {
			_, err := c.Webhooks.RotateSecret(ctx, "w", RotateWebhookSecretParams{})
			return err
		}, false},
		"deliveries":      {func(c *Client) error { _, err := c.Webhooks.Deliveries(ctx, "w", DeliveryListParams{}); return err }, true},
		"replay":          {func(c *Client) error { _, err := c.Webhooks.Replay(ctx, "w", ReplayParams{}); return err }, false},
		"count a replay":  {func(c *Client) error { _, err := c.Webhooks.CountReplay(ctx, "w", ReplayParams{}); return err }, true},
		"replays":         {func(c *Client) error { _, err := c.Webhooks.Replays(ctx, "w", ReplayListParams{}); return err }, true},
		"an event's":      {func(c *Client) error { _, err := c.Events.Deliveries(ctx, "e", DeliveryListParams{}); return err }, true},
		"trace":           {func(c *Client) error { _, err := c.Events.Trace(ctx, "e"); return err }, true},
		"get a delivery":  {func(c *Client) error { _, err := c.Deliveries.Get(ctx, "d"); return err }, true},
		"retry":           {func(c *Client) error { _, err := c.Deliveries.Retry(ctx, "d"); return err }, false},
		"get a replay":    {func(c *Client) error { _, err := c.Replays.Get(ctx, "r"); return err }, true},
		"cancel a replay": {func(c *Client) error { _, err := c.Replays.Cancel(ctx, "r"); return err }, true},
	} {
		for failure, handler := range map[string]http.HandlerFunc{"500": refuse(500, CodeInternal), "503": refuse(503, CodeServiceUnavailable)} {
			t.Run(name+" after "+failure, func(t *testing.T) {
				url, requests := faultyServer(t, handler, answer(200, `{}`))
				client := newTestClient(t, url)
				withoutWaits(client)
				err := test.call(client)
				if retried := test.always || failure == "503"; retried != (len(requests()) == 2) || retried != (err == nil) {
					t.Errorf("%d requests, %v", len(requests()), err)
				}
			})
		}
	}
}

func TestLostAnswersOfWebhookCalls(t *testing.T) {
	ctx := context.Background()
	gone, cancelled := refuse(404, CodeNotFound), conflictOf("cancelled")
	for name, test := range map[string]struct {
		call    func(c *Client) error
		answers []http.HandlerFunc
		// What the last request asks for; empty where the call fails.
		last string
	}{
		"a delete that was done":      {deleteWebhook(ctx), []http.HandlerFunc{reset, gone}, "DELETE /v1/webhooks/w"},
		"a delete of nothing":         {deleteWebhook(ctx), []http.HandlerFunc{gone}, ""},
		"a delete after 503 alone":    {deleteWebhook(ctx), []http.HandlerFunc{refuse(503, CodeServiceUnavailable), gone}, ""},
		"a cancel that was done":      {cancelReplay(ctx), []http.HandlerFunc{reset, cancelled, answer(200, `{"replay_id":"r"}`)}, "GET /v1/replays/r"},
		"a cancel of what was so":     {cancelReplay(ctx), []http.HandlerFunc{cancelled}, ""},
		"a cancel after 503 alone":    {cancelReplay(ctx), []http.HandlerFunc{refuse(503, CodeServiceUnavailable), cancelled}, ""},
		"a cancel of what had ended":  {cancelReplay(ctx), []http.HandlerFunc{reset, conflictOf("completed")}, ""},
		"a cancel that is found lost": {cancelReplay(ctx), []http.HandlerFunc{reset, cancelled, gone}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			url, requests := faultyServer(t, test.answers...)
			client := newTestClient(t, url)
			withoutWaits(client)
			err := test.call(client)
			if (err == nil) != (test.last != "") || len(requests()) != len(test.answers) {
				t.Fatalf("%v after %d requests", err, len(requests()))
			}
			last := requests()[len(requests())-1]
			if test.last != "" && last.method+" "+last.target != test.last {
				t.Errorf("the last request is %s %s", last.method, last.target)
			}
		})
	}
}

func deleteWebhook(ctx context.Context) func(*Client) error {
	return func(c *Client) error { return c.Webhooks.Delete(ctx, "w") }
}

func cancelReplay(ctx context.Context) func(*Client) error {
	return func(c *Client) error {
		replay, err := c.Replays.Cancel(ctx, "r")
		if err == nil && replay.ReplayID != "r" {
			return fmt.Errorf("got %+v", replay)
		}
		return err
	}
}

func conflictOf(status string) http.HandlerFunc {
	return answer(409, fmt.Sprintf(`{"error":{"code":"CONFLICT","message":"It has ended.","details":{"current_status":%q},"request_id":"r"}}`, status))
}

func TestWhatWebhookCallsSend(t *testing.T) {
	ctx := context.Background()
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, test := range map[string]struct {
		call         func(c *Client) error
		target, body string
	}{
		"no changes": {func(c *Client) error { _, err := c.Webhooks.Update(ctx, "w", WebhookChanges{}); return err }, "/v1/webhooks/w", `{}`},
		"values": {func(c *Client) error {
			_, err := c.Webhooks.Update(ctx, "w", WebhookChanges{
				URL: Ptr("https://a.example"), Events: []string{"a.*"}, IsActive: Ptr(false), Description: Set(""), Filter: Set(WebhookFilter{}),
				Headers: Set(map[string]string{}), RateLimit: Set(5), Retry: Ptr(RetryShort), PayloadFormat: Ptr(PayloadFormatStandard),
			})
			return err
		}, "/v1/webhooks/w", `{"url":"https://a.example","events":["a.*"],"is_active":false,"description":"","filter":{},"headers":{},"rate_limit":5,` +
			`"retry":"short","payload_format":"standard"}`},
		"nulls": {func(c *Client) error {
			_, err := c.Webhooks.Update(ctx, "w", WebhookChanges{
				Description: Null[string](), Filter: Null[WebhookFilter](), Headers: Null[map[string]string](), RateLimit: Null[int](),
			})
			return err
		}, "/v1/webhooks/w", `{"description":null,"filter":null,"headers":null,"rate_limit":null}`},
		"a filter": {func(c *Client) error {
			_, err := c.Webhooks.Create(ctx, WebhookParams{URL: "u", Events: []string{"*"}, Filter: &WebhookFilter{
				Source: []string{"a&b"}, Metadata: map[string]any{"vip": true}, Payload: []PayloadCondition{
					{Path: "$.a", Op: PayloadEquals}, {Path: "$.b", Op: PayloadExists}, {Path: "$.c", Op: PayloadExists, Value: false},
					{Path: "$.d", Op: PayloadInRange, Value: PayloadRange{GTE: 1, LT: 2.5}},
				},
			}})
			return err
		}, "/v1/webhooks", `{"url":"u","events":["*"],"filter":{"source":["a&b"],"metadata":{"vip":true},"payload":[{"op":"equals","path":"$.a","value":null},` +
			`{"op":"exists","path":"$.b"},{"op":"exists","path":"$.c","value":false},{"op":"range","path":"$.d","value":{"gte":1,"lt":2.5}}]}}`},
		"a rotation": {func(c *Client) error {
			_, err := c.Webhooks.RotateSecret(ctx, "w", RotateWebhookSecretParams{TransitionDays: Ptr(0)})
			return err
		}, "/v1/webhooks/w/rotate-secret?transition_days=0", ""},
		"a rotation to a secret": {func(c *Client) error {
			_, err := c.Webhooks.RotateSecret(ctx, "w", RotateWebhookSecretParams{Secret: Ptr("my-webhook-secret-0001")})
			return err
		}, "/v1/webhooks/w/rotate-secret", `{"secret":"my-webhook-secret-0001"}`},
		"a replay": {func(c *Client) error {
			_, err := c.Webhooks.Replay(ctx, "w", ReplayParams{Since: since, Status: Ptr(ReplayUndelivered), Rate: Ptr(9)})
			return err
		}, "/v1/webhooks/w/replay", `{"since":"2026-01-02T03:04:05Z","status":"undelivered","rate":9}`},
		"a count": {func(c *Client) error {
			_, err := c.Webhooks.CountReplay(ctx, "w", ReplayParams{Since: since, Until: &since})
			return err
		}, "/v1/webhooks/w/replay", `{"since":"2026-01-02T03:04:05Z","until":"2026-01-02T03:04:05Z","dry_run":true}`},
		"the inactive": {func(c *Client) error {
			_, err := c.Webhooks.List(ctx, WebhookListParams{IsActive: Ptr(false)})
			return err
		}, "/v1/webhooks?is_active=false", ""},
		"the dead": {func(c *Client) error {
			_, err := c.Events.Deliveries(ctx, "e", DeliveryListParams{Status: Ptr(DeliveryStatusDead), Limit: Ptr(2)})
			return err
		}, "/v1/events/e/deliveries?limit=2&status=dead", ""},
	} {
		t.Run(name, func(t *testing.T) {
			url, requests := faultyServer(t, answer(200, `{}`))
			if err := test.call(newTestClient(t, url)); err != nil {
				t.Fatal(err)
			}
			if sent := requests()[0]; sent.target != test.target || sent.body != test.body {
				t.Errorf("sent %s %s", sent.target, sent.body)
			}
		})
	}
}

func TestPagesOfWhatBelongsToAWebhook(t *testing.T) {
	ctx := context.Background()
	first := `{"deliveries":[{"delivery_id":"a"}],"replays":[{"replay_id":"a"}],"pagination":{"next_cursor":"c","limit":1}}`
	second := `{"deliveries":[{"delivery_id":"b"}],"replays":[{"replay_id":"b"}],"pagination":{"next_cursor":null,"limit":1}}`
	for target, all := range map[string]func(c *Client) (ids []string){
		"/v1/webhooks/w/deliveries": func(c *Client) (ids []string) {
			for delivery, err := range c.Webhooks.AllDeliveries(ctx, "w", DeliveryListParams{Limit: Ptr(1)}) {
				ids = append(ids, fmt.Sprint(delivery.DeliveryID, err))
			}
			return ids
		},
		"/v1/events/e/deliveries": func(c *Client) (ids []string) {
			for delivery, err := range c.Events.AllDeliveries(ctx, "e", DeliveryListParams{Limit: Ptr(1)}) {
				ids = append(ids, fmt.Sprint(delivery.DeliveryID, err))
			}
			return ids
		},
		"/v1/webhooks/w/replays": func(c *Client) (ids []string) {
			for replay, err := range c.Webhooks.AllReplays(ctx, "w", ReplayListParams{Limit: Ptr(1)}) {
				ids = append(ids, fmt.Sprint(replay.ReplayID, err))
			}
			return ids
		},
	} {
		t.Run(target, func(t *testing.T) {
			url, requests := faultyServer(t, answer(200, first), answer(200, second))
			if ids := all(newTestClient(t, url)); fmt.Sprint(ids) != "[a<nil> b<nil>]" {
				t.Errorf("got %v", ids)
			}
			if sent := requests(); len(sent) != 2 || sent[0].target != target+"?limit=1" || sent[1].target != target+"?cursor=c&limit=1" {
				t.Errorf("sent %+v", sent)
			}
		})
	}
}

func TestAFiltersNumbersAreReadAsTheyAreWritten(t *testing.T) {
	text := `{"metadata":{"n":12345678901234567890},"payload":[{"op":"in","path":"$.a","value":[1.50,"x"]}]}`
	var filter WebhookFilter
	if err := json.Unmarshal([]byte(text), &filter); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(filter); err != nil || string(again) != text {
		t.Errorf("%s, %v", again, err)
	}
}

func TestReplayWait(t *testing.T) {
	ctx := context.Background()
	running, ended := answer(200, `{"replay_id":"r","status":"running","delivered":1}`), answer(200, `{"replay_id":"r","status":"failed","delivered":2}`)
	t.Run("reads until it has ended, however", func(t *testing.T) {
		url, requests := faultyServer(t, running, refuse(500, CodeInternal), running, ended)
		client := newTestClient(t, url)
		waits := withoutWaits(client)
		var progress []string
		replay, err := client.Replays.Wait(ctx, "r", WaitOptions{OnProgress: func(r Replay) { progress = append(progress, fmt.Sprint(r.Status, r.Delivered)) }})
		if err != nil || replay.Status != ReplayStatusFailed || len(requests()) != 4 {
			t.Errorf("%+v, %v after %d reads", replay, err, len(requests()))
		}
		if fmt.Sprint(progress) != "[running1 running1 failed2]" {
			t.Errorf("told %v", progress)
		}
		if all := waits(); len(all) != 3 || all[0] != time.Second || all[2] != time.Second {
			t.Errorf("waited %v", all)
		}
	})
	t.Run("waits as long as it is told", func(t *testing.T) {
		url, _ := faultyServer(t, running, ended)
		client := newTestClient(t, url)
		waits := withoutWaits(client)
		if _, err := client.Replays.Wait(ctx, "r", WaitOptions{Interval: time.Minute}); err != nil || fmt.Sprint(waits()) != "[1m0s]" {
			t.Errorf("%v after %v", err, waits())
		}
		if _, err := client.Replays.Wait(ctx, "r", WaitOptions{Interval: -1}); err == nil {
			t.Error("waits less than no time")
		}
	})
	t.Run("ends with its context", func(t *testing.T) {
		url, requests := faultyServer(t, running)
		client := newTestClient(t, url)
		cancelled, cancel := context.WithCancel(ctx)
		_, err := client.Replays.Wait(cancelled, "r", WaitOptions{Interval: time.Hour, OnProgress: func(Replay) { cancel() }})
		if !errors.Is(err, context.Canceled) || len(requests()) != 1 {
			t.Errorf("%v after %d reads", err, len(requests()))
		}
	})
	t.Run("ends with an error that stays", func(t *testing.T) {
		url, _ := faultyServer(t, running, refuse(404, CodeNotFound))
		client := newTestClient(t, url)
		withoutWaits(client)
		if _, err := client.Replays.Wait(ctx, "r", WaitOptions{}); refusalOf(t, err).Code != CodeNotFound {
			t.Error(err)
		}
	})
}

func TestSecretsOfWebhooksAreNotRepeated(t *testing.T) {
	ctx := context.Background()
	secret, part := "a \"canary\" \\ that sings <&> é", "canary"
	header := "canary-in-a-header"
	for name, call := range map[string]func(c *Client) error{
		"create": func(c *Client) error {
			_, err := c.Webhooks.Create(ctx, WebhookParams{URL: "u", Secret: &secret, Headers: map[string]string{"x-key": header, "x-short": "u"}})
			return err
		},
		"update": func(c *Client) error {
			_, err := c.Webhooks.Update(ctx, "w", WebhookChanges{Secret: &secret, Headers: Set(map[string]string{"x-key": header})})
			return err
		},
		"rotate": func(c *Client) error {
			_, err := c.Webhooks.RotateSecret(ctx, "w", RotateWebhookSecretParams{Secret: &secret})
			return err
		},
	} {
		for status, how := range map[int]func(body string) string{
			// The body as it came, and as a text within JSON: what was escaped is as it was.
			400: func(body string) string {
				return `{"error":{"code":"VALIDATION_ERROR","message":"No.","details":` + body + `}}`
			},
			422: func(body string) string {
				said := "the secret was " + secret
				if strings.Contains(body, header) {
					said += ", and the header " + header
				}
				text, _ := encodeJSON(said)
				return `{"error":{"code":"VALIDATION_ERROR","message":` + string(text) + `}}`
			},
		} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				var sent string
				url, requests := faultyServer(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(status)
					_, _ = w.Write([]byte(how(sent)))
				})
				client := newTestClient(t, url)
				_ = call(client) // to see the body
				sent = requests()[0].body
				refusal := refusalOf(t, call(client))
				text := fmt.Sprintf("%+v", *refusal)
				if strings.Contains(text, part) || !strings.Contains(text, "[secret]") {
					t.Errorf("says %s", text)
				}
			})
		}
	}
}
