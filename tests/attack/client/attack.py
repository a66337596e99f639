"""The attacker: one attack for each run, told by a JSON document on standard input; what came of it
as one JSON document on standard output. Judging is the caller's business."""

import json
import os
import random
import socket
import sys
import time

import wire
from foreign import foreign_ticket
from peer import Peer


def peer(job, **more):
    target = ("127.0.0.1", job["port"])
    own = {"certificate": job.get("certificate"), "key": job.get("key")}
    return Peer(target, job["source"], job["server_name"], **{**own, **more})


def hello(job):
    number = random.getrandbits(63) | 1
    body = wire.hello(
        int(job["cluster_id"], 16), job["node"], int(job["incarnation"], 16), number, number
    )
    return wire.frame(wire.HELLO, body)


def enter(job):
    """Tries to get in in the regular way, and says how far it came."""
    ticket = foreign_ticket() if job.get("resume") else None
    it = peer(job, ticket=ticket)
    it.connect()
    # The server judges the client's certificate after the client has finished: whoever waits a
    # little knows.
    it.until(lambda: it.shaken, 5)
    welcome = it.shaken and it.closed is None and it.say_hello(hello(job))
    it.until(lambda: False, job.get("stay", 0.5))
    result = {
        "shaken": it.shaken,
        "welcome": bool(welcome),
        "closed": it.closed,
        "tickets": len(it.tickets),
        "retried": it.retried,
    }
    it.end()
    return result


def garbage(job):
    """Gets in as a member, and says what cannot be read."""
    it = peer(job)
    it.connect()
    it.until(lambda: it.shaken, 5)
    welcome = it.say_hello(hello(job))
    what = job["what"]
    stream = it.quic.get_next_available_stream_id(is_unidirectional=True)
    if what == "long frame":
        it.quic.send_stream_data(stream, (0xFFFFFFFF).to_bytes(4, "big") + b"\1" * 1_000)
    elif what == "noise":
        it.quic.send_stream_data(stream, random.randbytes(4_000))
    elif what == "body":
        it.quic.send_stream_data(stream, wire.frame(wire.HEARTBEAT, b"\xff" * 40))
    elif what == "short datagram":
        it.quic.send_datagram_frame(b"\1")
    it.flush()
    it.until(lambda: False, 5)
    again = enter({**job, "stay": 0.2})
    result = {"welcome": bool(welcome), "closed": it.closed, "again": again}
    it.end()
    return result


def endless(job):
    """Gets in as a member, and sends all that the limits allow, for as long as told: frames of a kind
    that nobody knows, which are no fault, or as many datagrams."""
    it = peer(job)
    it.connect()
    it.until(lambda: it.shaken, 5)
    welcome = it.say_hello(hello(job))
    end = time.monotonic() + job["seconds"]
    frame = wire.frame(wire.UNKNOWN_KIND, bytes(60_000))
    note = wire.message(wire.UNKNOWN_KIND, bytes(1_000))
    sent = {"stream": 0, "datagrams": 0, "streams": 0}
    first = it.quic.get_next_available_stream_id(is_unidirectional=True)
    it.quic.send_stream_data(first, frame)
    for _ in range(job.get("more_streams", 0)):
        # The beginning of a frame that never goes on; the limit of streams holds them back.
        more = it.quic.get_next_available_stream_id(is_unidirectional=True)
        it.quic.send_stream_data(more, b"\0\0")
        sent["streams"] += 1
    while time.monotonic() < end and it.closed is None:
        if job.get("datagrams"):
            for _ in range(20):
                it.quic.send_datagram_frame(note)
                sent["datagrams"] += 1
        elif len(it.quic._streams[first].sender._buffer) < 1 << 20:
            it.quic.send_stream_data(first, frame)
            sent["stream"] += len(frame)
        it.turn(0.001)
    it.turn()
    result = {"welcome": bool(welcome), "closed": it.closed, "sent": sent}
    it.end()
    return result


def half_open(job):
    """Begins handshakes and never goes on."""
    first = []
    for _ in range(job.get("different", 200)):
        it = peer(job)
        it.quic.connect(it.target, now=time.monotonic())
        first.append([data for data, _ in it.quic.datagrams_to_send(now=time.monotonic())][0])
        it.socket.close()
    target = ("127.0.0.1", job["port"])
    begun, answers, started = 0, 0, time.monotonic()
    if "marker" in job:
        # Whoever waits for it does something in the middle of the flood.
        open(job["marker"], "w").close()
    while time.monotonic() < started + job["seconds"]:
        # A few hundred ports: each is another host for a table that goes by address and port.
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((job["source"], 0))
        sock.setblocking(False)
        for data in random.sample(first, min(50, len(first))):
            try:
                sock.sendto(data, target)
                begun += 1
            except OSError:
                pass
        time.sleep(0.002)
        try:
            while sock.recv(2_048):
                answers += 1
        except OSError:
            pass
        sock.close()
    return {"begun": begun, "answers": answers, "seconds": time.monotonic() - started}


def proved_half_open(job):
    """Proves its address and then begins handshakes that never go on."""
    begun, proved, started, open_ones = 0, 0, time.monotonic(), []
    while time.monotonic() < started + job["seconds"]:
        it = peer(job)
        it.connect()
        it.until(lambda: it.retried, 0.2)
        begun += 1
        proved += it.retried
        open_ones.append(it)
        if len(open_ones) > 200:
            open_ones.pop(0).socket.close()
    return {"begun": begun, "proved": proved, "seconds": time.monotonic() - started}


def handshakes(job):
    """Whole handshakes as fast as one client can, several at a time; none can come to an end."""
    begun, shaken, closed, started, open_ones = 0, 0, 0, time.monotonic(), []
    reasons = {}
    while time.monotonic() < started + job["seconds"]:
        while len(open_ones) < 20:
            it = peer(job)
            it.connect()
            open_ones.append((it, time.monotonic()))
            begun += 1
        for it, at in list(open_ones):
            it.turn()
            if it.closed is not None or time.monotonic() > at + 1:
                closed += it.closed is not None
                shaken += it.shaken
                reason = (it.closed or "silence")[:60]
                reasons[reason] = reasons.get(reason, 0) + 1
                it.socket.close()
                open_ones.remove((it, at))
    seconds = time.monotonic() - started
    return {"begun": begun, "closed": closed, "shaken": shaken, "reasons": reasons, "seconds": seconds}


def flood(job):
    """Datagrams that are no QUIC, or hardly: noise, other versions, short headers, empty ones."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((job["source"], 0))
    sock.setblocking(False)
    noise = [os.urandom(random.choice([0, 1, 7, 40, 600, 1_200, 1_400])) for _ in range(200)]
    versions = [b"\xc0" + os.urandom(4) + b"\x08" + os.urandom(1_190) for _ in range(50)]
    short = [b"\x40" + os.urandom(60) for _ in range(50)]
    all_of_them = noise + versions + short
    target, sent, answers, started = ("127.0.0.1", job["port"]), 0, 0, time.monotonic()
    while time.monotonic() < started + job["seconds"]:
        for data in all_of_them:
            try:
                sock.sendto(data, target)
                sent += 1
            except OSError:
                pass
        try:
            while sock.recv(2_048):
                answers += 1
        except OSError:
            pass
    return {"sent": sent, "answers": answers, "seconds": time.monotonic() - started}


ATTACKS = [enter, garbage, endless, half_open, proved_half_open, handshakes, flood]


def main():
    job = json.load(sys.stdin)
    attack = {it.__name__: it for it in ATTACKS}[job["attack"]]
    json.dump(attack(job), sys.stdout)


if __name__ == "__main__":
    main()
