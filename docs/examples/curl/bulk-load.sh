#!/bin/sh
# Creates the events of a file, one JSON object a line, 25 a request: sh bulk-load.sh events.ndjson
# Each line has a metadata.idempotency_key, so that a second run makes no second events.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
split -l 25 "$1" "$folder/lines."

for lines in "$folder"/lines.*; do
  printf '{"items": [%s]}' "$(paste -s -d , "$lines")" |
    curl --silent --show-error --fail-with-body "$TRIGGERS_URL/v1/events/bulk" \
      --header "X-API-Key: $TRIGGERS_API_KEY" --header 'Content-Type: application/json' --data-binary @-
  # The answer says for each line what became of it: `failed` holds those that were refused.
  echo
done
