"""Datagrams that crash Node.js' grape or abuse it against others: ours survives and answers correctly after them."""

import json
import os
import random
import re
import threading
import unittest

from krpc import Peer, bencode, compact, random_id
from support import SANITIZED, Grape, TestCase, anonymous_kib

ID = b"a" * 20


def query(method, **arguments):
    return bencode({"t": "aa", "y": "q", "q": method, "a": {"id": ID, **arguments}})


class HostileTestCase(TestCase):
    def setUp(self):
        self.grape = self.start(Grape)
        self.peer = self.start(Peer)
        self.id = bytes.fromhex(json.loads(self.grape.lines[0])["id"])
        self.grape.post("/announce", {"data": ["service", 1337]})

    def settle(self):
        """Waits until the datagrams sent before are processed."""
        self.assertEqual(self.peer.ask(self.grape.dht_port, "ping")["r"], {"id": self.id})

    def assert_alive(self):
        """Checks that the grape answers correctly."""
        self.settle()
        found = self.peer.ask(self.grape.dht_port, "get_peers", info_hash="service")["r"]
        self.assertEqual(found["values"], [compact("127.0.0.1", 1337)])
        self.assertEqual(self.grape.post("/lookup", {"data": "service"}), (200, '["127.0.0.1:1337"]'))

    def node_count(self):
        return json.loads(self.grape.request("GET", "/health")[2])["nodes"]

    def metric(self, name):
        text = self.grape.request("GET", "/metrics")[2]
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE).group(1))


class Killers(HostileTestCase):
    """Each of these crashes grenache-grape 1.0.0."""

    def assert_answered(self, datagram, error):
        sender = self.start(Peer)
        sender.send(self.grape.dht_port, datagram)
        self.assertEqual(sender.receive(), bencode({"t": "aa", "y": "e", "e": [203, error]}))
        self.assert_alive()

    def assert_ignored(self, datagram, reason="malformed"):
        sender = self.start(Peer)
        sender.send(self.grape.dht_port, datagram)
        # The first answer belongs to the second datagram.
        self.assertEqual(sender.ask(self.grape.dht_port, "ping")["r"], {"id": self.id})
        self.assert_alive()
        self.assertEqual(self.metric(f'grape_datagrams_dropped_total{{reason="{reason}"}}'), 1)

    def test_a_query_without_anything(self):
        self.assert_ignored(b"d1:y1:qe")

    def test_find_node_with_an_integer_target(self):
        self.assert_answered(query("find_node", target=1), "`find_node` missing required `a.target` field")

    def test_get_peers_with_an_integer_info_hash(self):
        self.assert_answered(query("get_peers", info_hash=1), "`get_peers` missing required `a.info_hash` field")

    def test_get_with_an_integer_target(self):
        self.assert_answered(query("get", target=1), "`get` missing required `a.target` field")

    def test_announce_peer_with_an_integer_token(self):
        self.assert_answered(query("announce_peer", info_hash=ID, port=1, token=1), "cannot `announce_peer` with bad token")

    def test_put_with_an_integer_token(self):
        self.assert_answered(query("put", token=1, v="x"), "cannot `put` with bad token")

    def test_a_reply_with_an_integer_id(self):
        self.assert_ignored(bencode({"t": "aa", "y": "r", "r": {"id": 1}}), "unmatched_reply")

    def test_a_reply_with_an_integer_id_to_its_own_query(self):
        node = self.start(Peer, random_id())
        node.ask(self.grape.dht_port, "ping")
        asked = node.next_query("ping")
        node.send(self.grape.dht_port, {"t": asked["t"], "y": "r", "r": {"id": 1}})
        self.assert_alive()
        self.assertEqual(self.node_count(), 0)

    def test_announce_of_a_number_over_http_then_get_of_no_hash(self):
        self.assertEqual(self.grape.post("/announce", {"data": [123, 1200]})[0], 200)
        status, text = self.grape.post("/get", {"data": "zzzz"})
        self.assertEqual((status, json.loads(text)[:4]), (200, "ERR_"))
        self.assert_alive()


class Nonsense(HostileTestCase):
    DATAGRAMS = {
        "empty": b"",
        "a lone d": b"d",
        "a number": b"i5e",
        "an open list, very deep": b"l" * 1400,
        "an open dictionary, very deep": b"d1:a" * 350,
        "many strings": b"d1:al" + b"0:" * 30000 + b"e1:q4:ping1:t2:aa1:y1:qe",
        "a string longer than the datagram": b"99999999999999999999:a",
        "a negative length": b"-1:a",
        "cut in the middle": query("ping")[:-9],
        "something after the end": query("ping") + b"x",
        "arguments that are a list": b"d1:ale1:q4:ping1:t2:aa1:y1:qe",
        "a name that is a number": b"d1:ad2:id20:" + ID + b"e1:qi1e1:t2:aa1:y1:qe",
        "a kind that is a number": b"d1:t2:aa1:yi1ee",
        "a kind that does not exist": b"d1:t2:aa1:y1:ze",
        "nodes of a wrong length": bencode({"t": "zz", "y": "r", "r": {"id": ID, "nodes": "n" * 7}}),
        "an error that is a string": b"d1:e3:bad1:t2:aa1:y1:ee",
        "an error that is empty": b"d1:ele1:t2:aa1:y1:ee",
        "a transaction that is a list": b"d1:ad2:id20:" + ID + b"e1:q4:ping1:tle1:y1:qe",
        "a transaction of 500 bytes": bencode({"t": "t" * 500, "y": "q", "q": "ping", "a": {"id": ID}}),
        "an enormous integer": query("announce_peer", info_hash=ID, port=10**60, token="x"),
        "65507 bytes": b"x" * 65507,
    }

    def test_what_is_no_message_is_dropped(self):
        for what, datagram in self.DATAGRAMS.items():
            with self.subTest(what=what):
                self.peer.send(self.grape.dht_port, datagram)
                self.assert_alive()

    def test_no_argument_of_a_wrong_type_or_length_does_harm(self):
        item = {"v": "x", "token": "t" * 20, "k": "k" * 32, "sig": "s" * 64, "salt": "s", "seq": 1, "cas": 1}
        service = {"info_hash": "n" * 20, "port": 1, "implied_port": 0, "token": "t" * 20}
        methods = {
            "ping": {}, "find_node": {"target": ID, "want": ["n4"]}, "get_peers": {"info_hash": ID, "want": ["n4"]},
            "get": {"target": ID, "seq": 1}, "announce_peer": service, "unannounce_peer": service, "put": item,
            "unknown": {"target": ID}, "": {"info_hash": ID}}
        wrong = [-1, 0, 2**63 - 1, -2**63, "", "x", b"\xff" * 19, b"\xff" * 21, "x" * 1100, [], ["x"], [[]], {}, {"x": {}}]
        for method, arguments in methods.items():
            with self.subTest(method=method):
                for name in ["id", *arguments]:
                    for value in wrong:
                        self.peer.send(self.grape.dht_port, query(method, **{**arguments, name: value}))
                self.assert_alive()
        self.assertEqual(self.metric("grape_announces_stored_total"), 0)
        self.assertEqual(self.metric("grape_items_stored"), 0)

    def test_a_message_changed_at_random_does_no_harm(self):
        chance = random.Random(1)  # the same bytes in every run
        seeds = [query("get_peers", info_hash="service"), query("put", token="t" * 20, v="x", k="k" * 32, sig="s" * 64, seq=1),
                 bencode({"t": "aa", "y": "r", "r": {"id": ID, "nodes": "n" * 26, "values": ["v" * 6]}})]
        for round_ in range(40):
            for _ in range(50):
                datagram = bytearray(chance.choice(seeds))
                for _ in range(chance.randint(1, 4)):
                    datagram[chance.randrange(len(datagram))] = chance.choice(b"0123456789:deil\x00\xff")
                self.peer.send(self.grape.dht_port, bytes(datagram))
            self.settle()
        self.assert_alive()


class Flooding(HostileTestCase):
    PORTS = 7000

    def announce_from_many_ports(self, grape, name):
        """Announces `name` from PORTS ports of 127.0.0.2, each with its own token."""
        ports = set()
        while len(ports) < self.PORTS:
            peer = Peer(ID, "127.0.0.2")
            try:
                token = peer.ask(grape.dht_port, "get_peers", info_hash=name)["r"]["token"]
                answer = peer.ask(grape.dht_port, "announce_peer", info_hash=name, implied_port=1, port=1, token=token)
                self.assertEqual(answer["y"], b"r", answer)
                ports.add(peer.port)
            finally:
                peer.close()

    def test_7000_ports_from_one_address(self):
        other = self.start(Grape, bootstrap=f"127.0.0.1:{self.grape.dht_port}", level="info")
        third = self.start(Grape, bootstrap=f"127.0.0.1:{self.grape.dht_port}", level="info")
        for grape in [other, third]:
            grape.wait_event("ready")
        self.assertEqual(other.post("/announce", {"data": ["target", 4242]}), (200, "2"))
        before = anonymous_kib(self.grape.process.pid)
        for grape in [self.grape, other]:
            self.announce_from_many_ports(grape, "target")
        self.assertGreater(self.metric("grape_announces_stored_total"), self.PORTS)

        # Bounded store: 128 of one address, the honest service, and the one of setUp().
        self.assertEqual(self.metric("grape_peers_stored"), 128 + 1 + 1)
        if not SANITIZED:
            self.assertLess(anonymous_kib(self.grape.process.pid) - before, 32 * 1024)

        # Small replies with any transaction id.
        for transaction in [b"t", b"t" * 200]:
            asker = self.start(Peer)
            asker.send(self.grape.dht_port, asker.query("get_peers", {"info_hash": "target"}, transaction))
            self.assertLessEqual(len(asker.receive()), 1400)

        # Every lookup finds the honest service. It returns a random 100 of all peers each time.
        for grape in [self.grape, other, third]:
            seen = set()
            for _ in range(50):
                found = json.loads(grape.post("/lookup", {"data": "target"})[1])
                self.assertLessEqual(len(found), 100)
                seen.update(found)
                if "127.0.0.1:4242" in seen:
                    break
            self.assertIn("127.0.0.1:4242", seen)
        self.assert_alive()

    def test_7000_ports_with_one_token(self):
        token = self.peer.ask(self.grape.dht_port, "get_peers", info_hash="target")["r"]["token"]
        for port in range(1, self.PORTS + 1):
            answer = self.peer.ask(self.grape.dht_port, "announce_peer", info_hash="target", port=port, token=token)
            self.assertEqual(answer["y"], b"r")
        self.assertEqual(self.metric("grape_peers_stored"), 128 + 1)
        self.assertLessEqual(len(self.peer.ask_raw(self.grape.dht_port, "get_peers", info_hash="target")), 1400)
        self.assert_alive()

    def test_a_token_serves_for_what_it_was_given_alone(self):
        def announce(peer, name):
            answer = peer.ask(self.grape.dht_port, "announce_peer", info_hash=name, port=1, token=token)
            return answer["e"][0] if answer["y"] == b"e" else "ok"

        owner = self.start(Peer, ID)
        token = owner.ask(self.grape.dht_port, "get_peers", info_hash="target")["r"]["token"]
        self.assertEqual(announce(self.start(Peer, ID), "target"), 203, "from another port")
        self.assertEqual(announce(self.start(Peer, ID, "127.0.0.2"), "target"), 203, "from another address")
        self.assertEqual(announce(owner, "target2"), 203, "for another name")
        owner.id = b"b" * 20
        self.assertEqual(announce(owner, "target"), 203, "with another id")
        owner.id = ID
        self.assertEqual(announce(owner, "target"), "ok")
        self.assert_alive()


class Poisoning(HostileTestCase):
    def assert_empty_table(self):
        self.assertEqual(self.node_count(), 0)
        for target in [self.id, ID, os.urandom(20)]:
            self.assertNotIn("nodes", self.peer.ask(self.grape.dht_port, "find_node", target=target)["r"])

    def test_unsolicited_replies_make_no_entry(self):
        senders = [self.start(Peer) for _ in range(20)]
        sent = 0
        for round_ in range(50):
            for sender in senders:
                nodes = random_id() + compact("127.0.0.1", sender.port)
                near = self.id[:-1] + bytes([self.id[-1] ^ 1 + round_])
                for sender_id in [random_id(), near]:
                    reply = {"id": sender_id, "nodes": nodes, "values": [compact("6.6.6.6", 666)], "token": "t"}
                    sender.send(self.grape.dht_port, {"t": os.urandom(2), "y": "r", "r": reply})
                sender.send(self.grape.dht_port, {"t": os.urandom(2), "y": "e", "e": [203, "no"]})
                sent += 3
            self.settle()
        self.assert_empty_table()
        self.assertEqual(json.loads(self.grape.request("GET", "/health")[2])["dropped"]["unmatched_reply"], sent)
        for sender in senders:
            self.assertIsNone(sender.receive(0), "answered or asked")
        self.assert_alive()

    def test_queries_of_nodes_that_do_not_answer_make_no_entry(self):
        for _ in range(300):
            self.peer.id = random_id()
            self.peer.ask(self.grape.dht_port, "find_node", target=ID)
        self.peer.id = b"nobody"
        self.assert_empty_table()
        self.assert_alive()

    def test_nobody_passes_for_the_grape_itself(self):
        self.peer.send(self.grape.dht_port, bencode({"t": "aa", "y": "q", "q": "ping", "a": {"id": self.id}}))
        self.assert_alive()
        self.assert_empty_table()


class Forging(HostileTestCase):
    """An attacker answers the grape's queries in the name of another node."""

    def asked(self, node):
        """Returns the ping with which the grape verifies a new node."""
        node.ask(self.grape.dht_port, "ping")
        return node.next_query("ping")

    def test_forged_transaction_ids_have_no_effect(self):
        node = self.start(Peer, random_id())
        query_ = self.asked(node)
        right = query_["t"]
        self.assertEqual(len(right), 2)
        wrong = [b"", right[:1], right + b"\0", right[::-1] + b"x", bytes([right[0] ^ 1, right[1]]), b"\0\1", b"aa"]
        wrong += [os.urandom(2) for _ in range(500)]
        for transaction in wrong:
            if transaction != right:
                node.send(self.grape.dht_port, {"t": transaction, "y": "r", "r": {"id": node.id}})
        self.assert_alive()
        self.assertEqual(self.node_count(), 0)
        node.reply(self.grape.dht_port, query_)
        self.settle()
        self.assertEqual(self.node_count(), 1, "the right one")

    def test_the_right_transaction_id_from_another_port_has_no_effect(self):
        node = self.start(Peer, random_id())
        query_ = self.asked(node)
        for host in ["127.0.0.1", "127.0.0.2"]:
            forger = self.start(Peer, node.id, host)
            forger.reply(self.grape.dht_port, query_)
        self.assert_alive()
        self.assertEqual(self.node_count(), 0)
        node.reply(self.grape.dht_port, query_)
        self.settle()
        self.assertEqual(self.node_count(), 1, "from the right one")

    def test_another_id_than_the_one_expected_makes_no_entry(self):
        node = self.start(Peer, random_id())
        query_ = self.asked(node)
        node.id = random_id()
        node.reply(self.grape.dht_port, query_)
        self.assert_alive()
        self.assertEqual(self.node_count(), 0)

    def test_transaction_ids_cannot_be_guessed(self):
        seen = set()
        for _ in range(30):
            node = self.start(Peer, random_id())
            seen.add(self.asked(node)["t"])
        self.assertGreater(len(seen), 25)
        self.assertGreater(len({transaction[0] for transaction in seen}), 10, "they count")

    def test_a_lookup_believes_only_whom_it_asked(self):
        node = self.start(Peer, random_id())
        node.reply(self.grape.dht_port, self.asked(node))
        self.settle()
        found = []
        lookup = threading.Thread(target=lambda: found.append(self.grape.post("/lookup", {"data": "wanted"})))
        lookup.start()
        try:
            query_ = node.next_query("get_peers")
            evil = [compact("127.0.0.1", 666)]
            forger = self.start(Peer, node.id)
            forger.reply(self.grape.dht_port, query_, values=evil, token="t")
            node.send(self.grape.dht_port, {"t": b"\0\1", "y": "r", "r": {"id": node.id, "values": evil}})
            self.settle()
            node.reply(self.grape.dht_port, query_, values=[compact("127.0.0.1", 777)], token="t")
        finally:
            lookup.join()
        self.assertEqual(found, [(200, '["127.0.0.1:777"]')])


if __name__ == "__main__":
    unittest.main(verbosity=2)
