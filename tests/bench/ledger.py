#!/usr/bin/env python3
"""Settlements of `exchange ledger`, beside the bare parts of which they consist, in one run.

    tests/bench/ledger.py [--rounds 3] [--settlements 20000] [--lone 500] [--folder DIR]

Needs GRENACHE_BIN, LEDGER_BENCH (ledger_bench) and EXCHANGE_BENCH (exchange_bench). The ledger has its data folder in a new folder in DIR,
which is on a disk; a tmpfs syncs nothing. The table has medians of the rounds, and the ratios are medians of the ratios of each round.

256 transfers are under way at once, then one. Beside them bare rows in transactions of 256 (SQLite, WAL, synchronous=FULL), of which a settlement
writes seven: two balances, the transfer, its payee's list, two statements, the ledger's state. Then what one thread would do that only verifies
the request and signs the answer, and the core alone, without sockets and disk. `fsyncs` are those of the ledger with 256 at once, counted by strace
if it is there, in a run of its own. After the run the ledger is killed, and its journal must have all transfers that were answered.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
import support  # noqa: E402

EXCHANGE_BENCH = os.environ["EXCHANGE_BENCH"]
LEDGER_BENCH = os.environ["LEDGER_BENCH"]
ROWS = 7  # of a settlement


def bench(*words):
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"failed: {words}")
    return json.loads(done.stdout)


class Ledger(support.Process):
    def __init__(self, folder):
        super().__init__(support.BIN / "exchange", "ledger", "--no-grape", "--bind", "127.0.0.1", "--data-dir", f"{folder}/ledger",
                         "--log-format", "json")
        self.folder = folder
        try:
            self.endpoint = f"127.0.0.1:{self.wait_event('ready')['port']}"
        except AssertionError:
            self.close()
            raise

    def settle(self, count, at_once):
        out = bench(LEDGER_BENCH, "settle", self.endpoint, count, at_once)
        if out["errors"]:
            raise SystemExit(f"{out['errors']} transfers failed")
        return out

    def transfers_after_kill(self):
        """The number of transfers in the journal of the ledger that was killed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        with sqlite3.connect(f"{self.folder}/ledger/journal.db") as journal:
            return journal.execute("SELECT count(*) FROM row WHERE kind='transfer'").fetchone()[0]


def measure(options):
    """The figures of one round."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        ledger = Ledger(folder)
        try:
            ledger.settle(2000, 256)  # until it overwrites its log
            before = bench(EXCHANGE_BENCH, "rows", folder, 0.5)
            many = ledger.settle(options.settlements, 256)
            after = bench(EXCHANGE_BENCH, "rows", folder, 0.5)
            lone = ledger.settle(options.lone, 1)
            kept = ledger.transfers_after_kill()
        finally:
            ledger.close()
    if kept != 2000 + options.settlements + options.lone:
        raise SystemExit(f"{kept} transfers are in the journal")
    core = bench(LEDGER_BENCH, "core", 5000)
    crypto = bench(EXCHANGE_BENCH, "crypto", 0.2)
    out = {"settlements_s": many["settlements"] / many["seconds"], "p50": many["p50"], "p99": many["p99"], "lone_p50": lone["p50"],
           "lone_p99": lone["p99"], "core_s": core["settlements"] / core["seconds"],
           "rows_s": (before["rows"] + after["rows"]) / (before["seconds"] + after["seconds"]),
           "crypto_s": 1 / (1 / crypto["signatures"] + 1 / crypto["verifications"])}
    out["of_rows"] = out["settlements_s"] * ROWS / out["rows_s"]
    out["of_crypto"] = out["settlements_s"] / out["crypto_s"]
    return out


def fsyncs_per_settlement(options):
    """None without strace."""
    if not shutil.which("strace"):
        return None
    count = min(options.settlements, 5000)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        trace = pathlib.Path(folder, "trace")
        ledger = Ledger(folder)
        tracer = support.Process("strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace), "-p", str(ledger.process.pid))
        try:
            tracer.wait_line(lambda line: "attached" in line)
            ledger.settle(count, 256)
            tracer.stop()
            return sum("sync(" in line for line in trace.read_text().splitlines()) / count
        finally:
            tracer.close()
            ledger.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settlements", type=int, default=20000)
    parser.add_argument("--lone", type=int, default=500)
    parser.add_argument("--folder", default=str(pathlib.Path(LEDGER_BENCH).resolve().parent))
    options = parser.parse_args()
    rounds = [measure(options) for _ in range(options.rounds)]
    row = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    fsyncs = fsyncs_per_settlement(options)
    print(f"{'ledger':<10}{'settlements/s':>14}{'p50 us':>9}{'p99 us':>9}{'bare rows/s':>13}{'rows of it':>12}{'verify+sign/s':>15}{'of it':>7}"
          f"{'core/s':>9}{'one: p50':>10}{'p99':>8}{'fsyncs':>9}")
    print(f"{'256, 1':<10}{row['settlements_s']:>14,.0f}{row['p50']:>9,.0f}{row['p99']:>9,.0f}{row['rows_s']:>13,.0f}{row['of_rows']:>12.2f}"
          f"{row['crypto_s']:>15,.0f}{row['of_crypto']:>7.2f}{row['core_s']:>9,.0f}{row['lone_p50']:>10,.0f}{row['lone_p99']:>8,.0f}"
          f"{'-' if fsyncs is None else format(fsyncs, '.4f'):>9}")


if __name__ == "__main__":
    main()
