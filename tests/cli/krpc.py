"""Hand-made KRPC datagrams."""

import contextlib
import itertools
import os
import socket
import time

from support import LIMIT_S


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    pairs = sorted((key.encode(), item) for key, item in value.items())
    return b"d" + b"".join(bencode(key) + bencode(item) for key, item in pairs) + b"e"


def bdecode(bytes_):
    """Keys of dictionaries become text, all other strings are bytes."""
    value, end = _decode(bytes_, 0)
    if end != len(bytes_):
        raise ValueError("more than one value")
    return value


def _decode(bytes_, at):
    kind = bytes_[at:at + 1]
    if kind == b"i":
        end = bytes_.index(b"e", at)
        return int(bytes_[at + 1:end]), end + 1
    if kind in (b"l", b"d"):
        items = []
        at += 1
        while bytes_[at:at + 1] != b"e":
            item, at = _decode(bytes_, at)
            items.append(item)
        if kind == b"d":
            return {key.decode(): value for key, value in zip(items[::2], items[1::2])}, at + 1
        return items, at + 1
    colon = bytes_.index(b":", at)
    end = colon + 1 + int(bytes_[at:colon])
    return bytes_[colon + 1:end], end


def compact(host, port):
    return socket.inet_aton(host) + port.to_bytes(2, "big")


class Peer:
    """A UDP socket with KRPC. With an id of 20 bytes it is a candidate for routing tables, with a shorter one it is not."""

    _transactions = itertools.cycle(range(0x6161, 0x7a7a))

    def __init__(self, node_id=b"nobody", host="127.0.0.1"):
        self.id = node_id
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.queries = []  # received while waiting for an answer

    def send(self, port, message):
        self.socket.sendto(message if isinstance(message, bytes) else bencode(message), ("127.0.0.1", port))

    def query(self, method, arguments, transaction=b"aa"):
        return {"t": transaction, "y": "q", "q": method, "a": {"id": self.id, **arguments}}

    def receive(self, timeout=LIMIT_S):
        """Returns the next raw datagram; None after the timeout."""
        self.socket.settimeout(max(timeout, 0.001))
        with contextlib.suppress(TimeoutError):
            return self.socket.recv(65536)
        return None

    def ask_raw(self, port, method, /, **arguments):
        """Repeats the query until the answer arrives, since UDP may drop it; returns the datagram."""
        transaction = next(self._transactions).to_bytes(2, "big")
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            self.send(port, self.query(method, arguments, transaction))
            again = time.monotonic() + 1
            while (bytes_ := self.receive(again - time.monotonic())) is not None:
                message = bdecode(bytes_)
                if message["y"] == b"q":
                    self.queries.append(message)
                elif message["t"] == transaction:
                    return bytes_
        raise AssertionError(f"no answer to {method}")

    def ask(self, port, method, /, **arguments):
        return bdecode(self.ask_raw(port, method, **arguments))

    def next_query(self, method):
        """Returns the next query of that name, including those received before."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            while self.queries:
                message = self.queries.pop(0)
                if message["q"] == method.encode():
                    return message
            if (bytes_ := self.receive(end - time.monotonic())) is not None:
                message = bdecode(bytes_)
                if message["y"] == b"q":
                    self.queries.append(message)
        raise AssertionError(f"nobody asked {method}")

    def reply(self, port, query, **fields):
        self.send(port, {"t": query["t"], "y": "r", "r": {"id": self.id, **fields}})

    def close(self):
        self.socket.close()


def random_id():
    return os.urandom(20)
