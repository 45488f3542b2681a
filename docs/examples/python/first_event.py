"""Creates an event, then reads it. Needs Python 3 alone: python3 first_event.py"""

import json
import os
import urllib.request


def call(method: str, path: str, body: object = None) -> dict:
    request = urllib.request.Request(
        os.environ["TRIGGERS_URL"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"X-API-Key": os.environ["TRIGGERS_API_KEY"], "Content-Type": "application/json"},
    )
    # Raises HTTPError for anything but success; its read() gives the answer.
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


created = call("POST", "/v1/events", {"source": "shop", "event_type": "order.placed", "payload": {"order": 1042}})
print("created", created["event_id"])

event = call("GET", f"/v1/events/{created['event_id']}")
print(event["event_id"], event["status"], event["payload"])
