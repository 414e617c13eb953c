"""Two `exchange` processes of one maker that share a Redis, and what becomes of a take when any of the three fails.

At most one taker is served for an amount, whatever Redis forgets, repeats or delays. Each class is a test of ctest.
"""

import concurrent.futures
import os
import pathlib
import re
import tempfile
import time
import unittest

from exchange_processes import RedisServer, Twin
from exchange_taker import Take, satoshi
from redis_proxy import RedisProxy
from support import BIN, LIMIT_S, Grape, Process, ReservedPort, TestCase, needs_redis, run

GRACE_MS = 300  # of a Redis without data, instead of 30 s


class WithTwins(TestCase):
    program = str(BIN / "exchange")

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.pool = concurrent.futures.ThreadPoolExecutor()
        self.addCleanup(self.pool.shutdown)
        self.orders, self.takes = [], []

    def start_twins(self, redis):
        """Two processes of one maker, each with a proxy in front of Redis."""
        self.redis = redis
        self.proxies = [self.start(RedisProxy, redis.port) for _ in range(2)]
        for proxy in self.proxies:
            proxy.grace_ms = GRACE_MS
        return self.start_with_urls(redis, [proxy.url for proxy in self.proxies], ["--no-grape"])

    def start_with_urls(self, redis, urls, arguments, has_identity=True):
        """With the identity in both folders; or the first process makes it, and the second one gets a copy."""
        self.twins = [self.start(Twin, self.folder / name, self.program, *arguments, "--redis", url) for name, url in zip("ab", urls)]
        secret = os.urandom(32).hex()
        for twin, other in zip(self.twins, reversed(self.twins)):
            twin.arguments += ("--connect", f"127.0.0.1:{other.port}")
            if has_identity:
                os.mkdir(twin.folder, 0o700)
                with open(f"{twin.folder}/identity", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as identity:
                    identity.write(secret + "\n")
            twin.start()
            self.wait_until(lambda: redis.command("EXISTS", f"grenache:exchange:{{{twin.peer_id}}}:epoch") == ":1\r\n")
            with open(f"{twin.folder}/identity") as identity:
                secret, has_identity = identity.read().strip(), True
        for twin, other in zip(self.twins, reversed(self.twins)):
            twin.json("connect", f"127.0.0.1:{other.port}")
        return self.twins

    def publish(self, amount="1"):
        """An order of the first process that the other one knows."""
        order = self.twins[0].json("sell", amount, "at", "50000")["order"]
        self.wait_until(lambda: order["id"] in self.twins[1].orders())
        self.orders.append(order)
        return order

    def take(self, order, amount=None):
        self.takes.append(Take(order, amount))
        return self.takes[-1]

    def later(self, function, *arguments):
        return self.pool.submit(function, *arguments)

    def until_final(self, request):
        """The first answer that is not to be asked for again."""
        end = time.monotonic() + LIMIT_S
        while not (answer := request()).is_final:
            self.assertLess(time.monotonic(), end, f"no answer but {answer}")
            time.sleep(0.02)
        return answer

    def until_granted(self, take, twin):
        answer = self.until_final(lambda: take.ask(twin.port, LIMIT_S))
        self.assertEqual(answer.code, "", answer)
        return answer

    def try_once(self, take, twin):
        """What a rival gets at once."""
        if take.ask(twin.port, LIMIT_S).code == "":
            take.pay(twin.port, LIMIT_S)

    def finish(self, takes=None):
        """Each take gets its definite answers, from both processes: what was promised is paid, the rest is asked for."""
        for take in takes or self.takes:
            for twin in self.twins:
                for which in range(len(take.hashes)):
                    self.until_final(lambda: take.pay(twin.port, LIMIT_S, which))
            if take.preimages:
                continue
            for twin in self.twins:
                answer = self.until_final(lambda: take.ask(twin.port, LIMIT_S))
                if answer.code == "":
                    self.until_final(lambda: take.pay(twin.port, LIMIT_S, take.hashes.index(answer.hash)))

    # Checks

    def problems(self):
        """Broken promises, after finish(); ends the processes."""
        out = []
        for twin in self.twins:
            code, _ = twin.process.stop()
            if code != 0:
                out.append(f"a process has ended with {code}: {twin.process.lines[-3:]}")
        sold = {}  # amount by take
        for twin in self.twins:
            trades = [row for row in twin.rows("trade") if row["role"] == "maker"]
            if len(trades) != len({row["take"] for row in trades}):
                out.append("a process has two trades of one take")
            for row in trades:
                if sold.setdefault(row["take"], (row["order"], satoshi(row["amount"]))) != (row["order"], satoshi(row["amount"])):
                    out.append(f"take {row['take']} was sold with two amounts")
        for order in self.orders:
            served = sum(take.amount * len(take.preimages) for take in self.takes if take.order["id"] == order["id"])
            traded = sum(amount for of, amount in sold.values() if of == order["id"])
            for what, units in [("served", served), ("sold", traded)]:
                if units > satoshi(order["amount"]):
                    out.append(f"of an order of {order['amount']} BTC {units / 1e8} BTC were {what}")
        for take in self.takes:
            if len(take.preimages) > 1:
                out.append("a take was served twice")
            if bool(take.preimages) != (take.id in sold):
                out.append("a take was served and not sold" if take.preimages else "a take was sold and not served")
        if len({h for take in self.takes for h in take.hashes}) != sum(len(take.hashes) for take in self.takes):
            out.append("two takes have one payment hash")
        return out

    def assert_kept(self):
        self.finish()
        self.assertEqual(self.problems(), [])


@needs_redis
class Fence(WithTwins):
    """One take that both processes have granted, one after the other: only the later one is settled."""

    def settle_late(self, other_taker=False):
        """A Settle of the first process is on its way when its reservation ends and the other process serves the amount."""
        one, two = self.start_twins(self.start(RedisServer))
        for proxy in self.proxies:
            proxy.life_ms = 3000
        order = self.publish()
        take = self.take(order)
        self.until_granted(take, one)
        held = self.proxies[0].hold("settle")
        paid = self.later(take.pay, one.port, LIMIT_S)
        held.wait()
        key = f"grenache:exchange:{{{one.peer_id}}}:take:{order['id']}/{take.id}@{take.key.hex()}"
        self.wait_until(lambda: self.redis.command("EXISTS", key) == ":0\r\n")
        later = self.take(order) if other_taker else take
        answer = self.until_granted(later, two)
        self.assertEqual(later.pay(two.port, LIMIT_S, later.hashes.index(answer.hash)).code, "")
        held.release()
        paid.result()
        self.finish()
        return take, answer, self.problems()

    def test_a_settle_that_comes_after_its_reservation_ended_settles_nothing(self):
        take, later, problems = self.settle_late()
        self.assertEqual(problems, [])
        self.assertEqual((len(take.hashes), list(take.preimages)), (2, [later.hash]), "another reservation, another invoice")

    def test_a_program_that_does_not_compare_fences_serves_the_amount_twice(self):
        self.program = os.environ["EXCHANGE_WITHOUT_FENCE"]
        _, _, problems = self.settle_late()
        self.assertEqual(problems, ["of an order of 1 BTC 2.0 BTC were served", "a take was served twice"])

    def test_another_taker_is_refused_without_comparing_fences(self):
        """Since Redis settles only what is reserved at that time."""
        self.program = os.environ["EXCHANGE_WITHOUT_FENCE"]
        take, _, problems = self.settle_late(other_taker=True)
        self.assertEqual((problems, take.preimages), ([], {}))

    def test_fences_do_not_repeat_after_redis_has_lost_its_data(self):
        one, two = self.start_twins(self.start(RedisServer))
        take = self.take(self.publish())
        self.until_granted(take, one)
        one.freeze()
        self.redis.command("FLUSHALL")
        self.until_granted(take, two)
        self.assertEqual(take.pay(two.port, LIMIT_S, 1).code, "")
        one.thaw()
        self.assert_kept()
        self.assertEqual(list(take.preimages), take.hashes[1:])


class WithSteps(WithTwins):
    """The first process has a take at some step when a fault comes; a rival wants the same amount of the other one."""

    STEPS = ["not asked", "reserve sent", "reserved", "invoiced", "settle sent", "settled", "paid"]

    def setUp(self):
        super().setUp()
        self.one, self.two = self.start_twins(self.start(RedisServer))

    def reach(self, step, take):
        """Brings the take to a step. Returns what is held back, and the answer that is awaited."""
        one, proxy = self.one, self.proxies[0]
        if step == "not asked":
            return None, None
        if step in ("reserve sent", "reserved"):
            held = proxy.hold("reserve") if step == "reserve sent" else proxy.hold_reply("reserve")
            # The fault of the step before may have cut its connection.
            answer = self.later(self.until_final, lambda: take.ask(one.port, LIMIT_S))
            held.wait()
            return held, answer
        self.until_granted(take, one)
        if step in ("settle sent", "settled"):
            held = proxy.hold("settle") if step == "settle sent" else proxy.hold_reply("settle")
            answer = self.later(self.until_final, lambda: take.pay(one.port, LIMIT_S))
            held.wait()
            return held, answer
        if step == "paid":
            self.assertEqual(take.pay(one.port, LIMIT_S).code, "")
            self.wait_until(lambda: take.order["id"] not in self.two.orders())
        return None, None

    def play(self, begin, end, may_refuse_at=""):
        """A scenario for each step: the fault begins, the rival tries, what was held back comes, the fault ends."""
        for step in self.STEPS:
            with self.subTest(step=step):
                order = self.publish()
                take, rival = self.take(order), self.take(order)
                held, answer = self.reach(step, take)
                begin()
                self.try_once(rival, self.two)
                if held:
                    held.release()
                end()
                if answer:
                    answer.result()
                if take.preimages:  # Redis is told of it before it grants anything again
                    key = f"grenache:exchange:{{{self.one.peer_id}}}:order:{order['id']}"
                    self.wait_until(lambda: self.redis.command("HGET", key, "filled") == "$9\r\n100000000\r\n")
                self.finish([take, rival])
                counts = [1, 0] if step == may_refuse_at else [1]
                self.assertIn(len(take.preimages) + len(rival.preimages), counts, "one of them is served")
        self.assertEqual(self.problems(), [])

    def lose(self, lose):
        """Redis loses its data, and both processes notice."""
        counts = [proxy.count("recover") for proxy in self.proxies]
        lose()
        for proxy in self.proxies:
            proxy.cut()
        self.wait_until(lambda: all(proxy.count("recover") > count for proxy, count in zip(self.proxies, counts)))

    def restart_redis(self):
        self.redis.kill()
        self.redis.start()


@needs_redis
class Frozen(WithSteps):
    def test_a_process_that_stands_still(self):
        self.play(self.one.freeze, self.one.thaw)

    def test_a_process_that_stands_still_while_redis_loses_its_data(self):
        def begin():
            self.one.freeze()
            self.redis.command("FLUSHALL")

        self.play(begin, self.one.thaw)


@needs_redis
class Killed(WithSteps):
    def test_a_process_that_is_killed(self):
        self.play(self.one.kill, self.one.start)

    def test_a_process_that_is_killed_while_redis_loses_its_data(self):
        def begin():
            self.one.kill()
            self.redis.command("FLUSHALL")
            self.one.start()

        self.play(begin, lambda: None)


@needs_redis
class Flushed(WithSteps):
    def test_a_flush(self):
        self.play(lambda: self.lose(lambda: self.redis.command("FLUSHALL")), lambda: None)

    def test_a_flush_after_what_was_sent_before_it(self):
        # The rival may have learned that the amount is filled, while the reply to the process that settled is lost.
        self.play(lambda: None, lambda: self.lose(lambda: self.redis.command("FLUSHALL")), "settled")

    def test_a_flush_that_nobody_notices_at_once(self):
        self.play(lambda: self.redis.command("FLUSHALL"), lambda: None)


@needs_redis
class Restarted(WithSteps):
    def test_a_redis_that_is_killed_and_comes_back_empty(self):
        self.play(lambda: self.lose(self.restart_redis), lambda: None)

    def test_a_redis_that_is_away(self):
        self.play(self.redis.kill, lambda: self.lose(self.redis.start))


@needs_redis
class Cut(WithSteps):
    def test_a_connection_that_is_lost(self):
        self.play(self.proxies[0].cut, lambda: None)

class WithSentinel(WithTwins):
    """A master and a replica of Redis, and a Sentinel that makes the replica a master when the master is gone."""

    def setUp(self):
        super().setUp()
        self.master = self.start(RedisServer, "--dir", str(self.folder), "--repl-diskless-sync-delay", "0")
        self.replica = self.start(RedisServer, "--replicaof", "127.0.0.1", str(self.master.port), "--dir", str(self.folder))
        self.wait_until(lambda: "master_link_status:up" in self.replica.command("INFO", "replication"))
        reserved = self.start(ReservedPort)
        settings = self.folder / "sentinel.conf"
        settings.write_text(f"port {reserved.port}\nbind 127.0.0.1\nsentinel monitor maker 127.0.0.1 {self.master.port} 1\n"
                            "sentinel down-after-milliseconds maker 500\nsentinel failover-timeout maker 5000\n")
        sentinel = self.start(Process, "redis-server", str(settings), "--sentinel")
        sentinel.wait_line(lambda line: "+slave slave" in line)
        self.one, self.two = self.start_with_urls(
            self.master, [f"redis+sentinel://127.0.0.1:{reserved.port}/maker"] * 2, ["--no-grape"], has_identity=False)
        self.probes = [Take(self.publish()) for _ in range(2)]
        self.order = self.publish()
        self.first, self.rival = self.take(self.order), self.take(self.order)

    def wait_replicated(self):
        """Until the replica has what the master has."""
        def offset(name, server):
            return re.search(rf"{name}:(\d+)", server.command("INFO", "replication")).group(1)

        self.wait_until(lambda: offset("slave_repl_offset", self.replica) == offset("master_repl_offset", self.master))

    def wait_promoted(self, *twins):
        """Until the replica is the master and these processes, or both, have told it what they know; then its grace ends."""
        self.wait_until(self.replica.is_master)
        for twin, probe in zip(twins or self.twins, self.probes):
            self.wait_until(lambda: probe.ask(twin.port, LIMIT_S).retry_ms > 0)
        self.replica.command("HSET", f"grenache:exchange:{{{self.one.peer_id}}}:epoch", "until", "0")

    def fail_over(self):
        self.master.kill()
        self.wait_promoted()

    def assert_one_is_served(self, take):
        self.finish()
        self.assertEqual([len(each.preimages) for each in (self.first, self.rival)], [int(each is take) for each in (self.first, self.rival)])
        self.assertEqual(self.problems(), [])


@needs_redis
class Failover(WithSentinel):
    def test_before_the_take(self):
        self.wait_replicated()
        self.fail_over()
        self.assert_one_is_served(self.first)

    def test_with_an_invoice(self):
        self.until_granted(self.first, self.one)
        self.wait_replicated()
        self.fail_over()
        self.assertEqual(self.until_final(lambda: self.rival.ask(self.two.port, LIMIT_S)).code, "reserved")
        self.assert_one_is_served(self.first)

    def test_after_the_payment(self):
        self.until_granted(self.first, self.one)
        self.assertEqual(self.first.pay(self.one.port, LIMIT_S).code, "")
        self.wait_replicated()
        self.fail_over()
        self.assert_one_is_served(self.first)

    def test_with_a_reserve_on_its_way(self):
        self.wait_replicated()
        self.master.freeze()
        answer = self.later(self.first.ask, self.one.port, LIMIT_S)
        self.assertEqual(answer.result().code, "unavailable")
        self.wait_promoted()
        self.until_granted(self.rival, self.two)
        self.master.thaw()  # and executes what came before
        self.assert_one_is_served(self.rival)

    def test_with_a_settle_on_its_way(self):
        self.until_granted(self.first, self.one)
        self.wait_replicated()
        self.master.freeze()
        answer = self.later(self.first.pay, self.one.port, LIMIT_S)
        self.wait_promoted()
        self.assertNotEqual(self.until_final(lambda: self.rival.ask(self.two.port, LIMIT_S)).code, "")
        self.master.thaw()
        answer.result()
        self.assert_one_is_served(self.first)


@needs_redis
class StaleReplica(WithSentinel):
    """A replica becomes the master that does not have the last writes."""

    def cut_off_replica(self):
        """From now on it gets nothing of what the master does."""
        self.replica.freeze()
        self.master.command("CLIENT", "KILL", "TYPE", "replica")

    def promote_stale_replica(self, *twins):
        self.master.kill()
        self.replica.thaw()
        self.wait_promoted(*twins)

    def test_it_does_not_have_the_reservation(self):
        """The processes tell it."""
        self.wait_replicated()
        self.cut_off_replica()
        self.until_granted(self.first, self.one)
        self.promote_stale_replica()
        self.assertEqual(self.until_final(lambda: self.rival.ask(self.two.port, LIMIT_S)).code, "reserved")
        self.assert_one_is_served(self.first)

    def test_it_does_not_have_the_reservation_of_a_process_that_stands_still(self):
        self.wait_replicated()
        self.cut_off_replica()
        self.until_granted(self.first, self.one)
        self.one.freeze()
        self.promote_stale_replica(self.two)
        self.until_granted(self.first, self.two)
        self.assertEqual(self.first.pay(self.two.port, LIMIT_S, 1).code, "")
        self.one.thaw()
        self.assertIn(self.until_final(lambda: self.rival.ask(self.two.port, LIMIT_S)).code, ["filled", "amount"])
        self.assert_one_is_served(self.first)
        self.assertEqual(list(self.first.preimages), self.first.hashes[1:])

    def test_it_does_not_have_what_was_sold(self):
        part = self.take(self.order, "0.6")
        self.wait_replicated()
        self.cut_off_replica()
        self.until_granted(part, self.one)
        self.assertEqual(part.pay(self.one.port, LIMIT_S).code, "")
        self.wait_until(lambda: self.two.orders()[self.order["id"]]["remaining"] == "0.4")
        self.promote_stale_replica()
        for _ in range(4):
            self.try_once(self.take(self.order, "0.2"), self.two)
        self.assert_kept()


@needs_redis
class Late(WithSteps):
    """Commands and replies that are lost, repeated or late."""

    def test_lost_replies(self):
        for name in ["reserve", "settle", "update"]:
            with self.subTest(name=name):
                self.proxies[0].drop_reply(name)
                self.trade_with_rival()
        self.assertEqual(self.problems(), [])

    def test_repeated_commands(self):
        for name in ["reserve", "settle", "update"]:
            with self.subTest(name=name):
                self.proxies[0].repeat(name)
                self.trade_with_rival()
        for proxy in self.proxies:
            proxy.repeat("recover")
        self.lose(lambda: self.redis.command("FLUSHALL"))
        self.trade_with_rival()
        self.assertEqual(self.problems(), [])

    def trade_with_rival(self):
        order = self.publish()
        take, rival = self.take(order), self.take(order)
        self.try_once(take, self.one)
        self.try_once(rival, self.two)
        self.finish([take, rival])
        self.assertEqual(len(take.preimages) + len(rival.preimages), 1, "one of them is served")

    def test_a_reserve_that_comes_after_it_was_given_up_reserves_nothing(self):
        order = self.publish()
        take, rival = self.take(order), self.take(order)
        held = self.proxies[0].hold("reserve")
        self.assertEqual(take.ask(self.one.port, LIMIT_S).code, "unavailable")
        self.proxies[0].cut()
        self.wait_until(lambda: self.proxies[0].count("undo") >= 1)
        held.release()
        self.assertEqual(self.until_final(lambda: rival.ask(self.two.port, LIMIT_S)).code, "")
        self.assert_kept()
        self.assertEqual(len(rival.preimages), 1)

    def test_a_recover_that_comes_after_the_amount_was_sold(self):
        """The reservation that it tells of is not restored, and its payment is refused."""
        order = self.publish()
        take, rival = self.take(order), self.take(order)
        self.until_granted(take, self.one)
        held = self.proxies[0].hold("recover")
        self.redis.command("FLUSHALL")
        self.proxies[0].cut()
        held.wait()
        self.until_granted(rival, self.two)
        self.assertEqual(rival.pay(self.two.port, LIMIT_S).code, "")
        held.release()
        self.assertEqual(self.until_final(lambda: take.pay(self.one.port, LIMIT_S)).code, "gone")
        self.assert_kept()

    def test_a_settle_that_comes_after_a_flush(self):
        """Redis does not know the take any more; the process tells of it, and settles it then."""
        order = self.publish()
        take, rival = self.take(order), self.take(order)
        self.until_granted(take, self.one)
        held = self.proxies[0].hold("settle")
        answer = self.later(take.pay, self.one.port, LIMIT_S)
        held.wait()
        self.redis.command("FLUSHALL")
        held.release()
        self.assertEqual(answer.result().code, "unavailable")
        self.until_final(lambda: rival.ask(self.two.port, LIMIT_S))
        self.assert_kept()
        self.assertEqual(len(take.preimages), 1)

    def test_a_payment_after_the_reservation_ended_is_refused(self):
        for proxy in self.proxies:
            proxy.life_ms = 1500
        order = self.publish()
        take, rival = self.take(order), self.take(order)
        self.until_granted(take, self.one)
        self.one.freeze()
        answer = self.later(take.pay, self.one.port, LIMIT_S)
        for proxy in self.proxies:
            proxy.life_ms = None
        self.wait_until(lambda: rival.ask(self.two.port, LIMIT_S).code == "")
        self.one.thaw()
        self.assertEqual(answer.result().code, "gone")
        self.assert_kept()
        self.assertEqual((len(take.preimages), len(rival.preimages)), (0, 1))


@needs_redis
class Loss(WithTwins):
    def test_a_peer_with_a_new_identity_gives_others_time_too(self):
        """The first run of an identity need not wait for others, but they may join while it runs."""
        redis = self.start(RedisServer)
        self.proxies = [self.start(RedisProxy, redis.port) for _ in range(2)]
        one, two = self.start_with_urls(redis, [proxy.url for proxy in self.proxies], ["--no-grape"], has_identity=False)
        order = self.publish()
        take, rival = self.take(order, "0.6"), self.take(order, "0.4")
        self.until_granted(take, two)
        self.assertEqual(take.pay(two.port, LIMIT_S).code, "")
        self.wait_until(lambda: one.orders()[order["id"]]["remaining"] == "0.4")
        two.freeze()
        recovered = self.proxies[0].count("recover")
        redis.command("FLUSHALL")
        self.assertEqual(rival.ask(one.port, LIMIT_S).code, "unavailable")
        self.wait_until(lambda: self.proxies[0].count("recover") > recovered)
        refused = rival.ask(one.port, LIMIT_S)
        self.assertEqual(refused.code, "unavailable")
        two.thaw()
        self.assertEqual(self.problems(), [])

    def test_a_process_without_anything_to_do_notices_that_redis_has_lost_its_data(self):
        """Else the other one would not count what it has sold."""
        one, two = self.start_twins(self.start(RedisServer))
        order = self.publish()
        take = self.take(order, "0.6")
        self.until_granted(take, one)
        self.assertEqual(take.pay(one.port, LIMIT_S).code, "")
        self.wait_until(lambda: two.orders()[order["id"]]["remaining"] == "0.4")
        recovered = self.proxies[0].count("recover")
        self.redis.command("FLUSHALL")
        self.wait_until(lambda: self.proxies[0].count("recover") > recovered)
        for _ in range(3):
            rival = self.take(order, "0.4")
            self.until_final(lambda: rival.ask(two.port, LIMIT_S))
        self.assert_kept()


    def test_sales_on_both_sides_of_a_loss_are_added_up(self):
        """One process has sold before the loss, unheard by the other, which is paid before the first one has told of it."""
        one, two = self.start_twins(self.start(RedisServer))
        for proxy in self.proxies:
            proxy.grace_ms = 4000
        order = self.publish()
        early, late = self.take(order, "0.4"), self.take(order, "0.4")
        self.until_granted(late, two)
        two.kill()
        self.until_granted(early, one)
        self.assertEqual(early.pay(one.port, LIMIT_S).code, "")
        one.freeze()
        self.redis.command("FLUSHALL")
        recovered = [proxy.count("recover") for proxy in self.proxies]
        two.start()
        self.wait_until(lambda: self.proxies[1].count("recover") > recovered[1])
        late.pay(two.port, LIMIT_S)
        one.thaw()
        self.wait_until(lambda: self.proxies[0].count("recover") > recovered[0])
        for _ in range(3):
            rival = self.take(order, "0.2")
            self.until_final(lambda: rival.ask(one.port, LIMIT_S))
        self.assert_kept()
        self.assertEqual(len(late.preimages), 1, "what was promised is sold")


class Taker(Twin):
    """An `exchange` that takes orders."""

    def trades(self):
        return self.json("trades")["rows"]


@needs_redis
class Takers(WithTwins):
    """Takers that are `exchange` processes themselves and find the maker with a grape."""

    def setUp(self):
        super().setUp()
        grape = self.start(Grape, level="info")
        self.redis = self.start(RedisServer)
        self.one, self.two = self.start_with_urls(
            self.redis, [f"redis://127.0.0.1:{self.redis.port}/0"] * 2, ["--grape", grape.url], has_identity=False)
        self.first, self.second = [self.start(Taker, self.folder / name, self.program, "--grape", grape.url) for name in ["first", "second"]]
        for taker in (self.first, self.second):
            taker.start()
            self.wait_until(lambda: len(taker.json("peers")["peers"]) >= 2)
        self.order = self.publish()
        for taker in (self.first, self.second):
            self.wait_until(lambda: self.order["id"] in taker.orders())

    def accept(self, taker, *words):
        """Whether the take was granted."""
        return run("exchange", "ctl", "--data-dir", taker.folder, "--json", "acceptOrder", self.order["id"], *words).returncode == 0

    def assert_first_is_served(self):
        self.wait_until(lambda: len(self.first.trades()) == 1)
        self.assertFalse(self.accept(self.second, "pay"))
        self.assertEqual(self.second.trades(), [])
        bought = {row["take"] for row in self.first.trades()}
        for twin in self.twins:
            self.assertEqual(twin.process.stop()[0], 0)
        self.assertEqual({row["take"] for twin in self.twins for row in twin.rows("trade")}, bought)

    def test_a_maker_process_that_is_killed_after_the_invoice(self):
        take = self.first.json("acceptOrder", self.order["id"])["take"]
        self.one.kill()
        self.assertEqual(self.take(self.order).ask(self.two.port, LIMIT_S).code, "reserved")
        self.first.json("pay", take)
        self.one.start()
        self.assert_first_is_served()

    def test_a_maker_process_that_stands_still_during_the_payment(self):
        take = self.first.json("acceptOrder", self.order["id"])["take"]
        self.one.freeze()
        paid = self.later(self.first.json, "pay", take)
        self.assertEqual(self.take(self.order).ask(self.two.port, LIMIT_S).code, "reserved")
        self.one.thaw()
        paid.result()
        self.assert_first_is_served()

    def test_a_redis_that_loses_its_data_after_the_invoice(self):
        take = self.first.json("acceptOrder", self.order["id"])["take"]
        self.redis.command("FLUSHALL")
        self.first.json("pay", take)
        self.assert_first_is_served()


if __name__ == "__main__":
    unittest.main(verbosity=2)
