#!/usr/bin/env python3
"""How many UDP queries a grape answers, beside a bare recvfrom/sendto echo of the same queries, libtorrent and bittorrent-dht.

    tests/bench/udp.py [--build build/release] [--seconds 1] [--rounds 3] [--modules build/release/interop] [--services 1000000]

Rows: datagrams answered in a second (the median of the rounds, which take turns) and the processor time that the answering process
spent on each: that one is true on a busy machine too. Every node knows ten grapes and holds the item that is asked for. At the end
the grape takes a million services and bittorrent-dht, which is slower, a tenth of that: the memory that each needs for one.
"""

import argparse
import hashlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import time

HERE = pathlib.Path(__file__).parent
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
NEIGHBOURS = 10
VALUE = b"64:" + b"v" * 64
QUERIES = ["ping", "find_node", "get_peers", "popular", "get"]
POPULAR = b"a-service-of-200-hos"  # as udp_flood asks for it
POPULAR_HOSTS = 200


class Server:
    def __init__(self, name, command, stream="stdout"):
        self.name = name
        self.process = subprocess.Popen(command, text=True, **{stream: subprocess.PIPE})
        line = getattr(self.process, stream).readline()
        if not line:
            raise OSError(f"{name} does not start")
        self.port = json.loads(line)["port"] if line.startswith("{") else int(line)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def resident_bytes(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024

    def stop(self):
        self.process.kill()
        self.process.wait()


def grape(build, bootstrap="", *arguments):
    return Server(
        "grape", [build / "bin/grape", "--bind", "127.0.0.1", "--dp", "0", "--aph", "0", "--bn", bootstrap, "--log-format", "json",
                  *arguments], "stderr")


def try_to_put(port):
    """Stores VALUE there; false when the node does not take it, as one may that is still finding its place."""
    target = hashlib.sha1(VALUE).digest()
    node = b"2:id20:abcdefghij0123456789"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", port))
        client.send(b"d1:ad" + node + b"6:target20:" + target + b"e1:q3:get1:t2:aa1:y1:qe")
        answer = client.recv(65536)
        at = answer.index(b"5:token") + 7
        size, rest = answer[at:].split(b":", 1)
        token = rest[:int(size)]
        client.send(b"d1:ad" + node + b"5:token%d:" % len(token) + token + b"1:v" + VALUE + b"e1:q3:put1:t2:ab1:y1:qe")
        return b"1:y1:r" in client.recv(65536)


def put_item(port):
    """Stores VALUE there and returns its target, which is the same everywhere."""
    for _ in range(20):
        if try_to_put(port):
            return hashlib.sha1(VALUE).hexdigest()
        time.sleep(0.5)
    raise SystemExit("an item is not taken")


def announce_popular(port):
    """Announces POPULAR from many hosts. Who takes fewer, or none, shows it by the size of its replies."""
    for host in range(1, POPULAR_HOSTS + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            client.bind((f"127.1.0.{host}", 0))
            client.connect(("127.0.0.1", port))
            node = b"2:id20:" + hashlib.sha1(bytes([host])).digest()
            try:
                client.send(b"d1:ad" + node + b"9:info_hash20:" + POPULAR + b"e1:q9:get_peers1:t2:aa1:y1:qe")
                answer = client.recv(65536)
                if b"5:token" not in answer:
                    return
                size, rest = answer[answer.index(b"5:token") + 7:].split(b":", 1)
                token = rest[:int(size)]
                client.send(b"d1:ad" + node + b"9:info_hash20:" + POPULAR + b"4:porti1337e5:token%d:" % len(token) + token +
                            b"e1:q13:announce_peer1:t2:ab1:y1:qe")
                client.recv(65536)
            except TimeoutError:
                return


def find_node_size(flood, port):
    return int(subprocess.check_output([flood, str(port), "find_node", "0.05"], text=True).split()[2])


def populate(server, build, flood):
    """Ten grapes that join through the server; waits until it names eight of them."""
    started = [grape(build, f"127.0.0.1:{server.port}") for _ in range(NEIGHBOURS)]
    for _ in range(100):
        if find_node_size(flood, server.port) > 8 * 26:
            break
        time.sleep(0.2)
    else:
        print(f"note: {server.name} does not name eight nodes")
    return started


def measure(server, flood, query, seconds):
    before = server.cpu_seconds()
    replies, took, size = subprocess.check_output([flood, str(server.port), query, seconds], text=True).split()
    return int(replies) / float(took), (server.cpu_seconds() - before) / max(1, int(replies)) * 1e6, int(size)


def print_rows(servers, flood, target, options):
    print(f"{'query':10} {'server':15} {'per second':>11} {'of echo':>8} {'CPU us each':>12} {'of echo':>8} {'reply bytes':>12}")
    for query in QUERIES:
        text = f"get:{target}" if query == "get" else query
        results = {server.name: [] for server in servers}
        for _ in range(options.rounds):
            for server in servers:
                results[server.name].append(measure(server, flood, text, str(options.seconds)))
        rows = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
        for name, (rate, cpu, size) in rows.items():
            of_rate, of_cpu = rate / rows["echo"][0], cpu / rows["echo"][1]
            print(f"{query:10} {name:15} {rate:11,.0f} {of_rate:8.2f} {cpu:12.2f} {of_cpu:8.2f} {size:12.0f}", flush=True)


def print_memory(server, flood, count):
    before = server.resident_bytes()
    stored, took, _ = subprocess.check_output([flood, str(server.port), "announce", str(count)], text=True).split()
    grown = server.resident_bytes() - before
    print(f"{server.name:15} {int(stored):10,} services {grown / max(1, int(stored)):8.0f} bytes each {grown / 1e6:8.1f} MB in all "
          f"{int(stored) / float(took):10,.0f} announced per second", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--modules", type=pathlib.Path, default=None, help="folder with node_modules/bittorrent-dht")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--services", type=int, default=1_000_000)
    options = parser.parse_args()
    flood = options.build / "tests/udp_flood"
    modules = (options.modules or options.build / "interop").resolve()
    everything = []
    try:
        echo = Server("echo", [flood, "--serve"])
        everything.append(echo)
        nodes = []
        for name, start in {
                "grape": lambda: grape(options.build),
                # Debian's package belongs to Debian's Python.
                "libtorrent": lambda: Server("libtorrent", ["/usr/bin/python3", HERE / "libtorrent_dht.py"]),
                "bittorrent-dht": lambda: Server("bittorrent-dht", ["node", HERE / "bittorrent_dht.mjs", modules])}.items():
            try:
                nodes.append(start())
            except OSError as error:
                print(f"note: no row for {name}: {error}")
                continue
            everything.append(nodes[-1])
            everything += populate(nodes[-1], options.build, flood)
        targets = {put_item(node.port) for node in nodes}
        for node in nodes:
            announce_popular(node.port)
        print_rows([echo, *nodes], flood, targets.pop(), options)
        print()
        large = grape(options.build, "", "--dht_maxTables", str(options.services))
        everything.append(large)
        print_memory(large, flood, options.services)
        for node in nodes:
            if node.name == "bittorrent-dht":
                print_memory(node, flood, options.services // 10)
    finally:
        for server in everything:
            server.stop()


if __name__ == "__main__":
    main()
