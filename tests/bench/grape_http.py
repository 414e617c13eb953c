"""HTTP requests per second: two of our grapes beside two of Node's, in one run.

Each kind of request runs against both in turn, several times; the table has the medians and their ratio. A lookup of distinct names
asks the network every time, on both sides.

    grape_http.py [--seconds 3] [--repeat 3] [--rows lookup_distinct,announce,…]      needs GRENACHE_BIN, INTEROP_MODULES and wrk
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
import support  # noqa: E402

HERE = pathlib.Path(__file__).parent
ROWS = ["lookup_distinct", "lookup_one", "announce", "put", "get"]


class NodeGrape(support.Process):
    def __init__(self, bootstrap=""):
        modules = {"INTEROP_MODULES": os.path.abspath(os.environ["INTEROP_MODULES"])}
        super().__init__(
            "node", HERE.parent / "interop/node/grape.cjs", "-b", "127.0.0.1", "--dp", "0", "--aph", "0", "--bn", bootstrap, env=modules)
        self.dht_port = self.wait_event("listening")["port"]
        self.api_port = self.wait_event("api_listening")["port"]


class Pair:
    """Two grapes of one kind, the first of them the other's bootstrap; the first one is asked."""

    def __init__(self, name, grapes):
        self.name, self.grapes = name, grapes
        self.port = grapes[0].api_port
        for _ in range(10_000):
            try:
                if support.request(self.port, "POST", "/announce", '{"data":["bench-service",1337]}')[2] == "1":
                    break
            except OSError:
                pass
        else:
            raise SystemExit(f"{name}: the two grapes do not meet")
        self.hash = json.loads(support.request(self.port, "POST", "/put", '{"data":{"v":"bench value"}}')[2])

    def memory_mb(self):
        text = pathlib.Path(f"/proc/{self.grapes[0].process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def measure(self, kind, connections, seconds, word):
        output = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", HERE / "grape_http.lua", f"http://127.0.0.1:{self.port}/", "--", kind,
             word, self.hash], check=True, capture_output=True, text=True).stdout
        result = json.loads(output.splitlines()[-1])
        return result | {"rate": result["requests"] / result["seconds"]}

    def close(self):
        for grape in self.grapes:
            grape.close()


def ours():
    first = support.Grape(level="info")
    return Pair("ours", [first, support.Grape(bootstrap=f"127.0.0.1:{first.dht_port}", level="info")])


def node():
    first = NodeGrape()
    return Pair("Node", [first, NodeGrape(f"127.0.0.1:{first.dht_port}")])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rows", default=",".join(ROWS))
    options = parser.parse_args()
    pairs = [ours(), node()]
    try:
        print(f"{'request':<18}{'conns':>6}{'ours/s':>10}{'Node/s':>10}{'ratio':>8}{'ours p50/p99 us':>20}{'Node p50/p99 us':>20}{'errors':>8}")
        for kind in options.rows.split(","):
            for connections in (32, 1):
                results = {pair.name: [] for pair in pairs}
                for round_ in range(options.repeat):
                    for pair in pairs:
                        word = f"{kind}-{connections}-{round_}"
                        results[pair.name].append(pair.measure(kind, connections, options.seconds, word))
                middle = {name: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for name, runs in results.items()}
                a, b = middle["ours"], middle["Node"]
                print(
                    f"{kind:<18}{connections:>6}{a['rate']:>10.0f}{b['rate']:>10.0f}{a['rate'] / b['rate']:>8.1f}"
                    f"{a['p50_us']:>11.0f} /{a['p99_us']:>7.0f}{b['p50_us']:>11.0f} /{b['p99_us']:>7.0f}"
                    f"{a['errors'] + b['errors']:>8.0f}", flush=True)
        print("resident memory after that: " + ", ".join(f"{pair.name} {pair.memory_mb():.1f} MB" for pair in pairs))
    finally:
        for pair in pairs:
            pair.close()


if __name__ == "__main__":
    main()
