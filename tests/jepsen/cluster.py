"""The processes of a run: grapes, Redis, Sentinels and peers, each on a host."""

import dataclasses
import glob
import os
import pathlib
import shutil
import time

from control import Control
from exchange_processes import Loopback, RedisServer, Restartable, Twin
from redis_proxy import RedisProxy
from support import LIMIT_S, Grape

SENTINEL_DOWN_MS = 1500
PROXY_GRACE_MS = 3000  # of a Redis without data behind a proxy, instead of 30 s


@dataclasses.dataclass(frozen=True)
class PeerPlan:
    name: str
    maker: str           # peers with the same one have one identity, and share Redis
    redis: bool = False
    auto_take: bool = False


FEW = [PeerPlan("a1", "a", redis=True), PeerPlan("a2", "a", redis=True), PeerPlan("b", "b", auto_take=True),
       PeerPlan("t", "t", auto_take=True)]
MANY = [PeerPlan("a1", "a", redis=True), PeerPlan("a2", "a", redis=True), PeerPlan("b", "b", redis=True, auto_take=True),
        PeerPlan("c", "c", auto_take=True), PeerPlan("t1", "t1"), PeerPlan("t2", "t2", auto_take=True), PeerPlan("t3", "t3")]


FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


class Clock:
    """The wall clock of a process, which can be shifted while it runs, if libfaketime is installed."""

    def __init__(self, path):
        self.path = path
        self.env = {"LD_PRELOAD": FAKETIME[0], "FAKETIME_TIMESTAMP_FILE": str(path), "FAKETIME_CACHE_DURATION": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"} if FAKETIME else {}
        self.shift(0)

    def shift(self, seconds):
        """By so much ahead of the true time."""
        new = self.path.with_suffix(".new")
        new.write_text(f"{seconds:+}\n")
        new.rename(self.path)


class Peer(Twin):
    """An `exchange` process that notes what it has said and whether it ended by itself."""

    def __init__(self, plan, folder, program, *arguments, host, clock):
        if plan.auto_take:
            arguments += ("--auto-take",)
        super().__init__(folder, program, *arguments, "--name", plan.name, host=host, env=clock.env if clock else None)
        self.plan, self.name, self.clock = plan, plan.name, clock
        self.endpoint = (host.address, self.port)
        self.lines, self.troubles = [], []
        self.is_down = True

    def start(self):
        """Also while its Redis does not answer: then again and again."""
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                super().start()
                self.is_down = False
                return
            except AssertionError:
                code = self.process.wait()
                self.lines += self.process.lines
                if code != 1 or "edis" not in "".join(self.process.lines[-3:]) or time.monotonic() > end:
                    self.troubles.append(f"{self.name} did not start ({code}): {self.process.lines[-3:]}")
                    raise
                time.sleep(0.2)

    def kill(self):
        self.note_end()
        self.is_down = True
        super().kill()
        self.lines += self.process.lines

    def note_end(self):
        """Whether it has ended without being told."""
        code = self.process.process.poll()
        if not self.is_down and code is not None:
            self.process.wait()
            self.troubles.append(f"{self.name} has ended by itself ({code}): {self.process.lines[-3:]}")

    def stop(self):
        self.note_end()
        self.is_down = True
        code, _ = self.process.stop()
        self.lines += self.process.lines
        if code != 0:
            self.troubles.append(f"{self.name} was stopped and ended with {code}: {self.process.lines[-3:]}")


class Sentinel(Restartable):
    def __init__(self, folder, master, host):
        super().__init__(host)
        folder.mkdir()
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"port {self.port}\nbind {host.address}\nprotected-mode no\ndir {folder}\n"
            f"sentinel monitor maker {master.host.address} {master.port} 2\nsentinel failover-timeout maker 6000\n"
            f"sentinel down-after-milliseconds maker {SENTINEL_DOWN_MS}\n")
        self.start_process("redis-server", str(settings), "--sentinel")
        self.process.wait_line(lambda line: "+slave slave" in line)

    command = RedisServer.command


class RedisPair:
    """One of two servers is the master. A server that comes back follows the other one."""

    def __init__(self, cluster):
        arguments = ["--protected-mode", "no", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
                     "--min-replicas-to-write", "1", "--min-replicas-max-lag", "3"]
        self.servers = []
        for number in (1, 2):
            folder = cluster.folder / f"redis{number}"
            folder.mkdir()
            follow = ["--replicaof", self.servers[0].host.address, str(self.servers[0].port)] if self.servers else []
            server = cluster.add(RedisServer(*arguments, "--dir", str(folder), *follow, host=cluster.host()))
            server.arguments = tuple([*arguments, "--dir", str(folder)])
            self.servers.append(server)
        cluster.wait_until(lambda: "master_link_status:up" in self.servers[1].command("INFO", "replication"))

    def master(self):
        """The server that calls itself the master, or the first that answers so; None if none does."""
        for server in self.servers:
            try:
                if server.is_master():
                    return server
            except OSError:
                pass
        return None

    def restart(self, server):
        kept, other = server.arguments, next(each for each in self.servers if each is not server)
        if self.master() is other:
            server.arguments = (*kept, "--replicaof", other.host.address, str(other.port))
        server.start()
        server.arguments = kept


class Cluster:
    def __init__(self, plans, folder, program, namespaced, sentinel):
        self.folder, self.program, self.plans = pathlib.Path(folder), program, plans
        self.sentinel, self._started = sentinel, []
        if namespaced:
            from network import Host
            self._make_host = Host
        else:
            self._make_host = lambda: None
        self.namespaced = namespaced
        self.peers, self.grapes, self.sentinels, self.proxies, self.redis = [], [], [], {}, None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    # Parts

    def add(self, started):
        self._started.append(started)
        return started

    def host(self):
        return self.add(self._make_host()) if self.namespaced else Loopback()

    def wait_until(self, condition):
        end = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > end:
                raise AssertionError("not in time")
            time.sleep(0.02)

    def _start(self):
        if self.sentinel:
            self.redis = RedisPair(self)
            self.sentinels = [self.add(Sentinel(self.folder / f"sentinel{i}", self.redis.servers[0], self.host())) for i in range(3)]
        else:
            self.redis = self.add(RedisServer())
        hosts = [self.host() for _ in self.plans]
        self.grapes = self._start_grapes(hosts)
        for i, (plan, host) in enumerate(zip(self.plans, hosts)):
            clock = Clock(self.folder / f"{plan.name}.clock") if self.sentinel else None
            arguments = ["--grape", self.grapes[i % len(self.grapes)].url]
            if plan.redis:
                arguments += ["--redis", self._redis_url(plan)]
            self.peers.append(self.add(Peer(plan, self.folder / plan.name, self.program, *arguments, host=host, clock=clock)))
        for peer in self.peers:
            self._start_peer(peer)
        self.makers = {}
        for peer in self.peers:
            self.makers.setdefault(peer.peer_id, []).append(peer)
        controls = [Control(peer.folder) for peer in self.peers]
        self.wait_until(lambda: all(self._knows_all(control) for control in controls))

    def _start_grapes(self, hosts):
        """One on the host of each peer, or two for all of them."""
        out = []
        for host in hosts if self.namespaced else hosts[:2]:
            bootstrap = f"{hosts[0].address}:{out[0].dht_port}" if out else ""
            grape = self.add(Grape(bind=host.address, host=host.address, bootstrap=bootstrap, level="info", prefix=host.prefix))
            grape.url = f"http://{host.address}:{grape.api_port}"
            out.append(grape)
        return out

    def _redis_url(self, plan):
        if self.sentinel:
            return "redis+sentinel://" + ",".join(f"{each.host.address}:{each.port}" for each in self.sentinels) + "/maker"
        proxy = self.proxies[plan.name] = self.add(RedisProxy(self.redis.port))
        proxy.grace_ms = PROXY_GRACE_MS
        return proxy.url

    def _start_peer(self, peer):
        """The first process of a maker makes the identity, and the others get a copy."""
        first = next(each for each in self.peers if each.plan.maker == peer.plan.maker)
        if first is not peer:
            key = f"grenache:exchange:{{{first.peer_id}}}:epoch"
            redis = self.redis.servers[0] if self.sentinel else self.redis
            self.wait_until(lambda: redis.command("EXISTS", key) == ":1\r\n")
            os.mkdir(peer.folder, 0o700)
            shutil.copy(os.path.join(first.folder, "identity"), peer.folder)
        peer.start()

    def _knows_all(self, control):
        kind, result = control.call("peers", LIMIT_S)
        proven = {peer["endpoint"] for peer in result["peers"] if peer["isProven"]} if kind == "ok" else ()
        return len(proven) >= len(self.peers) - 1

    def redis_master(self):
        return self.redis.master() if self.sentinel else self.redis

    def close(self):
        for started in reversed(self._started):
            started.close()
