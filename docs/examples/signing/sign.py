"""Creates a signed event, then lists its source's events with a signed query. Needs Python 3 alone: python3 sign.py"""

import base64
import hashlib
import hmac
import json
import os
import time
import urllib.request


def send(method: str, target: str, body: bytes = b"") -> str:
    path, _, query = target.partition("?")
    timestamp = str(int(time.time()))
    signed = "\n".join([method, path, query, timestamp, hashlib.sha256(body).hexdigest()])
    signature = hmac.digest(os.environ["TRIGGERS_SIGNING_SECRET"].encode(), signed.encode(), "sha256")
    request = urllib.request.Request(
        os.environ["TRIGGERS_URL"] + target,
        method=method,
        data=body or None,
        headers={
            "X-API-Key": os.environ["TRIGGERS_API_KEY"],
            "Content-Type": "application/json",
            "X-Signature-Version": "v1",
            "X-Signature-Timestamp": timestamp,
            "X-Signature": base64.b64encode(signature).decode(),
        },
    )
    # Raises HTTPError for anything but success; its read() gives the answer.
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


event = {"source": "my shop", "event_type": "order.placed", "payload": {"order": 1042, "name": "Zoë"}}
print(send("POST", "/v1/events", json.dumps(event, ensure_ascii=False).encode()))
print(send("GET", "/v1/events?source=my%20shop&limit=10"))
