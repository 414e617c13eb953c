"""What many want at the same moment: each amount is sold once, each promise is kept."""

import collections
import concurrent.futures
import threading
import time
import unittest

from exchange_processes import RedisServer, Twin
from exchange_taker import Take, call
from exchange_twins_test import WithTwins
from support import LIMIT_S, needs_redis

GRACE_MS = 3000  # of a Redis without data, instead of 30 s: both processes of the maker are back by then


def together(*functions):
    """Calls all at the same moment, each in a thread; returns their results."""
    barrier = threading.Barrier(len(functions))

    def call_one(function):
        barrier.wait()
        return function()

    with concurrent.futures.ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(call_one, functions))


@needs_redis
class AtTwoProcesses(WithTwins):
    """The maker has two processes on one Redis."""

    def setUp(self):
        super().setUp()
        self.one, self.two = self.start_twins(self.start(RedisServer))
        for proxy in self.proxies:
            proxy.grace_ms = GRACE_MS
        self.until_granted(Take(self.publish()), self.two)  # the grace after the start has ended

    def status(self, twin, order):
        return next(each["status"] for each in twin.json("orders", "own")["orders"] if each["id"] == order["id"])

    def test_1000_takers_of_one_order_while_redis_is_killed(self):
        order = self.publish("1")
        takes = [self.take(order, "0.01") for _ in range(1000)]
        sold, lock = [], threading.Lock()

        def buy(number):
            take, twin = takes[number], self.twins[number % 2]
            end = time.monotonic() + LIMIT_S
            while time.monotonic() < end:
                answer = take.ask(twin.port, LIMIT_S)
                if answer.code == "":
                    answer = take.pay(twin.port, LIMIT_S, take.hashes.index(answer.hash))
                    if answer.code == "":
                        with lock:
                            sold.append(take)
                            if len(sold) == 30:
                                self.redis.kill()
                                self.redis.start()
                        return ""
                if answer.code in ("filled", "amount", "unknown"):
                    return answer.code
                if answer.code == "gone":  # its reservation was lost with Redis
                    take = self.take(order, "0.01")
                time.sleep(0.05)
            return answer.code

        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            results = collections.Counter(pool.map(buy, range(len(takes))))
        self.assertEqual((results[""], len(sold)), (100, 100), results)
        self.assertLessEqual(set(results), {"", "filled", "amount", "unknown"})
        self.wait_until(lambda: [self.status(twin, order) for twin in self.twins] == ["FILLED", "FILLED"])
        self.assertEqual(self.problems(), [])

    def test_a_take_while_its_order_is_cancelled(self):
        """It is granted and can be paid, or is refused; nobody is granted anything after the cancel."""
        for number in range(12):
            order = self.publish("1")
            take, twin, other = self.take(order, "0.4"), self.twins[number % 2], self.twins[number // 2 % 2]
            answer, _ = together(lambda: take.ask(twin.port, LIMIT_S), lambda: other.json("cancel", order["id"]))
            late = self.take(order, "0.1")
            for each in self.twins:
                self.assertEqual(late.ask(each.port, LIMIT_S).code, "unknown")
            if answer.code == "":
                self.assertEqual(take.pay(twin.port, LIMIT_S).code, "")
            else:
                self.assertEqual(answer.code, "unknown", answer)
            self.wait_until(lambda: {self.status(each, order) for each in self.twins} == {"CANCELLED"})
        self.assertEqual(self.problems(), [])

    def test_one_take_that_is_asked_for_and_paid_without_end(self):
        order = self.publish("1")
        take = self.take(order, "0.4")
        self.until_granted(take, self.one)
        invoices = set()

        def repeat(number):
            twin = self.twins[number % 2]
            answer = take.ask(twin.port, LIMIT_S)
            if answer.code == "":
                invoices.add(answer.body["lightningInvoice"])
                answer = take.pay(twin.port, LIMIT_S)
            return answer.code

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            codes = set(pool.map(repeat, range(400)))
        self.assertLessEqual(codes, {"", "limit", "filled", "gone"})
        self.assertEqual((len(invoices), len(take.preimages)), (1, 1))
        rest = self.take(order, "0.6")
        self.until_granted(rest, self.two)
        self.assert_kept()

    def test_a_take_of_the_makers_own_order_is_refused(self):
        order = self.publish("1")
        with open(f"{self.one.folder}/identity") as identity:
            take = Take(order, "0.4", int(identity.read(), 16))
        for twin in self.twins:
            self.assertEqual(take.ask(twin.port, LIMIT_S).code, "self-trade")
            with self.assertRaisesRegex(AssertionError, "this order is your own"):
                twin.json("acceptOrder", order["id"])
        self.assertEqual(self.two.orders()[order["id"]]["reserved"], "0")
        self.assertEqual(self.problems(), [])


class TwoPeers(WithTwins):
    """Peers of two persons."""

    def start_peer(self, name, *arguments):
        peer = self.start(Twin, self.folder / name, self.program, "--no-grape", *arguments)
        peer.start()
        return peer

    def test_orders_that_cross_and_are_placed_at_the_same_moment_make_one_trade(self):
        left, right = self.start_peer("left", "--auto-take"), self.start_peer("right", "--auto-take")
        left.json("connect", f"127.0.0.1:{right.port}")
        for count in range(1, 11):
            together(lambda: left.json("buy", "1", "at", "50000"), lambda: right.json("sell", "1", "at", "50000"))
            self.wait_until(lambda: all(len(peer.json("trades")["rows"]) >= count for peer in (left, right)))
            self.wait_until(lambda: not left.orders() and not right.orders())
        trades = [peer.json("trades")["rows"] for peer in (left, right)]
        self.assertEqual([len(rows) for rows in trades], [10, 10])
        self.assertEqual([row["take"] for row in trades[0]], [row["take"] for row in trades[1]])
        self.assertEqual({row["amount"] for rows in trades for row in rows}, {"1"})
        for mine, theirs in zip(*trades):
            self.assertEqual({mine["role"], theirs["role"]}, {"maker", "taker"})

    def test_an_order_that_somebody_adds_again_after_its_removal_is_not_sold(self):
        maker, other = self.start_peer("maker"), self.start_peer("other")
        maker.json("connect", f"127.0.0.1:{other.port}")
        order = maker.json("sell", "1", "at", "50000")["order"]
        self.wait_until(lambda: order["id"] in other.orders())
        book = {"type": "GetOrderbookMessage", "exchangeId": 1, "creatorType": "client", "createdAt": int(time.time() * 1000)}
        record = next(each for each in call(other.port, book, LIMIT_S).body if each["id"] == order["id"])
        taken = Take(order, "0.4")
        self.assertEqual(taken.ask(maker.port, LIMIT_S).code, "")
        maker.json("cancel", order["id"])
        self.wait_until(lambda: order["id"] not in other.orders())
        stranger = self.start_peer("stranger")  # has heard of neither version
        for peer in (maker, other, stranger):
            call(peer.port, record, LIMIT_S)
        self.assertEqual([order["id"] in peer.orders() for peer in (maker, other, stranger)], [False, False, True])
        with self.assertRaisesRegex(AssertionError, "cancelled"):
            stranger.json("acceptOrder", order["id"], "0.1")
        self.assertEqual(Take(order, "0.1").ask(maker.port, LIMIT_S).code, "unknown")
        self.assertEqual(taken.pay(maker.port, LIMIT_S).code, "", "what was promised before is sold")
        stranger.json("connect", f"127.0.0.1:{other.port}")
        self.wait_until(lambda: order["id"] not in stranger.orders())
        self.assertEqual([row["amount"] for row in maker.json("trades")["rows"]], ["0.4"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
