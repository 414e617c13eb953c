#!/usr/bin/env python3
"""How many UDP queries a grape answers, beside a bare recvfrom/sendto echo of the same queries in the same run.

    tests/bench/udp.py [folder with bin/grape and tests/udp_flood; default build/release] [seconds] [rounds]

Rows: datagrams answered in a second (the median of the rounds, which take turns) and the processor time that the answering process
spent on each: that one is true on a busy machine too.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys

build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release")
seconds = sys.argv[2] if len(sys.argv) > 2 else "2"
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
flood = build / "tests/udp_flood"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def start_echo():
    process = subprocess.Popen([flood, "--serve"], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def start_grape(*arguments):
    command = [build / "bin/grape", "--bind", "127.0.0.1", "--dp", "0", "--aph", "0", "--bn", "", "--log-format", "json", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    return process, json.loads(process.stderr.readline())["port"]


def measure(process, port, query):
    before = cpu_seconds(process)
    replies, took, size = subprocess.check_output([flood, str(port), query, seconds], text=True).split()
    return int(replies) / float(took), (cpu_seconds(process) - before) / max(1, int(replies)) * 1e6, int(size)


servers = {"echo": start_echo(), "grape": start_grape()}
try:
    print(f"{'query':12} {'server':8} {'per second':>12} {'of echo':>8} {'CPU µs each':>12} {'of echo':>8} {'reply bytes':>12}")
    for query in ["ping", "find_node", "get_peers"]:
        results = {name: [] for name in servers}
        for _ in range(rounds):
            for name, (process, port) in servers.items():
                results[name].append(measure(process, port, query))
        rows = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
        for name, (rate, cpu, size) in rows.items():
            print(f"{query:12} {name:8} {rate:12,.0f} {rate / rows['echo'][0]:8.2f} {cpu:12.2f} {cpu / rows['echo'][1]:8.2f} {size:12.0f}")
finally:
    for process, _ in servers.values():
        process.kill()
        process.wait()
