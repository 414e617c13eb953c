#!/usr/bin/env python3
"""Runs peers, grapes and Redis, trades at random, breaks what it can, and checks what must hold whatever breaks.

    jepsen.py --out FOLDER [--seconds N] [--seed N] [--proxies] [--without-fence]
    jepsen.py --check FOLDER        checks a recorded run again

The programs are those in $GRENACHE_BIN, and $EXCHANGE_WITHOUT_FENCE. With root, iproute2 and namespaces each process has
a host of its own; else there are no partitions. Clocks are shifted where libfaketime is installed.
Exits with 1 if something did not hold; with --without-fence if nothing was found.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
import checkers  # noqa: E402
import cluster as clusters  # noqa: E402
import history as histories  # noqa: E402
import nemesis as nemeses  # noqa: E402
import network  # noqa: E402
import workload  # noqa: E402
from control import Control  # noqa: E402
from exchange_processes import journal_rows  # noqa: E402
from support import BIN, LIMIT_S  # noqa: E402

BOOKS_EQUAL_S = 180  # after the last fault (exchange/README.md)
ROW_KINDS = ["order", "trade", "sale", "purchase", "taken"]
RECORDED = ["makers", "books", "books_equal_after", "logs", "troubles", "journals"]  # of a checkers.Run, beside the history
CUSTOMERS = 6


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="folder of the history and the journals; made anew")
    parser.add_argument("--seconds", type=float, default=60, help="of faults; default 60")
    parser.add_argument("--seed", type=int, help="of the faults and of what each worker chooses; default: a new one")
    parser.add_argument("--proxies", action="store_true",
                        help="four peers on one host and one Redis, behind proxies that delay, lose and repeat; needs no privileges")
    parser.add_argument("--without-fence", action="store_true", help="with the program that does not compare fences, until that is noticed")
    parser.add_argument("--check", metavar="FOLDER", help="checks a recorded run")
    out = parser.parse_args()
    if not out.check and not out.out:
        parser.error("--out is missing")
    return out


class Session:
    def __init__(self, args, seed, folder):
        self.args, self.seed, self.out = args, seed, pathlib.Path(args.out)
        self.is_small = args.proxies or args.without_fence
        self.namespaced = not self.is_small and network.INSIDE in os.environ
        program = os.environ["EXCHANGE_WITHOUT_FENCE"] if args.without_fence else str(BIN / "exchange")
        plans = clusters.FEW if self.is_small else clusters.MANY
        self.cluster = clusters.Cluster(plans, folder, program, self.namespaced, sentinel=not self.is_small)
        self.history = histories.History(self.out / "history.jsonl")
        self.market = workload.Market(self.cluster.makers)
        self.troubles = []

    def faults(self):
        plans = self.cluster.plans
        if self.is_small:
            return nemeses.proxied_schedule(self.seed, self.args.seconds, plans, late_settles_only=self.args.without_fence)
        return nemeses.schedule(self.seed, self.args.seconds, plans, self.namespaced, has_clocks=bool(clusters.FAKETIME))

    def run(self):
        workers = [workload.PeerWorker(peer, self.seed, self.history, self.market) for peer in self.cluster.peers]
        makers = {peer.peer_id for peer in self.cluster.peers if peer.plan.redis or not self.is_small}
        workers += [workload.Customer(f"customer{i}", makers, self.seed, self.history, self.market) for i in range(CUSTOMERS)]
        workers.append(workload.Auditor("auditor", makers, self.seed, self.history, self.market))
        nemesis = nemeses.Nemesis(self.faults(), self.cluster, self.history)
        for worker in workers:
            worker.start()
        while self.history.now() < self.args.seconds and not self.is_caught():
            time.sleep(0.2)
        nemesis.stop()
        healed = self.history.now()
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join()
            if worker.failure:
                self.troubles.append(f"{worker.name} has failed: {worker.failure!r}")
        self.troubles += nemesis.failures
        return healed

    def is_caught(self):
        return self.args.without_fence and checkers.served_once(self.recorded({}, {}, 0))

    def settle(self, healed):
        """Until what was begun has ended: invoices of customers, trades of peers, and differences of books."""
        for take in workload.finish(self.market, self.history, healed + BOOKS_EQUAL_S):
            self.troubles.append(f"take {take} has no definite answer {BOOKS_EQUAL_S} s after the last fault")
        self.controls = {peer.name: Control(peer.folder) for peer in self.cluster.peers}
        self.wait_for(healed, self.both_sides_know)
        books = {}

        def are_equal():
            books.update({name: self.book(name) for name in self.controls})
            return len({json.dumps(book, sort_keys=True) for book in books.values()}) == 1

        equal_after = self.history.now() - healed if self.wait_for(healed, are_equal) else -1
        for control in self.controls.values():
            control.close()
        return books, equal_after

    def wait_for(self, healed, condition):
        while not (holds := condition()) and self.history.now() < healed + BOOKS_EQUAL_S:
            time.sleep(0.1)
        return holds

    def ask(self, name, command, **words):
        kind, result = self.controls[name].call(command, LIMIT_S, **words)
        return result if kind == "ok" else {"rows": [], "orders": []}

    def book(self, name):
        return {order["id"]: [order["seq"], order["remaining"]] for order in self.ask(name, "orders")["orders"]}

    def both_sides_know(self):
        """Each sale to one of the peers is a trade of that peer."""
        rows = {name: self.ask(name, "trades", count=10_000)["rows"] for name in self.controls}
        takes = {name: {row["take"] for row in each if row["role"] == "taker"} for name, each in rows.items()}
        sold = [(row["take"], row["counterpart"]) for each in rows.values() for row in each if row["role"] == "maker"]
        return all(any(take in takes[peer.name] for peer in self.market.makers[taker]) for take, taker in sold if taker in self.market.makers)

    def recorded(self, books, journals, equal_after):
        makers = {peer_id: [peer.name for peer in peers] for peer_id, peers in self.cluster.makers.items()}
        logs = {peer.name: peer.lines for peer in self.cluster.peers}
        troubles = self.troubles + [trouble for peer in self.cluster.peers for trouble in peer.troubles]
        return checkers.Run(list(self.history.records), makers, journals, books, equal_after, logs, troubles)

    def end(self, books, equal_after):
        """Stops the peers and reads their journals."""
        for peer in self.cluster.peers:
            peer.stop()
        journals = {peer.name: {kind: journal_rows(peer.folder, kind) for kind in ROW_KINDS} for peer in self.cluster.peers}
        run = self.recorded(books, journals, equal_after)
        for name in RECORDED:
            (self.out / f"{name}.json").write_text(json.dumps(getattr(run, name)))
        return run


def recorded(folder):
    rest = {name: json.loads((folder / f"{name}.json").read_text()) for name in RECORDED}
    return checkers.Run(history=histories.read(folder / "history.jsonl"), **rest)


def report(run, folder):
    """Prints what happened; returns the violations."""
    for f, results in sorted(histories.counts(run.history).items()):
        print(f"  {f:<16}" + "".join(f"{results[kind]:>8} {kind}" for kind in ("ok", "fail", "info")))
    faults = collections.Counter(each["f"].removesuffix(" begins") for each in run.history if each["f"].endswith(" begins"))
    print("  faults:", ", ".join(f"{count} {kind}" for kind, count in sorted(faults.items())) or "none")
    trades = len(run.trades("maker"))
    print(f"  {len(run.orders)} orders, {trades} sales; books were equal {run.books_equal_after:.1f} s after the last fault")
    found = checkers.violations(run)
    for sentence in found[:50]:
        print(f"  VIOLATION {sentence}")
    print(f"  {len(found)} violations; the history is {folder}/history.jsonl", flush=True)
    return found


def play(args, seed):
    shutil.rmtree(args.out, ignore_errors=True)
    os.makedirs(args.out)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        session = Session(args, seed, folder)
        stack.callback(session.cluster.close)
        stack.callback(session.history.close)
        places = "a host for each process" if session.namespaced else "one host"
        print(f"seed {seed}: {len(session.cluster.peers)} peers, {places}, {args.seconds:g} s", flush=True)
        healed = session.run()
        books, equal_after = session.settle(healed)
        return session.end(books, equal_after)


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # which ends all processes
    if args.check:
        return 1 if report(recorded(pathlib.Path(args.check)), args.check) else 0
    if not (args.proxies or args.without_fence) and (network.INSIDE in os.environ or network.can_enter()):
        network.enter()
    if not shutil.which("redis-server"):
        print("redis-server is not installed")
        return 77
    seed = random.SystemRandom().randrange(2**32) if args.seed is None else args.seed
    begun = time.monotonic()
    found = report(play(args, seed), args.out)
    if not args.without_fence:
        return 1 if found else 0
    caught = any("served" in sentence for sentence in found)
    print(f"  the missing fence was {'' if caught else 'not '}noticed after {time.monotonic() - begun:.0f} s", flush=True)
    return 0 if caught else 1


if __name__ == "__main__":
    sys.exit(main())
