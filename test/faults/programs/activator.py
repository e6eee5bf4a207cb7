"""A socket unit for pcscd, without systemd: listens at /run/pcscd/pcscd.comm, starts pcscd when somebody connects, and
listens on when it has ended. Arguments are pcscd's."""

import os
import select
import signal
import socket
import subprocess
import sys

PATH = "/run/pcscd/pcscd.comm"

if os.path.exists(PATH):
    os.unlink(PATH)
listener = socket.socket(socket.AF_UNIX)
listener.bind(PATH)
os.chmod(PATH, 0o666)
listener.listen(64)
daemon = None


def end(*_):
    if daemon:
        daemon.terminate()
        daemon.wait()
    os._exit(0)


signal.signal(signal.SIGTERM, end)


def hand_over():
    # sd_listen_fds(3): the first socket is descriptor 3, and LISTEN_PID says whom it is for.
    os.dup2(listener.fileno(), 3)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))


while True:
    select.select([listener], [], [])
    print("starting pcscd", flush=True)
    daemon = subprocess.Popen(["pcscd", *sys.argv[1:]], preexec_fn=hand_over, close_fds=False)
    daemon.wait()
    print("pcscd has ended", flush=True)
