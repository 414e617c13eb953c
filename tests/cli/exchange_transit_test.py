"""Three peers without a grape: a payment over the credit lines of another peer, and a cycle of debts that is removed."""

import json
import pathlib
import tempfile
import unittest

from exchange_processes import Twin
from support import BIN, TestCase, run


class OverOthers(TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.peers = {}
        for name in ("alice", "bob", "carol"):
            others = [f"--connect={peer.host.address}:{peer.port}" for peer in self.peers.values()]
            peer = Twin(pathlib.Path(folder.name) / name, str(BIN / "exchange"), "--no-grape", "--name", name, *others)
            self.addCleanup(peer.close)
            peer.start()
            self.wait_met(peer, self.peers)
            for other in self.peers.values():
                other.process.wait_event("peer", name=name)
            self.peers[name] = peer

    def wait_met(self, peer, names):
        """In any order."""
        missing = set(names)
        while missing:
            missing.discard(peer.process.wait_event("peer")["name"])

    def json(self, name, *words):
        return self.peers[name].json(*words)

    def open(self, one, other):
        self.json(one, "propose", other, "100")
        self.peers[other].process.wait_event("proposal", name=one)
        self.json(other, "acceptCredit", one)
        self.peers[one].process.wait_event("credit_line", what="opened", name=other)

    def balances(self):
        return {name: self.json(name, "balance")["total"] for name in self.peers}

    def test_a_payment_goes_over_a_peer_that_allows_it_also_after_it_was_killed(self):
        self.open("alice", "bob")
        self.open("bob", "carol")
        result = run("exchange", "ctl", "--data-dir", self.peers["alice"].folder, "pay", "carol", "10")
        self.assertEqual(result.returncode, 1)
        self.assertIn("the peer does not pass it on", result.stderr)
        for other in ("alice", "carol"):
            line = self.json("bob", "forward", other, "on", "fee=0.02", "share=0.5")
            self.assertEqual((line["forwards"], line["fee"], line["feePpm"]), (True, "0.02", 5000))
        paid = self.json("alice", "pay", "carol", "10", "--max-fee", "0.10")
        self.assertEqual((paid["state"], paid["isOverOthers"], paid["fee"]), ("counted", True, "0.07"))
        self.peers["bob"].process.wait_event("credit_transit", what="forwarded", fee="0.07")
        self.peers["bob"].process.wait_event("credit_paid", name="carol", amount="10")
        self.peers["alice"].process.wait_event("credit_paid", name="bob", amount="10.07")
        self.assertEqual(self.balances(), {"alice": "-10.07", "bob": "0.07", "carol": "10"})

        bob = self.peers["bob"]
        bob.kill()
        bob.start()
        self.wait_met(bob, ("alice", "carol"))
        result = run("exchange", "ctl", "--data-dir", self.peers["alice"].folder, "pay", "carol", "20", "--max-fee", "0.11")
        self.assertIn("higher fee", result.stderr)
        result = run("exchange", "ctl", "--data-dir", self.peers["alice"].folder, "pay", "carol", "20")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("went over other peers, for a fee of 0.12 USD", result.stdout)

    def test_a_cycle_of_debts_is_removed(self):
        for one, other in (("alice", "bob"), ("bob", "carol"), ("carol", "alice")):
            self.open(one, other)
            self.json(one, "pay", other, "25")
            self.json(one, "netting", other, "on")
            self.json(other, "netting", one, "on")
        done = self.json("alice", "net")
        self.assertEqual((done["peers"], done["debts"], done["cycles"], done["removed"]), (2, 3, 1, "75"), json.dumps(done))
        for creditor, debtor in (("bob", "alice"), ("carol", "bob"), ("alice", "carol")):
            self.peers[creditor].process.wait_event("credit_paid", name=debtor, amount="25")
        self.assertEqual(self.balances(), {"alice": "0", "bob": "0", "carol": "0"})


if __name__ == "__main__":
    unittest.main()
