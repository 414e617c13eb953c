"""Processes that may be frozen, or killed and started again: a redis-server, and an `exchange` with a data folder."""

import json
import os
import socket
import sqlite3

from redis_proxy import command_of, read_value
from support import LIMIT_S, Process, ReservedPort, run


class Loopback:
    """Where processes run: on this host, and listen on 127.0.0.1."""

    address = "127.0.0.1"
    prefix = ()  # of a command that runs a program there

    def reserve(self):
        return ReservedPort()

    def connect(self, port):
        """A connection to a port there."""
        return socket.create_connection((self.address, port), timeout=LIMIT_S)


class Restartable:
    """A process with a port of its own, which it has again after a restart."""

    def __init__(self, host):
        self.host = host
        self.reserved = host.reserve()
        self.port = self.reserved.port
        self.process = None

    def start_process(self, *command, env=None):
        if self.process:
            self.process.close()
        self.process = Process(*self.host.prefix, *command, env=env)

    def kill(self):
        self.process.process.kill()
        self.process.wait()

    def freeze(self):
        self.process.freeze()

    def thaw(self):
        self.process.thaw()

    def close(self):
        if self.process:
            self.process.close()
        self.reserved.close()


class RedisServer(Restartable):
    """A redis-server without persistence, which may be killed and started again without data."""

    def __init__(self, *arguments, host=None, env=None):
        super().__init__(host or Loopback())
        self.arguments, self.env = arguments, env
        self.start()

    def start(self):
        self.start_process("redis-server", "--port", str(self.port), "--bind", self.host.address, "--save", "", "--appendonly", "no",
                           *self.arguments, env=self.env)
        try:
            self.process.wait_line(lambda line: "Ready to accept connections" in line)
        except AssertionError:
            self.close()
            raise

    def command(self, *words):
        """The reply in the form of the protocol."""
        with self.host.connect(self.port) as connection:
            connection.sendall(command_of([str(word).encode() for word in words]))
            with connection.makefile("rb") as stream:
                return read_value(stream).decode()

    def is_master(self):
        try:
            return "role:master" in self.command("INFO", "replication")
        except ConnectionError:  # a server whose role changes closes connections
            return False


class Twin(Restartable):
    """An `exchange` with a data folder of its own, such as one process of a maker with several."""

    def __init__(self, folder, program, *arguments, host=None, env=None):
        super().__init__(host or Loopback())
        self.folder, self.program, self.arguments, self.env = str(folder), program, arguments, env

    def start(self):
        self.start_process(self.program, "--data-dir", self.folder, "--bind", self.host.address, "--port", str(self.port),
                           "--log-format", "json", *self.arguments, env=self.env)
        self.peer_id = self.process.wait_event("ready")["peer_id"]

    def json(self, *words):
        result = run("exchange", "ctl", "--data-dir", self.folder, "--json", *words)
        if result.returncode != 0:
            raise AssertionError(f"{words}: {result.stdout}{result.stderr}")
        return json.loads(result.stdout)

    def orders(self):
        return {order["id"]: order for order in self.json("orders")["orders"]}

    def rows(self, kind):
        """What its journal has of a kind; only while it does not run."""
        return journal_rows(self.folder, kind)


def journal_rows(folder, kind):
    """What the journal in a data folder has of a kind; only while no process uses it."""
    with sqlite3.connect(f"file:{os.path.join(folder, 'journal.db')}?mode=ro", uri=True) as journal:
        return [json.loads(body) for (body,) in journal.execute("SELECT body FROM row WHERE kind = ?", (kind,))]
