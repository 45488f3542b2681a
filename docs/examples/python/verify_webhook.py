"""Receives webhooks on PORT and checks who sent them. Needs Python 3 alone: python3 verify_webhook.py"""

import base64
import binascii
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["TRIGGERS_WEBHOOK_SECRET"]
TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 1_000_000


def webhook_key(secret: str) -> bytes:
    """A generated secret (whsec_…) holds the key in base64; any other secret is the key."""
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret[len("whsec_") :], validate=True)
        except binascii.Error:
            key = b""
        if len(key) >= 16:
            return key
    return secret.encode()


def is_genuine(body: bytes, message_id: str, timestamp: str, signatures: str) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(webhook_key(SECRET), signed, "sha256")).decode()
    # While the secret is being replaced there are two signatures; one must match.
    return any(hmac.compare_digest(expected.encode(), one.encode()) for one in signatures.split(" "))


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BODY_BYTES:
            self.send_error(413)
            return
        # The bytes as they came: JSON that was parsed and written again has another signature.
        body = self.rfile.read(length)
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        if not is_genuine(body, *(self.headers.get(name, "") for name in names)):
            self.send_error(400, "Not a genuine webhook")
            return
        event = json.loads(body)
        print(event["event_type"], event["payload"], flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """No line for each request."""


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Receiver)
print(f"Receiving webhooks on port {server.server_port}", flush=True)
server.serve_forever()
