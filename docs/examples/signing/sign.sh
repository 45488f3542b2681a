#!/bin/sh
# Creates a signed event, then lists its source's events with a signed query. Needs curl and openssl.
# openssl gets the secret as an argument, which other users of the machine can see while it runs.
set -eu

# send METHOD TARGET [BODY]
send() {
  path=${2%%\?*}
  case $2 in *\?*) query=${2#*\?} ;; *) query='' ;; esac
  timestamp=$(date +%s)
  body_hash=$(printf '%s' "${3-}" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
  signature=$(printf '%s\n%s\n%s\n%s\n%s' "$1" "$path" "$query" "$timestamp" "$body_hash" |
    openssl dgst -sha256 -hmac "$TRIGGERS_SIGNING_SECRET" -binary | openssl base64 -A)
  # curl reads the headers from its input, so that the key is no argument.
  printf '%s\n' "X-API-Key: $TRIGGERS_API_KEY" 'Content-Type: application/json' \
    'X-Signature-Version: v1' "X-Signature-Timestamp: $timestamp" "X-Signature: $signature" |
    curl --silent --show-error --fail-with-body --write-out '\n' \
      --request "$1" --header @- ${3+--data-raw "$3"} "$TRIGGERS_URL$2"
}

send POST /v1/events '{"source": "my shop", "event_type": "order.placed", "payload": {"order": 1042, "name": "Zoë"}}'
send GET '/v1/events?source=my%20shop&limit=10'
