"""libtorrent, the DHT node of qBittorrent and Deluge, and our grapes in one network."""

import collections
import hashlib
import json
import pathlib
import socket
import sys
import tempfile
import time
import unittest

import libtorrent as lt

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from support import LIMIT_S, Grape, TestCase, run  # noqa: E402

# Lets libtorrent accept nodes that share 127.0.0.1, and contact no others.
LOOPBACK = {
    "listen_interfaces": "127.0.0.1:0", "enable_dht": True, "dht_bootstrap_nodes": "",
    "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False, "dht_prefer_verified_node_ids": False,
    "dht_ignore_dark_internet": False,
    "dht_block_ratelimit": 1_000_000,  # the default is 5 per second, beyond which 127.0.0.1 is blocked for minutes
    "dht_upload_rate_limit": 10_000_000,
}


class Libtorrent:
    """A session without torrents. Alerts are discarded once they are read."""

    def __init__(self, folder):
        self.folder = folder
        categories = lt.alert.category_t
        self.session = lt.session({**LOOPBACK, "alert_mask": (
            categories.status_notification | categories.dht_notification | categories.dht_operation_notification)})
        self.unread = collections.deque()
        self.port = self.wait(lt.listen_succeeded_alert, lambda alert: "uTP" in alert.message()).port
        self.address = f"127.0.0.1:{self.port}"

    def wait(self, kind, matches=lambda alert: True):
        """Waits for the next alert of that kind that matches, and discards those before it."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            if not self.unread:
                self.session.wait_for_alert(200)
                self.unread.extend(self.session.pop_alerts())
            while self.unread:
                alert = self.unread.popleft()
                if isinstance(alert, kind) and matches(alert):
                    return alert
        raise AssertionError(f"libtorrent does not report {kind.__name__}")

    def join(self, grape):
        self.session.add_dht_node(("127.0.0.1", grape.dht_port))

    def announce(self, key):
        """Starts a torrent, which announces the port of the session under `key`."""
        torrent = lt.parse_magnet_uri(f"magnet:?xt=urn:btih:{key.hex()}")
        torrent.save_path = str(self.folder)
        self.session.add_torrent(torrent).force_dht_announce()

    def peers(self, key):
        self.session.dht_get_peers(lt.sha1_hash(key))
        alert = self.wait(lt.dht_get_peers_reply_alert, lambda alert: alert.info_hash.to_bytes() == key)
        return alert.peers()

    def put(self, value):
        """Returns the target, and how many nodes stored the item."""
        target = self.session.dht_put_immutable_item(value)
        return str(target), self.wait(lt.dht_put_alert, lambda alert: alert.target == target).num_success

    def get(self, target):
        wanted = lt.sha1_hash(bytes.fromhex(target))
        self.session.dht_get_immutable_item(wanted)
        return self.wait(lt.dht_immutable_item_alert, lambda alert: alert.target == wanted).item["value"]

    def put_mutable(self, owner, value, salt):
        """Returns the seq of the item, and how many nodes stored it."""
        self.session.dht_put_mutable_item(owner.secret, owner.public, value, salt)
        alert = self.wait(lt.dht_put_alert, lambda alert: alert.public_key == owner.public)
        return alert.seq, alert.num_success

    def get_mutable(self, owner, salt):
        """Returns the newest item, after all nodes were queried."""
        self.session.dht_get_mutable_item(owner.public, salt)
        item = self.wait(lt.dht_mutable_item_alert, lambda alert: alert.key == owner.public and alert.authoritative)
        return item.item["value"], item.seq

    def live_nodes(self, own_id):
        """Returns (id, port) of each node in its routing table that has answered."""
        self.session.dht_live_nodes(lt.sha1_hash(own_id))
        nodes = self.wait(lt.dht_live_nodes_alert).nodes
        return {(node["nid"].to_bytes(), node["endpoint"][1]) for node in nodes}

    def close(self):
        del self.session


class Owner:
    """A key of the client `grenache`, in the form of libtorrent."""

    def __init__(self, folder):
        self.file = folder / "key"
        self.public = bytes.fromhex(json.loads(self.grenache("keygen", "--json"))["k"])
        secret = bytearray(hashlib.sha512(bytes.fromhex(self.file.read_text().strip())).digest())
        secret[0] &= 248  # RFC 8032, 5.1.5
        secret[31] = secret[31] & 63 | 64
        self.secret = bytes(secret)

    def grenache(self, command, *arguments):
        key = [] if command == "get" else ["--key", str(self.file)]
        result = run("grenache", command, *arguments, *key)
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        return result.stdout


class Mainline(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(1)
        self.theirs = self.start(Libtorrent, self.folder)
        # The first grape joins through libtorrent, libtorrent through the second grape.
        self.one = self.start(Grape, bootstrap=self.theirs.address)
        self.one.wait_event("ready")
        self.two = self.start(Grape)
        self.theirs.join(self.two)
        self.one.wait_event("node", peer=f"127.0.0.1:{self.two.dht_port}")

        self.grapes = [self.one, self.two]
        self.ports = [self.theirs.port, self.one.dht_port, self.two.dht_port]

    def ask(self, port, query, **arguments):
        """Returns the answer to a query. It is read-only ("ro"), so that the sender is not added to routing tables."""
        bytes_ = lt.bencode({"t": "aa", "y": "q", "q": query, "v": "py00", "ro": 1, "a": {"id": b"q" * 20, **arguments}})
        for _ in range(10):
            self.socket.sendto(bytes_, ("127.0.0.1", port))
            try:
                while True:
                    answer, sender = self.socket.recvfrom(2000)
                    if sender[1] == port:
                        return lt.bdecode(answer)
            except TimeoutError:
                pass
        return self.fail(f"no answer from port {port}")

    def ids(self):
        return {port: self.ask(port, "ping")[b"r"][b"id"] for port in self.ports}

    def got(self, grape, **what):
        status, text = grape.post("/get", {"data": what})
        self.assertEqual(status, 200)
        return json.loads(text)


class Nodes(Mainline):
    def test_a_ping_is_answered_alike(self):
        asker = socket.inet_aton("127.0.0.1") + self.socket.getsockname()[1].to_bytes(2, "big")
        for port in self.ports:
            with self.subTest(port=port):
                answer = self.ask(port, "ping")
                self.assertEqual((answer[b"y"], answer[b"t"], answer[b"ip"]), (b"r", b"aa", asker))
                self.assertEqual(len(answer[b"r"][b"id"]), 20)

    def test_each_is_in_the_routing_tables_of_the_others(self):
        ids = self.ids()
        self.two.wait_event("node", peer=self.theirs.address)
        self.assertEqual(self.theirs.live_nodes(ids[self.theirs.port]), {(ids[grape.dht_port], grape.dht_port) for grape in self.grapes})
        for grape in self.grapes:
            self.assertEqual(json.loads(grape.request("GET", "/health")[2])["nodes"], 2)

    def test_find_node_names_the_others(self):
        ids = self.ids()
        self.two.wait_event("node", peer=self.theirs.address)
        for port in self.ports:
            for wanted in self.ports:
                nodes = self.ask(port, "find_node", target=ids[wanted])[b"r"][b"nodes"]
                named = {nodes[i:i + 20] for i in range(0, len(nodes), 26)}
                if wanted != port:
                    self.assertIn(ids[wanted], named, f"port {port}")

    def test_an_unknown_query_with_a_target_is_answered_as_find_node(self):
        for port in self.ports:
            self.assertIn(b"nodes", self.ask(port, "query_to_come", target=b"t" * 20)[b"r"], f"port {port}")


class Peers(Mainline):
    def test_ours_find_what_libtorrent_announces(self):
        for key in [b"a_key_of_20_letters_", hashlib.sha1(b"key").digest()]:
            with self.subTest(key=key):
                self.theirs.announce(key)
                for grape in self.grapes:
                    grape.wait_event("announce", peer=self.theirs.address)
                    reply = self.ask(grape.dht_port, "get_peers", info_hash=key)[b"r"]
                    self.assertEqual(reply[b"values"], [socket.inet_aton("127.0.0.1") + self.theirs.port.to_bytes(2, "big")])
                    self.assertTrue(reply[b"token"])
                    if key.isascii():
                        self.assertEqual(grape.post("/lookup", {"data": key.decode()}), (200, json.dumps([self.theirs.address])))

    def test_libtorrent_finds_what_ours_announce(self):
        key = "a_key_of_20_letters_"
        self.assertEqual(self.one.post("/announce", {"data": [key, 7001]}), (200, "2"))
        self.assertEqual(self.two.post("/announce", {"data": [key, 7002]}), (200, "2"))
        self.assertEqual(sorted(self.theirs.peers(key.encode())), [("127.0.0.1", 7001), ("127.0.0.1", 7002)])


class Items(Mainline):
    def test_ours_get_what_libtorrent_puts(self):
        for value in ["a text", [1, {"a": "b"}], {"n": -5}]:
            with self.subTest(value=value):
                target, stored = self.theirs.put(value)
                self.assertEqual((target, stored), (hashlib.sha1(lt.bencode(value)).hexdigest(), 3))
                for grape in self.grapes:
                    self.assertEqual(self.got(grape, hash=target)["v"], value)

    def test_libtorrent_gets_what_ours_put(self):
        status, text = self.one.post("/put", {"data": "from ours"})
        self.assertEqual(status, 200)
        self.assertEqual(self.theirs.get(json.loads(text)), b"from ours")

    def test_a_mutable_item_changes_hands(self):
        owner = Owner(self.folder)
        for salt in ["", "salt"]:
            with self.subTest(salt=salt):
                salted = ["--salt", salt] if salt else []
                target = hashlib.sha1(owner.public + salt.encode()).hexdigest()
                self.assertEqual(self.theirs.put_mutable(owner, "one", salt), (1, 3))
                for grape in self.grapes:
                    item = self.got(grape, hash=target, salt=salt)
                    self.assertEqual((item["v"], item["seq"], item["k"]), ("one", 1, owner.public.hex()))
                put = owner.grenache("put", "--mutable", "two", "--seq", "7", "--cas", "1", *salted, "--grape", self.one.url)
                self.assertEqual(put, target + "\n")
                self.assertEqual(self.theirs.get_mutable(owner, salt), (b"two", 7))
                self.assertEqual(self.theirs.put_mutable(owner, "three", salt), (8, 3))
                for grape in self.grapes:
                    self.assertEqual(owner.grenache("get", target, *salted, "--grape", grape.url), "three\n")

    def test_both_refuse_alike(self):
        owner = Owner(self.folder)
        target = hashlib.sha1(owner.public).digest()
        items = {}
        for seq in [1, 2, 3]:  # signed through grapes that know no other node
            lone = self.start(Grape)
            owner.grenache("put", "--mutable", f"value {seq}", "--seq", str(seq), "--grape", lone.url)
            reply = self.ask(lone.dht_port, "get", target=target)[b"r"]
            items[seq] = {name: reply[name.encode()] for name in ["k", "sig", "seq", "v"]}
        for port in self.ports:
            def put(number, **more):
                token = self.ask(port, "get", target=target)[b"r"][b"token"]
                return self.ask(port, "put", **{"token": token, **items[number], **more})

            with self.subTest(port=port):
                self.assertEqual(put(2)[b"y"], b"r", "the first")
                self.assertEqual(put(2)[b"y"], b"r", "once more")
                self.assertEqual(put(1)[b"e"][0], 302, "an old number")
                self.assertEqual(put(3, cas=1)[b"e"][0], 301, "another number is there")
                self.assertEqual(put(3, seq=4)[b"e"][0], 206, "not signed for that number")
                self.assertEqual(put(3, v="x" * 1001)[b"e"][0], 205, "too long")
                self.assertEqual(put(3, token=b"t" * 20)[b"e"][0], 203, "a token of nobody")
                self.assertEqual(put(3, cas=2)[b"y"], b"r", "what is there is known")
                self.assertEqual(self.ask(port, "get", target=target)[b"r"][b"v"], b"value 3")


if __name__ == "__main__":
    unittest.main(verbosity=2)
