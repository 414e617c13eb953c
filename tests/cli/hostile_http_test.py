"""Slow, endless and malformed HTTP requests: the grape continues to serve other clients."""

import json
import resource
import socket
import unittest

from support import LIMIT_S, SANITIZED, Grape, TestCase, anonymous_kib


def post(path, body, *headers):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


LOOKUP = post("/lookup", b'{"data":"service"}')
FOUND = b'["127.0.0.1:1337"]'


class Hostile(TestCase):
    def setUp(self):
        self.grape = self.start(Grape)
        self.grape.post("/announce", {"data": ["service", 1337]})

    def connect(self):
        client = self.start(socket.create_connection, ("127.0.0.1", self.grape.api_port), LIMIT_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def read_all(self, client):
        """Reads until the grape closes the connection."""
        received = b""
        try:
            while chunk := client.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received

    def read_replies(self, client, count):
        """Reads the bodies of `count` replies."""
        stream = client.makefile("rb")
        bodies = []
        for _ in range(count):
            self.assertEqual(stream.readline(), b"HTTP/1.1 200 OK\r\n")
            while (line := stream.readline().lower()) != b"\r\n":
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            bodies.append(stream.read(length))
        return bodies

    def assert_serves(self):
        self.assertEqual(self.grape.post("/lookup", {"data": "service"}), (200, FOUND.decode()))


class Slow(Hostile):
    def test_slow_headers_and_bodies_keep_nobody_waiting(self):
        for start in [b"", b"P", b"POST /lookup HTTP/1.1\r\nHos", LOOKUP[:-1]]:
            for _ in range(100):
                self.connect().sendall(start)
        self.assert_serves()

    @unittest.skipIf(SANITIZED, "sanitizers need descriptors")
    def test_slow_clients_do_not_use_up_the_descriptors(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(self.grape.process.pid, resource.RLIMIT_NOFILE, (50, hard))
        for start in [b"", b"POST /lookup HTTP/1.1\r\nHos", LOOKUP[:-1]]:
            for _ in range(min(100, soft // 8)):
                self.connect().sendall(start)
        self.assert_serves()
        self.assertEqual(self.grape.stop()[0], 0)

    def test_a_client_that_never_reads_its_answers_costs_little(self):
        self.grape.request("GET", "/")
        before = anonymous_kib(self.grape.process.pid)
        client = self.connect()
        client.setblocking(False)
        status_page = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
        with self.assertRaises(BlockingIOError):
            for _ in range(100_000):
                client.send(status_page)
        self.assert_serves()
        if not SANITIZED:
            # The total size of the answers would be hundreds of MiB.
            self.assertLess(anonymous_kib(self.grape.process.pid) - before, 64 * 1024)

    def test_half_closed_clients_get_their_answer(self):
        client = self.connect()
        client.sendall(LOOKUP)
        client.shutdown(socket.SHUT_WR)
        self.assertTrue(self.read_all(client).endswith(b"\r\n\r\n" + FOUND))
        client = self.connect()
        client.sendall(LOOKUP[:-1])
        client.shutdown(socket.SHUT_WR)
        self.assertNotIn(FOUND, self.read_all(client))
        self.assert_serves()

    def test_clients_that_go_away_at_once_do_no_harm(self):
        for _ in range(200):
            client = self.connect()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))  # a reset
            client.sendall(LOOKUP)
            client.close()
        self.assert_serves()


class Endless(Hostile):
    def answer_to(self, bytes_):
        client = self.connect()
        try:
            client.sendall(bytes_)
        except (ConnectionResetError, BrokenPipeError):
            pass
        return self.read_all(client)

    def test_huge_bodies_are_refused_unread(self):
        for start in [post("/lookup", b"x" * 8193), b"POST /lookup HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nx",
                      b"POST /lookup HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n1001\r\n"
                      + b"x" * 4097]:
            with self.subTest(start=start[:90]):
                answer = self.answer_to(start)
                self.assertEqual(answer[:12], b"HTTP/1.1 413")
                self.assertTrue(answer.endswith(b"\r\n\r\nERR_GRAPE_PAYLOAD_SIZE"))
                self.assert_serves()

    def test_what_is_not_http_is_answered_once_and_closed(self):
        for start in [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)), b"GET\r\n\r\n", b"\0" * 1000, b"POST / HTTP/9.9\r\n\r\n",
                      b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                      b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                      b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
                      b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"]:
            with self.subTest(start=start[:60]):
                answer = self.answer_to(start)
                self.assertRegex(answer, rb"^HTTP/1\.1 [45]\d\d ")
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1)
                self.assert_serves()


class Nonsense(Hostile):
    def test_a_thousand_requests_at_once_are_answered_in_order(self):
        client = self.connect()
        names = [f"name {i}" for i in range(1000)]
        client.sendall(b"".join(post("/put", json.dumps({"data": {"v": name}}).encode()) for name in names))
        first = self.read_replies(client, len(names))
        self.assertEqual(len(set(first)), len(names))
        client.sendall(b"".join(post("/put", json.dumps({"data": {"v": name}}).encode()) for name in reversed(names)))
        self.assertEqual(self.read_replies(client, len(names)), first[::-1])

    def test_bodies_that_are_no_json_or_of_another_kind_are_answered_with_an_error(self):
        no_json = [b"", b"{", b"nonsense", b"\0", b"\xff\xfe{}", b'{"data":"\xff"}', b'{"data":1e999}', b"[" * 8000, b'{"data":' * 1000,
                   b'{"data":"x"} x', b'{"data":\'x\'}', b'{"data":NaN}', b'{"data":"\\ud800"}']
        other = [b"null", b"1", b'"x"', b"[]", b"{}", b'{"data":null}', b'{"data":{}}', b'{"data":[]}', b'{"data":[[]]}', b'{"data":[{},{}]}',
                 b'{"data":["a",1e300]}', b'{"data":["a",-1]}', b'{"data":["",1]}', b'{"data":{"hash":1}}', b'{"data":{"v":null}}',
                 b'{"data":{"v":"x","k":1}}', b'{"data":{"v":"x","k":"00","sig":"zz","seq":"1"}}', b'{"data":{"hash":{},"salt":[]}}',
                 b'{"data":1}', b'{"data":"' + b"x" * 2000 + b'"}', b'{"rid":{"a":[1]},"data":[]}']
        for path in ["/announce", "/unannounce", "/lookup", "/put", "/get"]:
            for body in no_json + other:
                with self.subTest(path=path, body=body[:60]):
                    status, _, text = self.grape.request("POST", path, body)
                    if body in no_json:
                        self.assertIn((status, text[:4]), [(500, "ERR_"), (200, '"ERR')])
                    else:
                        self.assertIn(status, [200, 500])
        self.assert_serves()


if __name__ == "__main__":
    unittest.main(verbosity=2)
