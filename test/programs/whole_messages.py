"""A client without libpcsclite, as some languages have: each request in one write.

It speaks 4:4 alone, takes no other version in the reply for its own, and expects the first two replies whole in one
read. The socket is that of PCSCLITE_CSOCK_NAME.
"""

import os
import socket
import struct
import sys

VERSION, ESTABLISH, RELEASE, CONNECT, DISCONNECT = 0x11, 0x01, 0x02, 0x04, 0x06
BEGIN, END, TRANSMIT, STATUS, READERS, WAIT, STOP = 0x07, 0x08, 0x09, 0x0B, 0x12, 0x13, 0x14
MINOR, SLOTS, SLOT = 4, 16, 184

peer = socket.socket(socket.AF_UNIX)
peer.settimeout(30)
peer.connect(os.environ["PCSCLITE_CSOCK_NAME"])


def exchange(command, body, length, data=b"", whole=False):
    """The reply, which has this length; `whole` in one read."""
    peer.sendall(struct.pack("=II", len(body), command) + body + data)
    reply = peer.recv(length)
    while not whole and 0 < len(reply) < length:
        reply += peer.recv(length - len(reply))
    if len(reply) != length:
        sys.exit("%x: %d bytes in place of %d" % (command, len(reply), length))
    return reply


major, minor, rv = struct.unpack("=iiI", exchange(VERSION, struct.pack("=iiI", 4, MINOR, 0), 12, whole=True))
print("version %d:%d" % (major, minor), rv)
if (major, minor) != (4, MINOR):
    sys.exit("not its own version")
_, context, rv = struct.unpack("=III", exchange(ESTABLISH, struct.pack("=III", 2, 0, 0), 12, whole=True))
print("establish", rv)
array = exchange(READERS, b"", SLOTS * SLOT)
names = [array[at : at + 128].split(b"\0")[0] for at in range(0, len(array), SLOT)]
print("readers", [name.decode() for name in names if name])
again = exchange(WAIT, b"", SLOTS * SLOT)
print("the same", again == array)
print("stop", exchange(STOP, b"", 8).hex())


def connect(name):
    body = struct.pack("=I128sIIiII", context, name, 2, 3, 0, 0, 0)
    card, protocol, rv = struct.unpack("=140xiII", exchange(CONNECT, body, 152))
    print("connect %s" % name.decode(), "%08x" % rv, protocol)
    return card, protocol


card, protocol = connect(names[0])
print("begin", exchange(BEGIN, struct.pack("=iI", card, 0), 8)[4:].hex())
apdu = b"\x80\xe0\x00\x00\x04test"
head = struct.pack("=iIIIIIII", card, protocol, 16, len(apdu), 3, 16, 258, 0)
reply = exchange(TRANSMIT, head, 32 + 6, apdu)
print("transmit", reply[24:32].hex(), reply[32:])
print("status", exchange(STATUS, struct.pack("=iI", card, 0), 8)[4:].hex())
print("end", exchange(END, struct.pack("=iII", card, 0, 0), 12)[8:].hex())
print("disconnect", exchange(DISCONNECT, struct.pack("=iII", card, 0, 0), 12)[8:].hex())
connect(b"no such reader")
print("release", exchange(RELEASE, struct.pack("=II", context, 0), 8)[4:].hex())
print("done")
