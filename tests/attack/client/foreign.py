"""A session ticket of another server: what a client has that wants to resume where it may not."""

import datetime
import time

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CLIENT, SERVER = ("192.0.2.1", 1), ("192.0.2.2", 2)


def foreign_ticket():
    """Two connections in memory, joined by hand."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elsewhere")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    tickets, kept = [], []
    ours = QuicConfiguration(alpn_protocols=["boss"], is_client=True, verify_mode=0)
    theirs = QuicConfiguration(
        alpn_protocols=["boss"], is_client=False, certificate=certificate, private_key=key
    )
    client = QuicConnection(configuration=ours, session_ticket_handler=tickets.append)
    client.connect(SERVER, now=time.monotonic())
    server = QuicConnection(
        configuration=theirs,
        original_destination_connection_id=client.original_destination_connection_id,
        session_ticket_handler=kept.append,
        session_ticket_fetcher=lambda _: None,
    )
    for _ in range(10):
        for data, _ in client.datagrams_to_send(now=time.monotonic()):
            server.receive_datagram(data, CLIENT, now=time.monotonic())
        for data, _ in server.datagrams_to_send(now=time.monotonic()):
            client.receive_datagram(data, SERVER, now=time.monotonic())
    return tickets[0]
