"""Creates an event in spite of failures, once only. Needs Python 3 alone: python3 errors_and_retries.py"""

import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request

MAX_RETRIES = 3


def create(event: dict, idempotency_key: str) -> dict:
    request = urllib.request.Request(
        os.environ["TRIGGERS_URL"] + "/v1/events",
        data=json.dumps(event).encode(),
        headers={
            "X-API-Key": os.environ["TRIGGERS_API_KEY"],
            "Content-Type": "application/json",
            # Makes trying again safe: whichever try arrives first makes the event, and all others get its answer.
            "Idempotency-Key": idempotency_key,
        },
    )
    for attempt in range(MAX_RETRIES + 1):
        wait_seconds = random.uniform(0, min(8, 0.5 * 2**attempt))
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            # Any other status is a refusal, which would come again.
            if error.code not in (408, 429) and error.code < 500 or attempt == MAX_RETRIES:
                raise
            wait_seconds = min(60, float(error.headers.get("Retry-After", wait_seconds)))
            print(f"{error.code}, again in {wait_seconds:.1f} s")
        except (OSError, http.client.HTTPException) as error:  # no connection, or no whole answer
            if attempt == MAX_RETRIES:
                raise
            print(f"{error}, again in {wait_seconds:.1f} s")
        time.sleep(wait_seconds)
    raise AssertionError("unreachable")


event = {"source": "shop", "event_type": "order.placed", "payload": {"order": 1042}}
created = create(event, "order-1042")
print("created", created["event_id"])
again = create(event, "order-1042")
print("the same event:", again["event_id"] == created["event_id"])

try:
    create({**event, "event_type": ""}, "order-1043")
except urllib.error.HTTPError as error:
    refusal = json.load(error)["error"]
    print(error.code, refusal["code"], refusal["message"], "request", refusal["request_id"])
    for problem in refusal["details"]["errors"]:
        print(problem["field"], problem["issue"])
