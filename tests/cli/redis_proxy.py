"""A proxy between one process and its Redis that holds commands and replies back, loses replies and repeats commands.

Of the commands only calls of the reservation script have a name: reserve, settle, release, update, recover, undo.
"""

import collections
import contextlib
import socket
import threading

from support import LIMIT_S


def read_value(stream):
    """The bytes of one RESP value, or nothing at the end of the stream."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        return b""
    kind, rest = line[:1], line[1:-2]
    if kind == b"$":
        size = int(rest)
        return line if size < 0 else line + stream.read(size + 2)
    if kind == b"*":
        return line + b"".join(read_value(stream) for _ in range(int(rest)))
    return line


def words_of(command):
    """The words of a command as RESP array of strings."""
    out, at = [], command.index(b"\n") + 1
    while at < len(command):
        end = command.index(b"\r\n", at)
        size = int(command[at + 1:end])
        out.append(command[end + 2:end + 2 + size])
        at = end + 4 + size
    return out


def command_of(words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Held:
    """What is held back: the first command of a name, or its reply."""

    def __init__(self, name):
        self.name = name
        self._arrived = threading.Event()
        self._released = threading.Event()

    def wait(self):
        """Until it is here."""
        if not self._arrived.wait(LIMIT_S):
            raise AssertionError(f"no {self.name!r} came to be held")

    def release(self):
        self._released.set()

    def hold(self):
        self._arrived.set()
        self._released.wait()


class RedisProxy:
    """Listens on `port` of 127.0.0.1 and passes what it gets to the Redis on port `redis_port`."""

    def __init__(self, redis_port):
        self.redis_port = redis_port
        self.grace_ms = None  # replaces that of a Recover
        self.life_ms = None   # replaces that of a Reserve
        self.log = []         # (name, words) of each call of the script
        self._lock = threading.Lock()
        self._rules = []      # (kind, name, Held)
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    # Rules, each for the next call of this name

    def hold(self, name):
        """Holds the command before Redis gets it, and what follows on its connection."""
        return self._add("hold", name)

    def hold_reply(self, name):
        """Holds the reply of a command that Redis has executed."""
        return self._add("hold_reply", name)

    def drop_reply(self, name):
        """Closes the connection instead of passing the reply on."""
        return self._add("drop_reply", name)

    def repeat(self, name):
        """Sends the command twice, and passes the first reply on."""
        return self._add("repeat", name)

    def _add(self, kind, name):
        held = Held(name)
        with self._lock:
            self._rules.append((kind, name, held))
        return held

    def _take(self, kind, name):
        with self._lock:
            for rule in self._rules:
                if rule[:2] == (kind, name):
                    self._rules.remove(rule)
                    return rule[2]
        return None

    def count(self, name):
        """How often a command was sent."""
        return sum(1 for each, _ in self.log if each == name)

    def cut(self):
        """Closes the connections of the process. What it has sent is still on its way to Redis."""
        with self._lock:
            sockets = list(self._open)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            rules, self._rules = self._rules, []
        for _, _, held in rules:
            held.release()
        self.cut()

    # Connections

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client):
        with client, contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.redis_port)) as server:
                with self._lock:
                    self._open.add(client)
                waiting = collections.deque()  # (name, count of replies) of the commands that Redis got
                back = threading.Thread(target=self._pass_replies, args=[client, server, waiting], daemon=True)
                back.start()
                self._pass_commands(client, server, waiting)
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_WR)
                back.join()
                with self._lock:
                    self._open.discard(client)

    def _pass_commands(self, client, server, waiting):
        with client.makefile("rb") as stream, contextlib.suppress(OSError):
            while command := read_value(stream):
                words = words_of(command)
                name = ""
                if words[0] in (b"EVALSHA", b"EVAL"):
                    name = words[4].decode()
                    self._rewrite(name, words)
                    self.log.append((name, words))
                    if held := self._take("hold", name):
                        held.hold()
                count = 2 if self._take("repeat", name) else 1
                waiting.append((name, count))
                server.sendall(command_of(words) * count)

    def _pass_replies(self, client, server, waiting):
        with server.makefile("rb") as stream, contextlib.suppress(OSError):
            while reply := read_value(stream):
                name, count = waiting.popleft()
                for _ in range(count - 1):
                    read_value(stream)
                if name and not reply.startswith(b"-"):
                    if held := self._take("hold_reply", name):
                        held.hold()
                    if self._take("drop_reply", name):
                        break
                client.sendall(reply)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    # The words of a call begin with EVALSHA, digest, 1, key; what the script calls ARGV[n] is words[4 + n].
    def _rewrite(self, name, words):
        if name == "recover" and self.grace_ms is not None and words[12] != b"0":
            words[12] = b"%d" % self.grace_ms
        if name == "reserve" and self.life_ms is not None:
            words[18] = b"%d" % self.life_ms
