#!/usr/bin/env python3
"""Writes first inputs for the fuzz targets, made of the recordings in tests/golden and the examples of BOLT 11.

    tests/fuzz/seeds.py FOLDER    writes FOLDER/<target>/…; merge them with: fuzz_<target> -merge=1 CORPUS FOLDER/<target>
"""
import base64
import gzip
import hashlib
import json
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
ORDER = {"type": "AddOrderMessage", "exchangeId": 1337, "creatorType": "client", "createdAt": 1700000000000,
         "id": "00000000-0000-4000-8000-000000000001", "buy": "BTC", "sell": "USD", "amountToBuy": 0.5}
SIGNED = {**ORDER, "price": "60000", "amount": "1", "remaining": "0.5", "status": "OPEN", "seq": 1, "maker": "02" + "11" * 32,
          "created": 1700000000000, "expires": 1700000360000, "endpoint": "127.0.0.1:1337", "signature": "22" * 64}
HEADER = {"exchangeId": 1337, "creatorType": "client", "createdAt": 1700000000000}
MESSAGES = [
    ORDER, SIGNED, [ORDER, SIGNED, 1], {**SIGNED, "status": "CANCELLED", "seq": 2},
    {"type": "PingPongMessage", **HEADER, "message": "ping"},
    {"type": "PingPongMessage", **HEADER, "message": "pong", "peer": "03" + "11" * 32, "instance": "00ff", "name": "me"},
    {"type": "GetOrderbookMessage", **HEADER}, {"type": "GetOrderMatchesMessage", **HEADER, "orderId": ORDER["id"]},
    {"type": "ExecuteOrderMessage", **HEADER, "orderId": ORDER["id"]},
    {"type": "ExecuteOrderMessage", **HEADER, "orderId": ORDER["id"], "takeId": ORDER["id"], "amount": "0.5",
     "price": "60000", "taker": "02" + "33" * 32, "signature": "44" * 64},
    {"type": "ExecuteOrderResponse", **HEADER, "orderId": ORDER["id"], "lightningInvoice": "lnbcrt1", "expiresAt": 1,
     "exiresAt": 1, "takeId": ORDER["id"], "amount": "0.5"},
    {"type": "ReconcileMessage", **HEADER, "endpoint": "127.0.0.1:1", "salt": "00" * 8, "fingerprint": "AAAAAAAA", "expand": 2},
    {"type": "ReconcileMessage", **HEADER, "salt": "00" * 8, "length": 3, "prefixes": "000abcfff", "expand": 1},
    {"type": "ReconcileAnswer", "nodes": base64.b64encode(b"\x01\x01" + bytes(14)).decode()},
    {"type": "ReconcileAnswer", "nodes": base64.b64encode(b"\x01\x00\x02" + bytes(96)).decode()},
    {"type": "InventoryMessage", **HEADER, "endpoint": "127.0.0.1:1", "ids": "AAAAAAAAAAAAAAAA", "orders": [SIGNED, 1]},
    {"type": "InventoryAnswer", "unknown": "/wE=", "refused": 1},
    {"type": "GetRecordsMessage", **HEADER, "positions": "AAAAAAAAAAAAAAAA"},
    {"type": "RecordsAnswer", "orders": [SIGNED, 1], "left": 1},
    {"type": "ErrorMessage", "code": "self-trade", "reason": "x", "retryAfterMs": 1000},
]


def golden(name):
    return json.loads((TESTS / "golden" / name).read_text())


def datagrams():
    krpc = golden("krpc.json")
    yield from (bytes.fromhex(item["hex"]) for item in krpc["trace"] if "hex" in item)
    for probe in krpc["probes"].values():
        yield from map(bytes.fromhex, [probe["query"], *probe["replies"]])


def rpc_bodies():
    for item in golden("rpc_node.json").values():
        for text in item.values() if isinstance(item, dict) else []:
            if isinstance(text, str) and "\r\n\r\n" in text:
                yield text.split("\r\n\r\n", 1)[1].encode()


def http_bodies():
    targets = ["/lookup", "/announce", "/put", "/get"]
    for case in golden("grape-http.json"):
        for step in case["steps"]:
            target = targets.index(step["path"]) if step["path"] in targets else 4
            for body in (step.get("body"), step.get("reply")):
                if isinstance(body, str) and len(body) < 2000:
                    yield bytes([target, 0]) + body.encode()
    for body in rpc_bodies():
        yield bytes([0, 11]) + b'["r","key"]' + body


def rpc_frames():
    for body in rpc_bodies():
        yield bytes([16, 1]) + body
        yield bytes([16, 0]) + gzip.compress(body, mtime=0)
    request = base64.b64decode(golden("rpc_node.json")["client_gzip"]["request_base64"])
    yield bytes([16, 0]) + request.split(b"\r\n\r\n", 1)[1]


def connections():
    steps = [step for case in golden("grape-http.json") for step in case["steps"]]
    texts = []
    for step in steps:
        body = step["body"] if isinstance(step.get("body"), str) else ""
        if len(body) < 2000:
            texts.append(f"POST {step['path']} HTTP/1.1\r\nHost: a:1\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode())
    texts += [
        b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nHEAD / HTTP/1.0\r\n\r\n",
        b"POST /get HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\nTrailer: x\r\n\r\n",
        b"POST /put HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 65\r\n\r\n" + b"x" * 65,
        b"GET / HTTP/1.1\r\nLong: " + b"x" * 300 + b"\r\n\r\n", b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    ]
    for at, text in enumerate(texts):
        for small in (0, 1):
            yield bytes([small, 3, 1 + at % 20, 7, 30]) + text
            yield bytes([small, 2, 40, 90]) + text + texts[(at + 1) % len(texts)] + texts[(at + 2) % len(texts)]


def stores():
    """Wire stores, requests of users and a restart, under every combination of options."""
    for options in range(32):
        # An asker of either family: pings, gets a token and announces, finds it, takes it back; puts every item.
        host = 0x22 if options & 8 else 2
        script = bytes([8, 2, 1, host, 6, host, 9, 0, 6, host, 9, 0x98, 7, host, 9, 65, 1, 57, 5, 0, 6, host, 9, 2, 65])
        script += bytes([14, host, 9, 65, 1, 57, 5, 0])
        for item in range(16):
            script += bytes([13, host, 9, 1, item, 0])
        script += bytes([11, 1, 1, 11, 9, 0x42, 10, 1, 10, 9, 3, 65, 57, 5, 2, 65, 12, 65, 57, 5])
        for answer in range(6):
            script += bytes([4, answer, 0, 0xf0 + answer, 2, 4, answer + 1, 0x24, answer + 2, 0x30 + answer, 9 + answer, 3]) + b"tok" + bytes([2, answer])
        yield bytes([options]) + script + bytes([1, 12, 15, 3, 1, 16, 10, 2, 11, 5, 0, 1, 22])


def node_scripts():
    all_datagrams = list(datagrams())
    yield from stores()
    for size, profile in ((3, 0), (12, 1), (40, 3), (12, 5), (12, 13)):
        for first in range(0, len(all_datagrams), size):
            steps = [bytes([profile, 8, 2, 1, 2])]
            for at, datagram in enumerate(all_datagrams[first:first + size]):
                steps.append(bytes([0, at % 8]) + len(datagram).to_bytes(2, "little") + datagram)
                steps.append(bytes([4, 0, 0, at, 1, at, at % 8, 1, at, 3]) + b"tok")
            yield b"".join(steps + [bytes([2, 1, 1, 9, 3, 57, 5, 1, 7, 1, 2, 1, 1, 57, 5, 0, 1, 12])])


def invoices():
    source = (TESTS / "unit/bolt11/examples.hpp").read_text()
    for text in re.findall(r'"((?:[^"\n]|"\s*\n?\s*")*)"', source):
        joined = re.sub(r'"\s*"', "", text)
        if joined.lower().startswith("ln"):
            yield b"\0" + joined.encode()
    fields = bytes([0]) + bytes(range(52)) + bytes([1]) + bytes(52) + bytes([2, 4]) + b"abcd"
    yield bytes([1, 5]) + bytes(7) + bytes([3]) + fields


def money():
    texts = ["0", "1", "0.00000001", "60000.5", "1e8", "-1", "1.000000000", "0.1e-3", "21000000 1000000000", "1 60000",
             "100e-2", "0.30000000000000004", "1E+2"]
    return (text.encode() for text in texts)


def trader_scripts(messages):
    """Messages, then whole trades as maker and as taker, cut by crashes at every place."""
    for text in messages:
        yield bytes([0]) + len(text).to_bytes(2, "little") + text
    publish = bytes([3, 0, 0xe8, 3] + 8 * [0] + [1, 60, 0])
    reserve, settle = bytes([7, 0]), bytes([7, 0])
    take = bytes([5, 1, 0, 7, 1, 4, 0, 0, 1, 0])
    sale = [reserve, publish, take, reserve, bytes([12, 0, 7, 0]), settle]
    meet = bytes([8, 1, 0, 1, 10, 0, 7, 1, 0])
    offer = bytes([2, 0, 1, 0, 0x18, 1, 31, 1, 0])
    paid = [bytes([10, 0, 1, 7, 0, 0]), bytes([14, 0]), bytes([10, 0, 0, 7, 0])]
    purchase = [reserve, offer, bytes([13, 0, 0]), *paid]
    held = [reserve, bytes([3, 1, 0xe8, 3] + 8 * [0] + [1, 60, 0]), offer, bytes([13, 0, 8, 0]), reserve, *paid, settle]
    for trade in (sale, purchase, held, [reserve, meet, *sale, meet, *purchase]):
        yield b"".join(trade)
        for cut in range(1, len(trade) + 1):
            for kind in range(4):
                yield b"".join([*trade[:cut], bytes([16, kind]), reserve, *trade[cut:], bytes([11, 11, 0])])


def ledger_scripts():
    """Requests as text, then accounts and transfers, cut by crashes at every place."""
    key, other = "02" + "11" * 32, "03" + "22" * 32
    head = {"nonce": "00" * 16, "ledger": key}
    signed = {"signature": "44" * 64}
    for message in [
            {"type": "GetLedgerMessage", "nonce": "00" * 16},
            {"type": "OpenAccountMessage", **head, "name": "bob", "key": key, "start": "1.5", "endpoint": "127.0.0.1:1", **signed},
            {"type": "GetAccountsMessage", **head, "after": "", "max": 100}, {"type": "GetAccountMessage", **head, "key": key},
            {"type": "GetAccountMessage", **head, "name": "bob"},
            {"type": "TransferMessage", **head, "transferId": ORDER["id"], "from": key, "to": other, "amount": "0.5", "validUntil": 1800000001000,
             **signed},
            {"type": "GetTransfersMessage", **head, "key": key, "after": 0, "max": 1}, {"type": "GetStatementMessage", **head, "key": key, "at": 1},
            {"type": "DeleteAccountsMessage", **head, "by": key, "at": 1, **signed},
            *({"type": "LedgerAnswerMessage", "ledger": key, "time": 1, "kind": kind, **members, **signed} for kind, members in [
                ("ledger", {"name": "x", "accountCount": 1, "total": "1", "startMax": "2"}),
                ("account", {"name": "x", "key": key, "balance": "1", "endpoint": ""}), ("paid", {"seq": 1, "at": 1}),
                ("accounts", {"accounts": [{"name": "x", "key": key, "balance": "1", "endpoint": ""}]}), ("refused", {"reason": "expired"}),
                ("transfers", {"transfers": [{"seq": 1, "transferId": ORDER["id"], "from": key, "amount": "1", "at": 1}]}),
                ("statement", {"balance": "0", "seq": 0}), ("deleted", {"count": 1}), ("failed", {"code": "id-reused"})])]:
        text = json.dumps(message, separators=(",", ":")).encode()
        yield bytes([0]) + len(text).to_bytes(2, "little") + text
    accounts = [bytes([1, 0, 100, 0]), bytes([1, 1, 0, 1])]
    trade = [bytes([2, 0, 50, 1, 60, 0, 0]), bytes([7, 3]), bytes([4, 2]), bytes([2, 1, 200, 1, 60, 0, 0]), bytes([5, 2, 1, 0, 9]),
             bytes([8, 5, 0, 0]), bytes([5, 3, 1, 2, 0]), bytes([6, 1, 3]), bytes([4, 0])]
    script = accounts + trade
    for cut in range(1, len(script) + 1):
        for durable in (0, 1, 3):
            yield b"".join([*script[:cut], bytes([9, durable]), *script[cut:], bytes([4, 2, 7, 3])])


def nip69():
    for name in ("nip69_test.cpp", "nostr_event_test.cpp"):
        source = (TESTS / "unit/exchange_messages" / name).read_text()
        for text in re.findall(r"constexpr char const\* k\w+ =\s*((?:R\"\(.*?\)\"\s*)+);", source, re.S):
            event = "".join(re.findall(r'R"\((.*?)\)"', text, re.S)).encode()
            yield b"\0" + event
            yield b'\0["EVENT","a",' + event + b"]"
    values = [b"", b"buy", b"USD", b"canceled", b"1", b"-2.5", b"1700003600", b"order", b"{}"]
    for name in range(14):  # of the target's kNames: left out, replaced, with a value more
        yield bytes([1, 0, name])
        for value in values:
            yield bytes([1, 0, 13, 1, name, len(value)]) + value
        yield bytes([1, 0, 13, 2, name, 1]) + b"7"
        yield bytes([1, 1, name, 0])


def write(folder, target, inputs):
    path = folder / target
    path.mkdir(parents=True, exist_ok=True)
    for data in inputs:
        (path / hashlib.sha1(data).hexdigest()).write_bytes(data)


def main():
    folder = pathlib.Path(sys.argv[1])
    messages = [json.dumps(message, separators=(",", ":")).encode() for message in MESSAGES]
    write(folder, "bencode", datagrams())
    write(folder, "krpc", datagrams())
    write(folder, "grape_node", node_scripts())
    write(folder, "json", [*messages, *rpc_bodies(), *(body[2:] for body in http_bodies()), b"\0" * 6 + b"\xf0\x3f"])
    write(folder, "http_bodies", http_bodies())
    write(folder, "http_framing", connections())
    write(folder, "rpc_frames", rpc_frames())
    write(folder, "money", money())
    write(folder, "bolt11", invoices())
    write(folder, "nip69", nip69())
    write(folder, "exchange_ledger", ledger_scripts())
    write(folder, "exchange_messages", messages)
    write(folder, "exchange_trader", trader_scripts(messages))
    write(folder, "order_book", [bytes(range(64)), bytes(range(0, 256, 3)) * 3])


main()
