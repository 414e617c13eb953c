#!/usr/bin/env python3
"""Payments over credit lines, beside the bare parts of which they consist, in one run.

    tests/bench/credit.py [--rounds 3] [--payments 20000] [--lone 500] [--folder DIR]

Needs CREDIT_BENCH (credit_bench) and EXCHANGE_BENCH (exchange_bench). The journals are in a new folder in DIR, which is on a disk; a tmpfs syncs
nothing. The tables have medians of the rounds, and the ratios are medians of the ratios of each round.

The first table: 256 payments under way, over one line and over 1000, payer and payees on one thread without sockets, once in memory and once with
the payer's journal on the disk. Beside it bare rows in transactions of 256 (SQLite, WAL, synchronous=FULL), and how many rows and commits a payment
costs the payer. A commit is one fsync. `of rows` is the rate of the payer's rows beside that of the bare ones.

The second one: one payment after the other between two peers over HTTP, both with journals; between two of them two commits of one row, two
signatures, and one request that is answered at once. `of bare` is p50 beside their sum.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

CREDIT_BENCH = os.environ["CREDIT_BENCH"]
EXCHANGE_BENCH = os.environ["EXCHANGE_BENCH"]
LINES = (1, 1000)
AT_ONCE = 256


def bench(*words):
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"failed: {words}")
    return json.loads(done.stdout)


def measure_many(lines, options):
    """The figures of one round over this many lines."""
    memory = bench(CREDIT_BENCH, "pay", lines, options.payments, AT_ONCE)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        before = bench(EXCHANGE_BENCH, "rows", folder, 0.5)
        durable = bench(CREDIT_BENCH, "pay", lines, options.payments, AT_ONCE, folder)
        after = bench(EXCHANGE_BENCH, "rows", folder, 0.5)
    bare = (before["rows"] + after["rows"]) / (before["seconds"] + after["seconds"])
    return {"memory": memory["payments"] / memory["seconds"], "durable": durable["payments"] / durable["seconds"], "bare": bare,
            "of_rows": durable["rows"] / durable["seconds"] / bare, "rows": durable["rows"] / durable["payments"],
            "commits": durable["commits"] / durable["payments"]}


def measure_lone(options):
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        out = bench(CREDIT_BENCH, "lone", options.lone, folder)
    out["of_bare"] = out["p50"] / (2 * out["commit"] + 2 * out["signature"] + out["trip"])
    return out


def medians(rounds):
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--payments", type=int, default=20000)
    parser.add_argument("--lone", type=int, default=500)
    parser.add_argument("--folder", default=str(pathlib.Path(CREDIT_BENCH).resolve().parent))
    options = parser.parse_args()
    print(f"{'credit':<12}{'in memory/s':>13}{'durable/s':>11}{'bare rows/s':>13}{'of rows':>9}{'rows':>7}{'fsyncs':>9}")
    for lines in LINES:
        row = medians([measure_many(lines, options) for _ in range(options.rounds)])
        print(f"{lines:>4} line{'s' if lines > 1 else ' ':<3}{row['memory']:>13,.0f}{row['durable']:>11,.0f}{row['bare']:>13,.0f}"
              f"{row['of_rows']:>9.2f}{row['rows']:>7.1f}{row['commits']:>9.4f}", flush=True)
    row = medians([measure_lone(options) for _ in range(options.rounds)])
    print(f"{'one by one':<12}{'p50 us':>9}{'p99 us':>9}{'commit':>9}{'signature':>11}{'trip':>7}{'of bare':>9}")
    print(f"{'':<12}{row['p50']:>9,.0f}{row['p99']:>9,.0f}{row['commit']:>9,.0f}{row['signature']:>11,.0f}{row['trip']:>7,.0f}{row['of_bare']:>9.2f}")


if __name__ == "__main__":
    main()
