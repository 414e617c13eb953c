"""A taker that sends its requests one by one to the endpoints it is told: signed takes and payments."""

import hashlib
import http.client
import json
import os
import time
import uuid

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)


def add_points(a, b):
    """The sum of two points of secp256k1; None is the point at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


POWERS = [G]  # 2^n * G
while len(POWERS) < 256:
    POWERS.append(add_points(POWERS[-1], POWERS[-1]))


def multiply(factor):
    """factor * G."""
    out = None
    for power in POWERS:
        if factor & 1:
            out = add_points(out, power)
        factor >>= 1
    return out


def public_key(secret):
    x, y = multiply(secret)
    return bytes([2 + y % 2]) + x.to_bytes(32, "big")


def sign(secret, digest):
    """The compact ECDSA signature; for tests: the nonce is made of key and digest."""
    nonce = int.from_bytes(hashlib.sha512(secret.to_bytes(32, "big") + digest).digest(), "big") % (N - 1) + 1
    r = multiply(nonce)[0] % N
    s = pow(nonce, -1, N) * (int.from_bytes(digest, "big") + r * secret) % N
    return r.to_bytes(32, "big") + min(s, N - s).to_bytes(32, "big")


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"
    raw = value.encode() if isinstance(value, str) else value
    return b"%d:%s" % (len(raw), raw)


def payment_hash(invoice):
    """The payment hash of a BOLT 11 invoice."""
    words = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".index(c) for c in invoice[invoice.rindex("1") + 1:]]
    at = 7
    while at + 3 <= len(words):
        tag, size = words[at], 32 * words[at + 1] + words[at + 2]
        if (tag, size) == (1, 52):
            bits = "".join(f"{word:05b}" for word in words[at + 3:at + 3 + size])
            return int(bits[:256], 2).to_bytes(32, "big")
        at += 3 + size
    raise ValueError("an invoice without a payment hash")


def satoshi(text):
    whole, _, part = str(text).partition(".")
    return int(whole) * 100_000_000 + int(part.ljust(8, "0") or 0)


def btc(units):
    return f"{units // 100_000_000}.{units % 100_000_000:08}".rstrip("0").rstrip(".")


class Answer:
    """What came back: `body`, or the `code` of a refusal; "silence" when nobody answered."""

    def __init__(self, body=None, code="", reason="", retry_ms=0):
        self.body, self.code, self.reason, self.retry_ms = body, code, reason, retry_ms

    def __repr__(self):
        return f"{self.code}: {self.reason}" if self.code else json.dumps(self.body)

    @property
    def is_final(self):
        return self.code not in ("silence", "unavailable", "limit")


def call(endpoint, message, timeout):
    """Sends a message to a peer: at an address and port, or at a port of 127.0.0.1."""
    address, port = endpoint if isinstance(endpoint, tuple) else ("127.0.0.1", endpoint)
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("POST", "/", json.dumps([str(uuid.uuid4()), "exchange", json.dumps(message)]))
        _, error, result = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return Answer(code="silence", reason=repr(problem))
    finally:
        connection.close()
    if error is None:
        return Answer(json.loads(result))
    try:
        refusal = json.loads(error)
        return Answer(code=refusal["code"], reason=refusal["reason"], retry_ms=refusal["retryAfterMs"])
    except ValueError:
        return Answer(code="unavailable", reason=error)


class Take:
    """One take of an order. It may be asked for at each endpoint of the maker, and each invoice may be paid at each."""

    def __init__(self, order, amount=None, taker=None):
        self.order = order  # as `exchange ctl` shows it
        self.amount = satoshi(amount or order["amount"])
        self.id = str(uuid.uuid4())
        self.secret = taker or int.from_bytes(os.urandom(31), "big") + 1
        self.key = public_key(self.secret)
        self.maker = bytes.fromhex(order["maker"])
        self.hashes = []     # of the invoices
        self.preimages = {}  # by hash

    def _header(self, kind):
        return {"type": kind, "exchangeId": 1, "creatorType": "client", "createdAt": int(time.time() * 1000),
                "orderId": self.order["id"], "takeId": self.id, "taker": self.key.hex()}

    def _signature(self, domain, terms):
        return sign(self.secret, hashlib.sha256(domain + bencode(terms)).digest()).hex()

    def ask(self, endpoint, timeout):
        """Asks for an invoice."""
        message = self._header("ExecuteOrderMessage")
        price = self.order["price"]
        cents = satoshi(price) // 1_000_000
        terms = {"amount": self.amount, "created": message["createdAt"], "maker": self.maker, "order": self.order["id"],
                 "price": cents, "take": self.id, "taker": self.key}
        message |= {"amount": btc(self.amount), "price": price, "signature": self._signature(b"grenache/exchange/take/1:", terms)}
        answer = call(endpoint, message, timeout)
        if not answer.code:
            answer.hash = payment_hash(answer.body["lightningInvoice"])
            if answer.hash not in self.hashes:
                self.hashes.append(answer.hash)
        return answer

    def pay(self, endpoint, timeout, which=0):
        """Pays an invoice: asks for its preimage."""
        message = self._header("PayMessage")
        paid = self.hashes[which]
        terms = {"hash": paid, "maker": self.maker, "order": self.order["id"], "take": self.id, "taker": self.key}
        message |= {"paymentHash": paid.hex(), "signature": self._signature(b"grenache/exchange/pay/1:", terms)}
        answer = call(endpoint, message, timeout)
        if not answer.code:
            preimage = bytes.fromhex(answer.body["preimage"])
            if hashlib.sha256(preimage).digest() != paid:
                raise AssertionError("the preimage is not that of the invoice")
            self.preimages[paid] = preimage
        return answer
