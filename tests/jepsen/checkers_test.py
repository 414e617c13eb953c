"""Each checker finds what it is for, and nothing in a run in which all is well."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
import checkers  # noqa: E402
from history import counts, pairs  # noqa: E402
import nemesis  # noqa: E402
from cluster import FEW, MANY  # noqa: E402


def trade(role, counterpart, take="take1", amount="0.5", order="order1"):
    return {"take": take, "order": order, "role": role, "counterpart": counterpart, "amount": amount}


def order(filled="0.5", closed=False, status="OPEN"):
    return {"order": {"id": "order1", "amount": "1", "status": status}, "filled": filled, "closed": closed}


def journal(orders, trades):
    return {"order": orders, "trade": trades, "purchase": [], "taken": []}


class WithRun(unittest.TestCase):
    """A maker with the processes a1 and a2 has sold 0.5 of 1 BTC to the peer t."""

    def setUp(self):
        self.records = []
        self.run_ = checkers.Run(
            history=self.records, makers={"A": ["a1", "a2"], "T": ["t"]}, books={name: {"order1": [2, "0.5"]} for name in ("a1", "a2", "t")},
            journals={"a1": journal([order()], [trade("maker", "T")]), "a2": journal([order()], []), "t": journal([], [trade("taker", "A")])},
            books_equal_after=1.0, logs={"a1": ['{"level":"info"}']}, troubles=[])

    def did(self, f, value, result=None, kind="ok", process="customer"):
        for type_, what in [("invoke", value), (kind, result)]:
            self.records.append({"index": len(self.records), "time": 0, "process": process, "type": type_, "f": f, "value": what})

    def take(self, name="take2", at="a1"):
        return {"take": name, "taker": "C", "order": "order1", "maker": "A", "amount": "0.5", "at": at}

    def paid(self, paid, **how):
        self.did("pay invoice", self.take(**how) | {"hash": paid}, {"hash": paid})

    def assert_found(self, *parts):
        found = checkers.violations(self.run_)
        self.assertTrue(found)
        for sentence in found:
            self.assertTrue(any(part in sentence for part in parts), sentence)

    def journal(self, name, kind="trade"):
        return self.run_.journals[name][kind]


class Checkers(WithRun):
    def test_a_good_run_has_no_violations(self):
        self.journal("a2").append(trade("maker", "C", "take2"))
        self.journal("a1", "order")[0]["filled"] = "1"
        self.did("ask", self.take(), {"hash": "h"})
        self.paid("h")
        self.paid("h", at="a2")
        self.assertEqual(checkers.violations(self.run_), [])

    def test_an_amount_that_two_processes_sell(self):
        for name, take in [("a1", "take3"), ("a2", "take4")]:
            self.journal(name).append(trade("maker", "T", take))
            self.journal("t").append(trade("taker", "A", take))
        self.journal("a1", "order")[0]["filled"] = "1.5"
        self.assert_found("1.5 BTC were sold", "1.5 BTC were served", "1.5 BTC were traded")

    def test_a_take_with_two_preimages(self):
        self.journal("a2").append(trade("maker", "C", "take2"))
        self.journal("a1", "order")[0]["filled"] = "1"
        self.paid("h1")
        self.paid("h2")
        self.assert_found("served 2 times", "1.5 BTC were served")

    def test_a_sale_that_does_not_count(self):
        self.journal("a1", "order")[0]["filled"] = "0.4"
        self.journal("a2", "order")[0]["filled"] = "0"
        self.assert_found("0.4 BTC count as filled")

    def test_an_order_that_is_sold_and_takes_beyond_its_amount(self):
        self.journal("a1", "order")[0]["filled"] = "1"
        self.journal("a1", "taken").append({"take": "take5", "forOrder": "order1", "state": "settled", "amount": "0.6"})
        self.assert_found("1.1 BTC were traded")

    def test_a_trade_that_counts_twice(self):
        self.journal("t").append(trade("taker", "A"))
        self.assert_found("t has 2 trades of take take1")

    def test_a_payment_without_a_sale(self):
        self.paid("h")
        self.assert_found("the maker A… has sold None sat")

    def test_a_sale_without_a_payment(self):
        self.journal("t").clear()
        self.assert_found("the taker has paid for None sat")

    def test_two_takes_with_one_payment_hash(self):
        self.did("ask", self.take("take2"), {"hash": "h"})
        self.did("ask", self.take("take3"), {"hash": "h"})
        self.assert_found("have one payment hash")

    def test_a_closed_order_in_a_book(self):
        self.journal("a2", "order")[0]["closed"] = True
        self.assert_found("has order order1, which is closed")

    def test_a_cancelled_order_that_its_peer_shows(self):
        self.run_.books = {}
        self.did("cancel", {"id": "order1"}, process="a1")
        self.did("read", {}, [["order1", 2, "0.5"]], process="t")
        self.assertEqual(checkers.violations(self.run_), [])
        del self.run_.operations
        self.did("read", {}, [["order1", 2, "0.5"]], process="a1")
        self.assert_found("a1 shows order order1, which it has cancelled")

    def test_a_cancelled_order_that_is_granted(self):
        self.run_.books = {}
        self.did("ask", self.take("early"), None, "info")
        self.did("cancel", {"id": "order1"}, process="a1")
        self.did("ask", self.take("early"), {"hash": "h1"})
        self.assertEqual(checkers.violations(self.run_), [])
        del self.run_.operations
        self.did("ask", self.take("late", at="a2"), {"hash": "h2"})
        self.assert_found("a2 grants take late of order order1, which was cancelled before")

    def test_books_that_differ(self):
        self.run_.books["t"]["order1"] = [1, "1"]
        self.run_.books_equal_after = -1
        self.assert_found("the books were not equal in time", "'t': [1, '1']")

    def test_errors_in_logs_and_ended_processes(self):
        self.run_.logs["a1"] = ['{"level":"error"}', "terminate called"]
        self.run_.troubles = ["a1 has ended by itself"]
        self.assert_found('a1 said: {"level":"error"}', "a1 said: terminate called", "has ended by itself")


class Histories(WithRun):
    def test_operations_end_once_and_those_without_an_end_may_have_had_effects(self):
        self.did("ask", {}, "reserved", "fail")
        self.did("ask", {}, {"hash": "h"})
        self.records.append({"index": 4, "time": 0, "process": "a1", "type": "invoke", "f": "ask", "value": {}})
        self.records.append({"index": 5, "time": 0, "process": "nemesis", "type": "info", "f": "kill begins", "value": {}})
        self.assertEqual([end and end["type"] for _, end in pairs(self.records)], ["fail", "ok", None])
        self.assertEqual(dict(counts(self.records)["ask"]), {"fail": 1, "ok": 1, "info": 1})


class Schedules(unittest.TestCase):
    def test_a_seed_decides_the_faults(self):
        self.assertEqual(nemesis.schedule(1, 600, MANY, True, True), nemesis.schedule(1, 600, MANY, True, True))
        self.assertNotEqual(nemesis.schedule(1, 600, MANY, True, True), nemesis.schedule(2, 600, MANY, True, True))
        self.assertEqual(nemesis.proxied_schedule(1, 60, FEW), nemesis.proxied_schedule(1, 60, FEW))

    def test_peers_are_left_alone_before_a_grace_ends(self):
        for seed in range(50):
            faults = nemesis.schedule(seed, 600, MANY, True, True)
            redis = [fault for fault in faults if fault.kind in nemesis.LOSES_DATA or fault.target.startswith("r")]
            for loss in redis:
                for fault in faults:
                    is_peer = fault.kind in ("pause", "kill", "clock", "partition")
                    self.assertFalse(is_peer and fault is not loss and fault.overlaps(loss.end + 10, loss.end + 10 + nemesis.QUIET_S), (loss, fault))

    def test_all_kinds_of_faults_occur(self):
        kinds = {fault.kind for seed in range(20) for fault in nemesis.schedule(seed, 600, MANY, True, True)}
        kinds |= {fault.kind for seed in range(20) for fault in nemesis.proxied_schedule(seed, 60, FEW)}
        begins = {name[len("begin_"):].replace("_", " ") for name in dir(nemesis.Nemesis) if name.startswith("begin_")}
        self.assertEqual(kinds, begins)


if __name__ == "__main__":
    unittest.main(verbosity=2)
