"""Creates the events of a file, one JSON object a line. Needs Python 3 alone: python3 bulk_load.py events.ndjson

Each line has a metadata.idempotency_key, so that a second run makes no second events.
"""

import itertools
import json
import os
import sys
import urllib.request


def create(items: list) -> dict:
    request = urllib.request.Request(
        os.environ["TRIGGERS_URL"] + "/v1/events/bulk",
        data=json.dumps({"items": items}).encode(),
        headers={"X-API-Key": os.environ["TRIGGERS_API_KEY"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


stored = refused = 0
with open(sys.argv[1], encoding="utf-8") as file:
    for first, lines in zip(itertools.count(1, 25), iter(lambda: list(itertools.islice(file, 25)), [])):
        answer = create([json.loads(line) for line in lines])
        stored += len(answer["successful"])
        refused += len(answer["failed"])
        for item in answer["failed"]:
            print(f"line {first + item['index']}: {item['error']['message']}", file=sys.stderr)
print(f"{stored} stored, {refused} refused")
sys.exit(1 if refused else 0)
