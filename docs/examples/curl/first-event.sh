#!/bin/sh
# Creates an event, then reads it.
set -eu

created=$(curl --silent --show-error --fail-with-body "$TRIGGERS_URL/v1/events" \
  --header "X-API-Key: $TRIGGERS_API_KEY" --header 'Content-Type: application/json' \
  --data '{"source": "shop", "event_type": "order.placed", "payload": {"order": 1042}}')
echo "$created"

event_id=$(echo "$created" | sed -E 's/.*"event_id":"([^"]+)".*/\1/')
curl --silent --show-error --fail-with-body "$TRIGGERS_URL/v1/events/$event_id" --header "X-API-Key: $TRIGGERS_API_KEY"
echo
