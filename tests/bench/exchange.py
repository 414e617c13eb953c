#!/usr/bin/env python3
"""Takes and payments at a maker, beside the bare parts of which they consist, in one run.

    tests/bench/exchange.py [--rounds 3] [--pairs 200] [--takes 64] [--folder DIR] [--stores embedded,redis]

Needs GRENACHE_BIN, EXCHANGE_BENCH (exchange_bench) and redis-server. The maker is `exchange` with its journal in a new folder in DIR,
which is on a disk; a tmpfs syncs nothing. The tables have medians of the rounds, and the ratios are medians of the ratios of each round.

The first table: one taker takes and pays, and after each pair the bare parts are measured: one round trip to Redis with a script that does
nothing, one commit of one row of the same size (SQLite, WAL, synchronous=FULL), one signature. `of bare` is p50 / p50 of their sum.

The second one: 256 takers at once, one request of each under way, on 4 * TAKES orders, since an order has at most 64 unpaid invoices. Beside it
the same rows in transactions of 256, and what one thread would do that only verifies the request and signs the invoice. Then the maker is
killed, and its journal must have all takes that were answered.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
import support  # noqa: E402

BENCH = os.environ["EXCHANGE_BENCH"]
TAKERS = 256


def bench(*words):
    done = subprocess.run([BENCH, *map(str, words)], stdout=subprocess.PIPE, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"failed: {words}")
    return json.loads(done.stdout)


def wait_until(condition, what):
    end = time.monotonic() + support.LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited too long: {what}")
        time.sleep(0.01)


class Redis:
    def __init__(self):
        self.reserved = support.ReservedPort()
        self.port = self.reserved.port
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, "redis-server")

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port)) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b"+PONG\r\n"
        except ConnectionError:
            return False

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.reserved.close()


class Maker:
    def __init__(self, folder, order_count, *arguments):
        self.folder = folder
        self.reserved = support.ReservedPort()
        self.endpoint = f"127.0.0.1:{self.reserved.port}"
        with open(f"{folder}/log", "wb") as log:
            self.process = subprocess.Popen(
                [support.BIN / "exchange", "--no-grape", "--bind", "127.0.0.1", "--port", str(self.reserved.port),
                 "--data-dir", f"{folder}/peer", "--log-format", "json", *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(self.is_ready, "exchange")
            self.publish(order_count)
        except BaseException:
            self.close()
            raise

    def is_ready(self):
        log = pathlib.Path(f"{self.folder}/log").read_text()
        if self.process.poll() is not None:
            raise SystemExit(log)
        return '"event":"ready"' in log and pathlib.Path(f"{self.folder}/peer/control.sock").exists()

    def publish(self, count):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(f"{self.folder}/peer/control.sock")
            request = {"command": "addOrder", "arguments": {"buy": "USD", "sell": "BTC", "price": 50000, "amount": 1}}
            answers = control.makefile()
            for _ in range(count):
                control.sendall((json.dumps(request) + "\n").encode())
                answer = json.loads(answers.readline())
                if "error" in answer:
                    raise SystemExit(answer)

    def sales_after_kill(self):
        """The number of takes in the journal of the maker that was killed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        with sqlite3.connect(f"{self.folder}/peer/journal.db") as journal:
            return journal.execute("SELECT count(*) FROM row WHERE kind='sale'").fetchone()[0]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reserved.close()


def measure(options, redis, store):
    """The figures of one round."""
    arguments = ["--redis", f"redis://127.0.0.1:{redis.port}/0"] if store == "redis" else []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        maker = Maker(folder, 4 * options.takes, *arguments)
        try:
            out = bench("latency", maker.endpoint, options.pairs, folder, redis.port)
            out["take_of_bare"] = out["take_p50"] / out["bare_p50"]
            out["pay_of_bare"] = out["pay_p50"] / out["bare_p50"]
            before = bench("rows", folder, 0.5)
            takes = bench("takes", maker.endpoint, options.takes)
            after = bench("rows", folder, 0.5)
            crypto = bench("crypto", 0.2)
            kept = maker.sales_after_kill()
        finally:
            maker.close()
        if takes["errors"] or kept < takes["takes"]:
            raise SystemExit(f"{takes['errors']} takes were refused, {kept} of {takes['takes']} are in the journal")
    out["takes_s"] = takes["takes"] / takes["seconds"]
    out["takes_p50"], out["takes_p99"] = takes["p50"], takes["p99"]
    out["rows_s"] = (before["rows"] + after["rows"]) / (before["seconds"] + after["seconds"])
    out["crypto_s"] = 1 / (1 / crypto["signatures"] + 1 / crypto["verifications"])
    out["takes_of_rows"] = out["takes_s"] / out["rows_s"]
    out["takes_of_crypto"] = out["takes_s"] / out["crypto_s"]
    return out


def show(results):
    print(f"{'one taker, us':<14}{'take p50':>10}{'p99':>8}{'of bare':>9}{'pay p50':>10}{'p99':>8}{'of bare':>9}"
          f"{'bare p50':>10}{'p99':>8}{'commit':>9}{'redis':>8}{'signature':>11}")
    for store, row in results.items():
        print(f"{store:<14}{row['take_p50']:>10,.0f}{row['take_p99']:>8,.0f}{row['take_of_bare']:>9.2f}{row['pay_p50']:>10,.0f}"
              f"{row['pay_p99']:>8,.0f}{row['pay_of_bare']:>9.2f}{row['bare_p50']:>10,.0f}{row['bare_p99']:>8,.0f}{row['commit_p50']:>9,.0f}"
              f"{row['redis_p50']:>8,.0f}{row['signature_p50']:>11,.0f}")
    print(f"\n{TAKERS} takers{'':<4}{'takes/s':>10}{'p50 us':>9}{'p99 us':>9}{'bare rows/s':>13}{'of rows':>9}{'verify+sign/s':>15}{'of it':>7}")
    for store, row in results.items():
        print(f"{store:<14}{row['takes_s']:>10,.0f}{row['takes_p50']:>9,.0f}{row['takes_p99']:>9,.0f}{row['rows_s']:>13,.0f}"
              f"{row['takes_of_rows']:>9.2f}{row['crypto_s']:>15,.0f}{row['takes_of_crypto']:>7.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--takes", type=int, default=64)
    parser.add_argument("--folder", default=str(pathlib.Path(BENCH).resolve().parent))
    parser.add_argument("--stores", default="embedded,redis")
    options = parser.parse_args()
    if not shutil.which("redis-server"):
        raise SystemExit("redis-server is missing")
    redis = Redis()
    try:
        rounds = {store: [] for store in options.stores.split(",")}
        for _ in range(options.rounds):
            for store, results in rounds.items():
                results.append(measure(options, redis, store))
        show({store: {key: statistics.median(one[key] for one in results) for key in results[0]} for store, results in rounds.items()})
    finally:
        redis.close()


if __name__ == "__main__":
    main()
