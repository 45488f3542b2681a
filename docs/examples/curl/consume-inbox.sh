#!/bin/sh
# Handles what waits in the inbox, oldest first, and acknowledges each event after that. Ends when the inbox is empty.
set -eu

call() {
  curl --silent --show-error --fail-with-body --header "X-API-Key: $TRIGGERS_API_KEY" "$@"
}

# One event a page, so that sed finds its id; a program in any language would take 100 and a JSON parser.
while page=$(call "$TRIGGERS_URL/v1/inbox?limit=1") && event_id=$(echo "$page" | sed -nE 's/.*"events":\[\{"event_id":"([^"]+)".*/\1/p') &&
  [ -n "$event_id" ]; do
  # Your work goes here. What ends the script before the next line leaves the event in the inbox.
  echo "$page"
  call --request POST "$TRIGGERS_URL/v1/events/$event_id/ack"
  echo
done
