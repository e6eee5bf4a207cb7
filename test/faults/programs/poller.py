"""Looks at a socket path as fast as it can until its input ends, and says, as a line of JSON, each state that it saw in
which order: "none", or what stat says of mode and group. With "connect" as second argument it also connects each time,
and counts the outcomes. Says "looking" when it has begun, and the number of looks at its end."""

import json
import os
import socket
import sys
import threading
from collections import Counter

PATH, HOW = sys.argv[1], sys.argv[2]

stopping = threading.Event()
outcomes = Counter()
looks = 0


def say(**what):
    print(json.dumps(what), flush=True)


def state():
    try:
        found = os.stat(PATH)
    except FileNotFoundError:
        return "none"
    return "%o:%d" % (found.st_mode & 0o7777, found.st_gid)


def look():
    global looks
    last, is_last_look = None, False
    while not is_last_look:
        # One more look after the end of input: what was true by then is always seen.
        is_last_look = stopping.is_set()
        looks += 1
        now = state()
        if now != last:
            last = now
            say(state=now)
        if HOW == "connect":
            with socket.socket(socket.AF_UNIX) as caller:
                try:
                    caller.connect(PATH)
                    outcomes["connected"] += 1
                except OSError as error:
                    outcomes[error.__class__.__name__] += 1
        if looks == 1:
            say(looking=True)


thread = threading.Thread(target=look)
thread.start()
sys.stdin.read()
stopping.set()
thread.join()
say(looks=looks, outcomes=outcomes)
