"""What the attacker knows of boss's wire: frames, and Hello in postcard, put together byte by byte. It
shares no code with bossd."""

import struct

HELLO = 1
HEARTBEAT = 5
UNKNOWN_KIND = 9_999


def varint(number):
    """An unsigned number of postcard: seven bits a byte, the lowest first."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value):
    return varint(len(value.encode())) + value.encode()


def hello(cluster_id, node, incarnation, session, connection):
    return b"".join([
        varint(cluster_id),
        text(node),
        varint(incarnation),
        varint(session),
        varint(connection),
        varint(0),  # lost
        varint(0),  # features
        b"\0",  # unborn
        text(""),  # canonical
        varint(0),  # extensions
    ])


def message(kind, body, major=1, minor=0):
    """As in a datagram."""
    return struct.pack(">HBB", kind, major, minor) + body


def frame(kind, body, major=1, minor=0):
    """As on a stream."""
    whole = message(kind, body, major, minor)
    return struct.pack(">I", len(whole)) + whole
