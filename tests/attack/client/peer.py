"""One QUIC connection of the attacker, over a socket of its own, without asyncio: aioquic's
connection decides what is sent, and the attack decides when."""

import select
import socket
import ssl
import time

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic import events


class Peer:
    def __init__(self, target, source, server_name, certificate=None, key=None, ticket=None):
        configuration = QuicConfiguration(
            alpn_protocols=["boss"],
            is_client=True,
            server_name=server_name,
            # The attacker does not care whom it talks to.
            verify_mode=ssl.CERT_NONE,
            max_datagram_frame_size=65_536,
            session_ticket=ticket,
            idle_timeout=30.0,
        )
        if certificate:
            configuration.load_cert_chain(certificate, key)
        self.tickets = []
        self.quic = QuicConnection(
            configuration=configuration, session_ticket_handler=self.tickets.append
        )
        self.target = target
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((source, 0))
        self.socket.setblocking(False)
        self.shaken = False
        self.closed = None
        self.received = {}
        self.retried = False

    def connect(self):
        self.quic.connect(self.target, now=time.monotonic())
        self.flush()

    def flush(self):
        for data, _ in self.quic.datagrams_to_send(now=time.monotonic()):
            try:
                self.socket.sendto(data, self.target)
            except OSError:
                pass

    def turn(self, patience=0.0):
        """Takes what has come, tells the connection of the time, sends what that calls for."""
        select.select([self.socket], [], [], patience)
        while True:
            try:
                data, sender = self.socket.recvfrom(65_536)
            except OSError:
                break
            # The first packet in answer to an Initial: 0xf0 is Retry in version 1.
            if data and data[0] & 0xF0 == 0xF0:
                self.retried = True
            self.quic.receive_datagram(data, sender, now=time.monotonic())
        timer = self.quic.get_timer()
        if timer is not None and timer <= time.monotonic():
            self.quic.handle_timer(now=time.monotonic())
        while (event := self.quic.next_event()) is not None:
            self.take(event)
        self.flush()

    def take(self, event):
        if isinstance(event, events.HandshakeCompleted):
            self.shaken = True
        elif isinstance(event, events.StreamDataReceived):
            self.received[event.stream_id] = self.received.get(event.stream_id, b"") + event.data
        elif isinstance(event, events.ConnectionTerminated):
            self.closed = f"{event.error_code}: {event.reason_phrase}"

    def until(self, condition, seconds):
        """Whether it came about in time; a connection that is closed is not waited for."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or self.closed is not None:
                return condition()
            self.turn(0.02)
        return True

    def say_hello(self, hello):
        """Says Hello and waits for the Welcome. Whether it came."""
        stream = self.quic.get_next_available_stream_id()
        self.quic.send_stream_data(stream, hello, end_stream=True)
        self.flush()
        return self.until(lambda: self.received.get(stream), 5)

    def end(self):
        if self.closed is None:
            self.quic.close()
            self.flush()
        self.socket.close()
