"""Runs its arguments on a terminal of their own, as a terminal window does. Standard input is orders, a line each:
"type TEXT" types text (a JSON string), "close" closes the window. The program's output is copied to standard output,
and its end is reported as "exit STATUS" or "signal NUMBER"."""

import json
import os
import pty
import select
import sys
import time

pid, window = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])


def show(text):
    os.write(1, text)


orders = b""
sources = [0, window]
while True:
    ready, _, _ = select.select(sources, [], [], 0.05)
    if window in ready:
        try:
            text = os.read(window, 65536)
        except OSError:  # every program has closed the terminal
            text = b""
        if text:
            show(text)
        else:
            sources.remove(window)
    if 0 in ready:
        more = os.read(0, 65536)
        if not more:
            sources.remove(0)
        orders += more
        *lines, orders = orders.split(b"\n")
        for line in lines:
            word, _, rest = line.partition(b" ")
            if word == b"type":
                os.write(window, json.loads(rest).encode())
            elif word == b"close":
                if window in sources:
                    sources.remove(window)
                os.close(window)
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        break

# What it wrote last.
while window in sources and select.select([window], [], [], 0.1)[0]:
    try:
        text = os.read(window, 65536)
    except OSError:
        break
    if not text:
        break
    show(text)
if os.WIFSIGNALED(status):
    show(b"\nsignal %d\n" % os.WTERMSIG(status))
else:
    show(b"\nexit %d\n" % os.WEXITSTATUS(status))
