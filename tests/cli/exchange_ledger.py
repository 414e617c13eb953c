"""A client of `exchange ledger`, written from the description of its messages alone; and the ledger as a process."""

import hashlib
import os
import time
import uuid

from exchange_processes import Loopback, Restartable
from exchange_taker import N, POWERS, P, add_points, bencode, call, multiply, public_key, sign
from support import BIN


def point_of(key):
    """The point that a compressed public key stands for."""
    x = int.from_bytes(key[1:], "big")
    y = pow(x**3 + 7, (P + 1) // 4, P)
    return x, y if y % 2 == key[0] % 2 else P - y


def multiply_point(point, factor):
    out = None
    while factor:
        if factor & 1:
            out = add_points(out, point)
        point = add_points(point, point)
        factor >>= 1
    return out


def is_signed(key, digest, signature):
    """Whether the holder of the key signed the digest (ECDSA over secp256k1)."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s <= N // 2):
        return False
    inverse = pow(s, -1, N)
    found = add_points(multiply(int.from_bytes(digest, "big") * inverse % N), multiply_point(point_of(key), r * inverse % N))
    return found is not None and found[0] % N == r


def canonical(value):
    """What is signed of a JSON value: lists too, which the bencoding of the other messages does not need."""
    if isinstance(value, list):
        return b"l" + b"".join(canonical(item) for item in value) + b"e"
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(name) + canonical(value[name]) for name in sorted(value)) + b"e"
    return bencode(value)


def digest_of(domain, body):
    unsigned = {name: value for name, value in body.items() if name != "signature"}
    return hashlib.sha256(domain + canonical(unsigned)).digest()


class Client:
    """A key, and what it asks of a ledger."""

    def __init__(self, name, secret=None):
        self.name = name
        self.secret = secret or int.from_bytes(os.urandom(31), "big") + 1
        self.key = public_key(self.secret).hex()

    def request(self, kind, ledger=None, **members):
        """A signed request, as JSON."""
        body = {"type": kind, "nonce": os.urandom(16).hex(), **members}
        if ledger:
            body["ledger"] = ledger.id
        body["signature"] = sign(self.secret, digest_of(b"grenache/exchange/ledger-request/1:", body)).hex()
        return body

    def ask(self, ledger, kind, **members):
        return ledger.answer(self.request(kind, ledger, **members))

    def open(self, ledger, start, endpoint=""):
        return self.ask(ledger, "OpenAccountMessage", name=self.name, key=self.key, start=start, endpoint=endpoint)

    def transfer(self, to, amount, life_s=3600):
        """The members of a transfer."""
        return {"transferId": str(uuid.uuid4()), "from": self.key, "to": to.key, "amount": amount,
                "validUntil": int(time.time() * 1000) + life_s * 1000}

    def pay(self, ledger, to, amount):
        return self.send(ledger, self.transfer(to, amount))

    def send(self, ledger, transfer):
        return self.ask(ledger, "TransferMessage", **transfer)

    def balance(self, ledger):
        return self.ask(ledger, "GetAccountMessage", key=self.key)["balance"]


class Refused(Exception):
    """An unsigned refusal, or silence."""


class LedgerProcess(Restartable):
    """An `exchange ledger` that has the same port and folder after a restart."""

    def __init__(self, folder, *arguments, prefix=()):
        super().__init__(Loopback())
        self.folder, self.arguments, self.prefix = str(folder), arguments, prefix
        self.id = None
        self.start()

    def start(self):
        self.start_process(*self.prefix, BIN / "exchange", "ledger", "--data-dir", self.folder, "--bind", "127.0.0.1", "--port", str(self.port),
                           "--log-format", "json", *self.arguments)
        try:
            self.ready = self.process.wait_event("ready")
        except AssertionError:
            self.close()
            raise
        self.id = self.ready["ledger_id"]

    def answer(self, request):
        """The verified answer; Refused if there is none."""
        answer = call(self.port, request, timeout=30)
        if answer.code:
            raise Refused(repr(answer))
        body = answer.body
        asked = digest_of(b"grenache/exchange/ledger-request/1:", request).hex()
        unsigned = {name: value for name, value in body.items() if name != "signature"}
        digest = hashlib.sha256(b"grenache/exchange/ledger-answer/1:" + canonical({"answer": unsigned, "request": asked})).digest()
        if body["ledger"] != self.id or not is_signed(bytes.fromhex(self.id), digest, bytes.fromhex(body["signature"])):
            raise AssertionError(f"not signed by the ledger: {body}")
        return body

    def info(self):
        return self.answer({"type": "GetLedgerMessage", "nonce": os.urandom(16).hex()})

    def accounts(self, client, page=100):
        """All accounts by name, read in pages."""
        out, after = {}, ""
        while True:
            items = client.ask(self, "GetAccountsMessage", after=after, max=page)["accounts"]
            out |= {item["name"]: item for item in items}
            if len(items) < page:
                return out
            after = items[-1]["name"]
