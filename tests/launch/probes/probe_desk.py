"""A desk with no cluster behind it: it is told how to behave, and does as Ray's own does to the line."""

import json
import os
import sys
import time
from multiprocessing.connection import Connection

line = Connection(int(sys.argv[1]))
options = json.loads(line.recv_bytes())
print(options.get("words", ""), file=sys.stderr, flush=True)
first = {"refused": ["no cluster", "start one"]} if "refuse" in options else {"said": True}
line.send_bytes(json.dumps({"number": 0, **first}).encode())
while True:
    number, verb, given = json.loads(line.recv_bytes())
    if verb == "die":
        os._exit(1)
    if verb == "sleep":
        time.sleep(*given)
    answers = {
        "silent": {"silent": "nobody there"},
        "refuse": {"refused": ["not that one", "another"]},
        "do": {"said": True},
    }
    said = answers.get(verb, {"said": [os.getpid(), *given]})
    line.send_bytes(json.dumps({"number": number, **said}).encode())
