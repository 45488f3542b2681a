"""Handles the inbox's events, oldest first, until it is stopped (Ctrl-C or SIGTERM). Needs Python 3 alone: python3 consume_inbox.py"""

import json
import os
import signal
import threading
import urllib.error
import urllib.request

stopping = threading.Event()
for name in (signal.SIGINT, signal.SIGTERM):
    signal.signal(name, lambda *_: stopping.set())


def call(method: str, path: str) -> dict:
    request = urllib.request.Request(
        os.environ["TRIGGERS_URL"] + path, method=method, headers={"X-API-Key": os.environ["TRIGGERS_API_KEY"]}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def handle(event: dict) -> None:
    print(event["event_type"], event["payload"], flush=True)


while not stopping.is_set():
    events = call("GET", "/v1/inbox?limit=100")["events"]
    for event in events:
        if stopping.is_set():
            break
        # An event whose handling raises stays in the inbox and comes again: handle one twice as if it came once.
        handle(event)
        try:
            call("POST", f"/v1/events/{event['event_id']}/ack")
        except urllib.error.HTTPError as error:
            if error.code != 409:  # somebody else has acknowledged it
                raise
    if not events:
        stopping.wait(1)
