"""A program that has loaded one libpcsclite or more, and counts the slot records that it is sent.

    program.py LIBRARIES MINOR ORDER

LIBRARIES are files with commas between, or nothing; those whose names end with ".mapped" are only mapped, not loaded. It prints "loaded", waits for a line of input, asks for the array of readers on
the socket that PCSCLITE_CSOCK_NAME names, and prints how many records came and in how many ms the version was answered.
It speaks the protocol by hand, as a library of any number of slots would: it asks for its version once more behind the
array, and the records end where that answer begins (protocol reference, section 6.4).
"""

import ctypes
import mmap
import os
import socket
import struct
import sys
import time

library, minor, order = sys.argv[1], int(sys.argv[2]), sys.argv[3]
maps = []
for path in library.split(",") if library else []:
    if path.endswith(".mapped"):
        # Not loaded, but seen among the maps like one that is.
        maps.append(mmap.mmap(os.open(path, os.O_RDONLY), 4096, prot=mmap.PROT_READ))
    else:
        ctypes.CDLL(path)
VERSION, READERS = 0x11, 0x12
RECORD = 184


def words(*values):
    return struct.pack(("<" if order == "little" else ">") + "%dI" % len(values), *values)


def take(connection, count):
    taken = b""
    while len(taken) < count:
        chunk = connection.recv(count - len(taken))
        if not chunk:
            raise EOFError("hung up")
        taken += chunk
    return taken


print("loaded", flush=True)
for _ in sys.stdin:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ["PCSCLITE_CSOCK_NAME"])
    version = words(12, VERSION, 4, minor, 0)
    answer = words(4, minor, 0)
    started = time.monotonic()
    connection.sendall(version)
    assert take(connection, 12) == answer
    ms = (time.monotonic() - started) * 1000
    connection.sendall(words(0, READERS) + version)
    count = 0
    head = take(connection, len(answer))
    while head != answer:
        take(connection, RECORD - len(head))
        count += 1
        head = take(connection, len(answer))
    print("%d records, version after %.1f ms" % (count, ms), flush=True)
    connection.close()
