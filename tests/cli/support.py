"""Starts the project's programs the way a user does, waits for their events, and stops them."""

import hashlib
import http.client
import http.server
import json
import math
import os
import pathlib
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest

BIN = pathlib.Path(os.environ["GRENACHE_BIN"])
# For one condition: ends a test that hangs, and is far beyond any wait of a slow machine. Not to be asserted on.
LIMIT_S = float(os.environ.get("GRENACHE_TEST_LIMIT_S", "120"))

# They keep freed memory, and call an object broken that they cannot look at for want of a descriptor.
SANITIZED = bool(os.environ.get("GRENACHE_SANITIZE"))
THREAD_SANITIZED = "thread" in os.environ.get("GRENACHE_SANITIZE", "")


def slow_names(seconds, entered=""):
    """The environment of a program for which each host name takes so long, and then fails for now.

    The file `entered` exists once the program has begun to look up a name.
    """
    return {"LD_PRELOAD": os.environ["SLOW_GETADDRINFO"], "GETADDRINFO_SECONDS": str(seconds), "GETADDRINFO_ENTERED": str(entered),
            "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}


def run(program, *arguments, timeout=LIMIT_S, env=None, text=""):
    """Runs a program to its end, with `text` on its stdin."""
    return subprocess.run(
        [BIN / program, *arguments], capture_output=True, text=True, timeout=timeout, input=text,
        env={**os.environ, **(env or {})})


def taken_port(kind):
    """A socket that holds a free port of 127.0.0.1 for as long as it is open."""
    holder = socket.socket(socket.AF_INET, kind)
    holder.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        holder.listen()
    return holder


class ReservedPort:
    """A TCP port of 127.0.0.1 that refuses connections until a program is told to listen on it.

    The socket is bound and does not listen. Linux gives its port to nobody who asks for a free one, but to each
    program that names the port and sets SO_REUSEADDR, as ours, Redis and Node.js do; as often as they like, one
    after the other.
    """

    def __init__(self):
        self._holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.port = self._holder.getsockname()[1]

    def close(self):
        self._holder.close()


def with_few_descriptors(*command):
    """The command of a program that begins with a soft limit of 256 file descriptors."""
    return ["/bin/sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh", *command]


def descriptor_limits(pid):
    """(soft, hard) of a running process; math.inf when there is none."""
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        fields = next(line for line in limits if line.startswith("Max open files")).split()
    return tuple(math.inf if text == "unlimited" else int(text) for text in fields[3:5])


def catches(pid, sig):
    """Whether the process has a handler for the signal."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        caught = next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt"))
    return bool(caught & 1 << (sig - 1))


def cpu_ticks(pid):
    """The processor time that a process has used, in clock ticks."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def anonymous_kib(pid):
    """Resident memory that is not of a file: heap and stacks, without code that was paged in."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))


class Process:
    """A running program whose lines (of stderr, or of both) are read as they come."""

    def __init__(self, *command, env=None, stdin=subprocess.DEVNULL):
        self.process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **(env or {})})
        self.lines = []
        self._arrived = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._arrived.put(line.rstrip("\n"))
        self._arrived.put(None)

    def wait_line(self, condition):
        """The first line, of those not looked at yet, that fulfils the condition."""
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                line = self._arrived.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError("no such line in time; got:\n" + "\n".join(self.lines)) from None
            if line is None:
                self._arrived.put(None)
                raise AssertionError("the program ended; it said:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if condition(line):
                return line

    def wait_event(self, name, /, **fields):
        def matches(line):
            if not line.startswith("{"):
                return False
            event = json.loads(line)
            return event.get("event") == name and all(event.get(key) == value for key, value in fields.items())

        return json.loads(self.wait_line(matches))

    def stop(self, sig=signal.SIGTERM):
        """Sends a signal; returns the exit code and how long it took."""
        begun = time.monotonic()
        self.process.send_signal(sig)
        if THREAD_SANITIZED:
            self._repeat_lost_signal(sig)
        code = self.process.wait(timeout=LIMIT_S)
        took = time.monotonic() - begun
        self._reader.join(timeout=LIMIT_S)
        self.rest()
        return code, took

    def _repeat_lost_signal(self, sig):
        """Sends the signal again when the program sleeps without having used any time since the last look.

        ThreadSanitizer takes a signal for the program and delivers it at the next system call. One that comes between
        the program's last look and the begin of a wait is delivered when that wait ends.
        """
        used = None
        while True:
            try:
                self.process.wait(timeout=1)
                return
            except subprocess.TimeoutExpired:
                before, used = used, cpu_ticks(self.process.pid)
                if used == before:
                    self.process.send_signal(sig)
                    return

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def wait(self):
        code = self.process.wait(timeout=LIMIT_S)
        self._reader.join(timeout=LIMIT_S)
        self.rest()
        return code

    def rest(self):
        while not self._arrived.empty():
            line = self._arrived.get()
            if line is not None:
                self.lines.append(line)
        return self.lines

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        if self.process.stdin:
            self.process.stdin.close()


class Grape(Process):
    def __init__(self, *arguments, bootstrap="", bind="127.0.0.1", dht_port=0, level="debug", host="127.0.0.1", prefix=()):
        super().__init__(
            *prefix, BIN / "grape", "--bind", bind, "--dp", str(dht_port), "--aph", "0", "--bn", bootstrap, "--log-format", "json",
            "--log-level", level, *arguments)
        try:
            self.dht_port = self.wait_event("listening")["port"]
            self.api_port = self.wait_event("api_listening")["port"]
        except AssertionError:
            self.close()
            raise
        self.host = host
        self.url = f"http://127.0.0.1:{self.api_port}"

    def request(self, method, path, body=None):
        """(status, headers, body)"""
        return request(self.api_port, method, path, body, self.host)

    def post(self, path, body):
        status, _, text = self.request("POST", path, body if isinstance(body, (str, bytes)) else json.dumps(body))
        return status, text

    def wait_found(self, name):
        """Until somebody is announced under the name."""
        end = time.monotonic() + LIMIT_S
        while self.post("/lookup", {"rid": "r", "data": name})[1] == "[]":
            if time.monotonic() > end:
                raise AssertionError(f"nobody is announced under {name!r}")


def request(port, method, path, body=None, host="127.0.0.1"):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection(host, port, timeout=LIMIT_S)
    try:
        connection.request(method, path, body.encode() if isinstance(body, str) else body)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read().decode()
    finally:
        connection.close()


def status_for_browser(port, websocket=False, **headers):
    """The status of a browser's request, or of its WebSocket upgrade, with these headers."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    try:
        connection.request("GET" if websocket else "POST", "/ws", None if websocket else '["rid","svc","x"]',
                           {"User-Agent": "Mozilla/5.0", **(upgrade if websocket else {}), **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


class FakeGrape:
    """An HTTP server that answers as a grape would which shows every service at these addresses; or as no grape at all."""

    def __init__(self, shows=("127.0.0.1",), status=200, certificate=None):
        grape = self
        self.ports = {}  # announced, by the name of the service

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
                self.answer(status, grape.reply(self.path, body.get("data")) if status == 200 else "<html>")

            def do_GET(self):
                self.answer(404, "")

            def answer(self, code, text):
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.shows = shows
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def reply(self, path, data):
        if path == "/announce":
            name, port = data
            self.ports.setdefault(name, []).append(port)
            return "1"
        if path == "/lookup":
            return json.dumps([f"{address}:{port}" for port in self.ports.get(data, []) for address in self.shows])
        return '"ERR_REQ_NOTFOUND"'

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Certificates:
    """A server's, a client's, and a stranger's; the first two of one authority."""

    def __init__(self, folder):
        self.folder = folder
        for name, authority in [("ca", None), ("server", "ca"), ("client", "ca"), ("stranger", None)]:
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2",
                       "-subj", f"/CN={name}", "-keyout", self[name + ".key"], "-out", self[name + ".pem"]]
            if authority:
                command += ["-CA", self[authority + ".pem"], "-CAkey", self[authority + ".key"], "-addext", f"subjectAltName=DNS:{name}.test,IP:127.0.0.1",
                            "-addext", "basicConstraints=critical,CA:FALSE"]
            subprocess.run(command, check=True, capture_output=True)

    def __getitem__(self, name):
        return str(self.folder / name)

    def of(self, name):
        return ["--cert", self[name + ".pem"], "--key", self[name + ".key"]]

    def fingerprint(self, name):
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pathlib.Path(self[name + ".pem"]).read_text())).hexdigest()


class Redis(Process):
    def __init__(self):
        self._reserved = ReservedPort()
        port = self._reserved.port
        super().__init__("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        try:
            self.wait_line(lambda line: "Ready to accept connections" in line)
        except AssertionError:
            self.close()
            raise
        self.url = f"redis://127.0.0.1:{port}/0"

    def close(self):
        super().close()
        self._reserved.close()


needs_openssl = unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
needs_ipv6 = unittest.skipUnless(has_ipv6(), "no IPv6 here")
needs_redis = unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")


class TestCase(unittest.TestCase):
    def start(self, make, *arguments, **options):
        """Starts something that close() ends; it is closed with the test."""
        started = make(*arguments, **options)
        self.addCleanup(started.close)
        return started

    def wait_until(self, condition):
        end = time.monotonic() + LIMIT_S
        while not condition():
            self.assertLess(time.monotonic(), end, "not in time")
            time.sleep(0.01)

    def assert_descriptor_limit_raised(self, process):
        soft, hard = descriptor_limits(process.process.pid)
        self.assertEqual(soft, min(hard, 8192))

    def assert_one_line(self, text, *parts):
        self.assertEqual(text.count("\n"), 1, text)
        for part in parts:
            self.assertIn(part, text)
