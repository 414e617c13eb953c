#!/usr/bin/env python3
"""RPC requests per second: our peers beside Node's, and each calling the other, in one run.

    tests/bench/rpc.py [--seconds 1] [--rounds 3] [--transports http,https,ws,wss] [--in-flight 1,32,256]

Needs GRENACHE_BIN, INTEROP_MODULES, RPC_BENCH (rpc_bench) and, for the servers alone, BEAST_HELLO and wrk. Every client looks the
service up through a grape and sends a small object, which comes back. The pairs take turns; the table has medians.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
import support  # noqa: E402

HERE = pathlib.Path(__file__).parent
MODULES = os.environ["INTEROP_MODULES"]
PAIRS = [("ours", "ours"), ("Node", "Node"), ("ours", "Node"), ("Node", "ours")]


def make_certificates(folder):
    """An authority and one certificate for 127.0.0.1, which both sides use."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench authority")
    openssl("req", *curve[:-2], "-keyout", "key.pem", "-out", "peer.csr", "-subj", "/CN=bench peer")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", "peer.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names",
            "-out", "cert.pem")


def command(side, mode, transport, grape, name, *rest):
    program = [os.environ["RPC_BENCH"]] if side == "ours" else ["node", HERE / "rpc_peer.cjs", MODULES]
    return [*program, mode, transport, grape, name, *map(str, rest)]


class Server:
    def __init__(self, *words, **environment):
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
        self.port = int(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def run(words):
    """The figures that a client prints, and requests per second."""
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=120)
    if done.returncode != 0:
        raise SystemExit(f"failed: {words}")
    result = json.loads(done.stdout.splitlines()[-1])
    return result | {"rate": result["requests"] / result["seconds"]}


def median(runs):
    return {key: statistics.median(one[key] for one in runs) for key in runs[0]}


RESERVED = []  # kept until the end


def node_port():
    RESERVED.append(support.ReservedPort())
    return str(RESERVED[-1].port)


def calls(options, grape, tls):
    print(f"{'transport':<10}{'in flight':>10}  {'client > server':<16}{'calls/s':>10}{'of Node':>9}{'p50 us':>9}{'p99 us':>9}{'errors':>8}")
    for transport in options.transports.split(","):
        servers = {
            side: Server(*command(side, "serve", transport, grape, f"bench-{transport}-{side}", tls), RPC_PORT=node_port())
            for side in ("ours", "Node")}
        try:
            for in_flight in map(int, options.in_flight.split(",")):
                results = {pair: [] for pair in PAIRS}
                for _ in range(options.rounds):
                    for client, server in PAIRS:
                        words = command(client, "load", transport, grape, f"bench-{transport}-{server}", in_flight, options.seconds, tls)
                        results[client, server].append(run(words))
                middle = {pair: median(runs) for pair, runs in results.items()}
                for pair, row in middle.items():
                    ratio = row["rate"] / middle["Node", "Node"]["rate"]
                    print(f"{transport:<10}{in_flight:>10}  {' > '.join(pair):<16}{row['rate']:>10,.0f}{ratio:>9.1f}{row['p50_us']:>9.0f}"
                          f"{row['p99_us']:>9.0f}{row['errors']:>8.0f}", flush=True)
        finally:
            for server in servers.values():
                server.close()


def servers_alone(options, grape, tls):
    """wrk against the servers, over kept connections."""
    print(f"\n{'server alone, wrk':<18}{'conns':>6}{'answers/s':>11}{'of Beast':>9}{'p50 us':>9}{'p99 us':>9}{'errors':>8}")
    servers = {
        "bare Beast": Server(os.environ["BEAST_HELLO"]),
        "ours": Server(*command("ours", "serve", "http", grape, "bench-alone-ours", tls)),
        "Node": Server(*command("Node", "serve", "http", grape, "bench-alone-node", tls), RPC_PORT=node_port())}
    try:
        for connections in (32, 1):
            results = {name: [] for name in servers}
            for _ in range(options.rounds):
                for name, server in servers.items():
                    results[name].append(run(
                        ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(options.seconds))}s", "-s", HERE / "rpc.lua",
                         f"http://127.0.0.1:{server.port}/"]))
            middle = {name: median(runs) for name, runs in results.items()}
            for name, row in middle.items():
                print(f"{name:<18}{connections:>6}{row['rate']:>11,.0f}{row['rate'] / middle['bare Beast']['rate']:>9.2f}{row['p50_us']:>9.0f}"
                      f"{row['p99_us']:>9.0f}{row['errors']:>8.0f}", flush=True)
    finally:
        for server in servers.values():
            server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--transports", default="http,https,ws,wss")
    parser.add_argument("--in-flight", default="1,32,256")
    options = parser.parse_args()
    grape = support.Grape()
    neighbour = support.Grape(bootstrap=f"127.0.0.1:{grape.dht_port}")  # Node's link needs an announcement that another node stores
    try:
        with tempfile.TemporaryDirectory() as folder:
            make_certificates(pathlib.Path(folder))
            calls(options, f"http://127.0.0.1:{grape.api_port}", folder)
            servers_alone(options, f"http://127.0.0.1:{grape.api_port}", folder)
    finally:
        neighbour.close()
        grape.close()


if __name__ == "__main__":
    main()
