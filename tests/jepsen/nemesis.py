"""Faults, as a schedule that a seed decides, and as what is done to the processes.

The schedule keeps to what the promises of `exchange` require (exchange/README.md, Redis): after Redis may have lost data,
each process of a maker reaches it before the grace ends. So for some time after such an event no peer is disturbed.
"""

import dataclasses
import random
import threading

from cluster import PROXY_GRACE_MS

COMMANDS = ["reserve", "settle", "update", "recover", "release", "undo"]  # of the reservation script
SETTLE = COMMANDS.index("settle")
LIFE_MS = 1000        # of reservations, while they are short-lived
CALM_S = 2            # before the first fault and after the last one
LOSES_DATA = ("flush", "kill redis", "pause redis", "failover")  # or may, beside a partition of a Redis
# Of a peer that has nothing to do: how long it may take until it has told a Redis without data what it knows.
QUIET_S = 14
# Ends reservations of others, which live for 15 minutes; not what the maker holds of its own order while that takes.
EXPIRE = """
local time = redis.call('TIME')
local last, count = time[1] * 1000 + 900000, 0
for _, takes in ipairs(redis.call('KEYS', 'grenache:exchange:*:takes:*')) do
  for _, take in ipairs(redis.call('ZRANGEBYSCORE', takes, '-inf', string.format('%.0f', last))) do
    redis.call('DEL', string.gsub(takes, ':takes:', ':take:') .. '/' .. take)
    count = count + redis.call('ZREM', takes, take)
  end
end
return count"""


@dataclasses.dataclass(frozen=True)
class Fault:
    begin: float
    end: float
    kind: str
    target: str = ""     # the name of a process, or a comma-separated list of hosts
    value: float = 0

    def overlaps(self, begin, end):
        return self.begin < end and begin < self.end


def proxied_schedule(seed, seconds, peers, late_settles_only=False):
    """One fault after the other, since the grace behind the proxies is short."""
    rng, out, time = random.Random(f"{seed}/nemesis"), [], CALM_S
    users = [peer.name for peer in peers if peer.redis]
    kinds = {"pause": 3, "kill": 3, "pause redis": 2, "cut": 2, "hold": 8, "drop reply": 2, "repeat": 2, "short lives": 2, "flush": 1,
             "kill redis": 1} if not late_settles_only else {"hold": 1}
    while True:
        kind = rng.choices(list(kinds), kinds.values())[0]
        loses = kind in ("flush", "kill redis")
        length = {"flush": 0, "cut": 0, "kill redis": rng.uniform(0, 1), "short lives": rng.uniform(2, 5), "hold": rng.uniform(2.5, 4)}.get(
            kind, rng.uniform(0.3, 2))
        target, value = "", 0
        if kind in ("pause", "kill"):
            target = rng.choice(peers).name
        elif kind in ("cut", "hold", "drop reply", "repeat"):
            target, value = rng.choice(users), COMMANDS.index(rng.choices(COMMANDS, [3, 12, 2, 1, 1, 1])[0])
            value = SETTLE if late_settles_only else value
        if loses:
            time += 1.5  # what was sold is known to all
        if time + length > seconds - CALM_S:
            return out
        out.append(Fault(time, time + length, kind, target, value))
        if kind == "hold" and (late_settles_only or rng.random() < 0.7):  # reservations end meanwhile
            out.append(Fault(time - 0.5, time + length, "short lives"))
        time += length + (2 * PROXY_GRACE_MS / 1000 if loses else rng.uniform(0.2, 1))


def schedule(seed, seconds, peers, has_namespaces, has_clocks):
    """Faults of Redis, of processes and of the network, independently of each other; without proxies."""
    rng, last = random.Random(f"{seed}/nemesis"), seconds - CALM_S
    names = [peer.name for peer in peers]
    redis = redis_faults(rng, last, names, has_namespaces)
    quiet = [(fault.end + 10, fault.end + 10 + QUIET_S) for fault in redis]
    out = list(redis)
    time, disturbed = CALM_S, {}
    while (time := time + rng.uniform(0.5, 3)) < last:  # processes
        kind = rng.choices(["pause", "kill", "clock", "pause grape"], [4, 4, 2 if has_clocks else 0, 1])[0]
        target = str(rng.randrange(len(names))) if kind == "pause grape" else rng.choice(names)
        fault = Fault(time, time + rng.uniform(0.3, 6), kind, target, rng.choice([-1, 1]) * rng.randint(5, 90))
        if fault.end < last and disturbed.get(target, -10) + 10 < time and not any(fault.overlaps(*each) for each in quiet):
            out.append(fault)
            disturbed[target] = fault.end
            time = fault.end - rng.uniform(0, 2)
    time = CALM_S
    while has_namespaces and (time := time + rng.uniform(5, 15)) < last:  # the network
        cut = rng.sample(names + ["s0", "s1", "s2"], rng.randint(1, len(names)))
        fault = Fault(time, time + rng.uniform(1, 8), "partition", ",".join(cut))
        is_near = any(each.overlaps(fault.begin - 10, fault.end + 10) for each in redis if each.kind == "partition")
        if fault.end < last and not is_near and not any(fault.overlaps(*each) for each in quiet):
            out.append(fault)
            time = fault.end
    time = CALM_S
    while (time := time + rng.uniform(2, 6)) < last:
        out.append(Fault(time, time, "expire"))
    return sorted(out, key=lambda fault: fault.begin)


def redis_faults(rng, last, names, has_namespaces):
    """Each may lose data, after which takes are refused for 30 s; so that there is trade, it is long until the next one."""
    kinds = {"flush": 2, "kill redis": 2, "pause redis": 2, "failover": 2, "cut": 1, "partition": 2 if has_namespaces else 0}
    out, time = [], rng.uniform(20, 40)
    while True:
        kind = rng.choices(list(kinds), kinds.values())[0]
        length = 0 if kind in ("flush", "cut", "failover") else rng.uniform(1, 6)
        target = ""
        if kind == "partition":
            target = ",".join([rng.choice(["r0", "r1"]), *rng.sample(names, rng.randint(0, len(names) - 1))])
        if time + length > last:
            return out
        out.append(Fault(time, time + length, kind, target))
        time += length + rng.uniform(60, 90)


class Nemesis:
    """Lets the faults of a schedule begin and end, each in a thread of its own."""

    def __init__(self, faults, cluster, history):
        self.cluster, self.history = cluster, history
        self.failures = []
        self._stopped = threading.Event()
        self._network = threading.Lock()
        self._threads = [threading.Thread(target=self._play, args=[fault], daemon=True) for fault in faults]
        for thread in self._threads:
            thread.start()

    def _play(self, fault):
        if self._stopped.wait(max(0, fault.begin - self.history.now())):
            return
        try:
            end = getattr(self, "begin_" + fault.kind.replace(" ", "_"))(fault)
        except OSError as failure:  # another fault has the upper hand
            self.history.add("nemesis", "fail", fault.kind, repr(failure))
            return
        self.history.add("nemesis", "info", f"{fault.kind} begins", dataclasses.asdict(fault))
        self._stopped.wait(max(0, fault.end - self.history.now()))
        try:
            if end:
                end()
                self.history.add("nemesis", "info", f"{fault.kind} ends", dataclasses.asdict(fault))
        except (OSError, AssertionError) as failure:
            self.failures.append(f"{fault} did not end: {failure!r}")

    def stop(self):
        """Ends all faults; returns when everything runs."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _peer(self, name):
        return next(peer for peer in self.cluster.peers if peer.name == name)

    # Processes

    def begin_pause(self, fault):
        peer = self._peer(fault.target)
        peer.freeze()
        return peer.thaw

    def begin_kill(self, fault):
        peer = self._peer(fault.target)
        peer.kill()
        return peer.start

    def begin_clock(self, fault):
        clock = self._peer(fault.target).clock
        clock.shift(fault.value)
        return lambda: clock.shift(0)

    def begin_pause_grape(self, fault):
        grape = self.cluster.grapes[int(fault.target) % len(self.cluster.grapes)]
        grape.freeze()
        return grape.thaw

    # Redis

    def _redis(self):
        return self.cluster.redis_master() or self.cluster.redis.servers[0]

    def begin_pause_redis(self, fault):
        server = self._redis()
        server.freeze()
        return server.thaw

    def begin_kill_redis(self, fault):
        server = self._redis()
        server.kill()
        return lambda: self.cluster.redis.restart(server) if self.cluster.sentinel else server.start()

    def begin_flush(self, fault):
        self._redis().command("FLUSHALL")
        for proxy in self.cluster.proxies.values():
            proxy.cut()  # so that all notice before the short grace ends

    def begin_cut(self, fault):
        if fault.target:
            self.cluster.proxies[fault.target].cut()
        else:
            self._redis().command("CLIENT", "KILL", "TYPE", "normal")

    def begin_failover(self, fault):
        self.cluster.sentinels[0].command("SENTINEL", "FAILOVER", "maker")

    def begin_expire(self, fault):
        """Reservations end, as they do when the clock of Redis is set forward."""
        self.history.add("nemesis", "info", "expired", self._redis().command("EVAL", EXPIRE, "0").strip())

    # Proxies in front of Redis

    def begin_hold(self, fault):
        return self.cluster.proxies[fault.target].hold(COMMANDS[int(fault.value)]).release

    def begin_drop_reply(self, fault):
        self.cluster.proxies[fault.target].drop_reply(COMMANDS[int(fault.value)])

    def begin_repeat(self, fault):
        self.cluster.proxies[fault.target].repeat(COMMANDS[int(fault.value)])

    def begin_short_lives(self, fault):
        for proxy in self.cluster.proxies.values():
            proxy.life_ms = LIFE_MS

        def end():
            for proxy in self.cluster.proxies.values():
                proxy.life_ms = None

        return end

    # The network

    def begin_partition(self, fault):
        hosts = [self._host(name) for name in fault.target.split(",")]
        with self._network:
            for host in hosts:
                host.cut_off()

        def end():
            with self._network:
                for host in hosts:
                    host.rejoin()

        return end

    def _host(self, name):
        if name[0] in "rs" and name[1:].isdigit():
            return {"r": self.cluster.redis.servers, "s": self.cluster.sentinels}[name[0]][int(name[1:])].host
        return self._peer(name).host
