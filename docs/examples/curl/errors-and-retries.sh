#!/bin/sh
# Creates an event in spite of failures, once only, then shows what a refusal looks like.
set -eu

# curl tries again after 408, 429, 500, 502, 503, 504 and when it can't connect, waits 1 s, 2 s, 4 s, …, and heeds Retry-After. The
# idempotency key makes that safe: whichever try arrives first makes the event, and all others get its answer.
created=$(curl --silent --show-error --fail-with-body --retry 3 --retry-connrefused --max-time 30 "$TRIGGERS_URL/v1/events" \
  --header "X-API-Key: $TRIGGERS_API_KEY" --header 'Content-Type: application/json' --header 'Idempotency-Key: order-1042' \
  --data '{"source": "shop", "event_type": "order.placed", "payload": {"order": 1042}}')
echo "$created"

# A refusal says what is wrong, and under which request id the server logged it. Trying it again would not help.
curl --silent --show-error --write-out '\nstatus %{http_code}\n' "$TRIGGERS_URL/v1/events" \
  --header "X-API-Key: $TRIGGERS_API_KEY" --header 'Content-Type: application/json' \
  --data '{"source": "shop", "event_type": "", "payload": {}}'
