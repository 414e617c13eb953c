"""`exchange` as a person uses it: orders and takes by `exchange ctl`, restarts, and the console."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

from screen import Terminal
from support import BIN, Grape, Process, ReservedPort, TestCase, run, taken_port

ORDER = '{\n    "buy": "BTC",\n    "sell": "USD",\n    "price": 50000,\n    "amount": 1\n}'


class Client:
    """A peer with a data folder; it may be killed and started again."""

    def __init__(self, test, folder, *arguments):
        self.test, self.folder, self.arguments = test, folder, arguments
        self.reserved = test.start(ReservedPort)  # the same after a restart
        self.start()

    def start(self):
        self.process = self.test.start(
            Process, BIN / "exchange", "--data-dir", self.folder, "--bind", "127.0.0.1", "--port", str(self.reserved.port),
            "--log-format", "json", *self.arguments)
        self.process.wait_event("ready")

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.reserved.port}"

    def kill(self):
        self.process.process.kill()
        self.process.wait()

    def run(self, *words):
        return run("exchange", "ctl", "--data-dir", self.folder, *words)

    def ctl(self, *words):
        """The text of a command that succeeds."""
        result = self.run(*words)
        self.test.assertEqual((result.returncode, result.stderr), (0, ""), words)
        return result.stdout

    def json(self, *words):
        return json.loads(self.ctl("--json", *words))

    def orders(self):
        return {order["id"]: order for order in self.json("orders")["orders"]}


class WithFolder(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def client(self, name, *arguments):
        return Client(self, str(self.folder / name), *arguments)

    def two_clients(self):
        return self.client("client1", "--no-grape"), self.client("client2", "--no-grape")

    def two_connected(self):
        client1, client2 = self.two_clients()
        client1.ctl("connect", client2.endpoint)
        return client1, client2

    def wait_order(self, client, order_id, **members):
        def is_there():
            order = client.orders().get(order_id)
            return order is not None and all(order[name] == value for name, value in members.items())

        self.wait_until(is_there)

    def publish(self, maker, taker, *words):
        order_id = maker.json(*words)["order"]["id"]
        self.wait_order(taker, order_id)
        return order_id


class Guards(WithFolder):
    def test_an_order_has_the_work_that_is_wanted_and_one_that_is_too_small_is_refused(self):
        worker = self.client("worker", "--no-grape", "--pow", "12")
        small = worker.json("sell", "0.000001", "BTC", "at", "50000")["order"]
        self.assertGreaterEqual(small["workBits"], 12)
        large = worker.json("sell", "0.00001", "BTC", "at", "50000")["order"]["id"]
        picky = self.client("picky", "--no-grape", "--connect", worker.endpoint, "--min-order-sat", "101", "--relay-pow", "12")
        self.wait_order(picky, large)
        self.assertNotIn(small["id"], picky.orders())

    def test_a_relay_fee_is_paid_when_it_is_small_enough(self):
        payee = self.client("payee", "--no-grape", "--relay-fee-sat", "100")
        payer = self.client("payer", "--no-grape", "--connect", payee.endpoint, "--pay-relay-sat", "100")
        paid = payer.process.wait_event("warning")
        self.assertIn(f"paid 0.000001 BTC to {payee.endpoint}", paid["text"])


class Ctl(WithFolder):
    def test_two_clients_as_the_page_has_it(self):
        client1, client2 = self.two_clients()
        added = client1.ctl("addOrder", ORDER)
        self.assertRegex(added, r"^order         [0-9a-f-]{36}\nterms         buy 1 BTC at 50000 USD\nstatus        OPEN\nends          ")
        order_id = added.split()[1]
        self.assertRegex(client1.ctl("orders"), rf"(?m)^{order_id[:8]}  buy     1  50000  OPEN    23h 59m  ours$")
        self.assertEqual(client2.ctl("orders"), "No orders.\n", "they are not connected yet")
        connected = client1.ctl("connect", client2.endpoint)
        self.assertRegex(connected, rf"^Connected to peer [0-9a-f]{{8}} at {client2.endpoint}\.\n$")
        self.wait_order(client2, order_id)
        self.assertRegex(client2.ctl("orders"), rf"(?m)^{order_id[:8]}  buy     1  50000  OPEN    23h 59m  [0-9a-f]{{8}}$")
        accepted = client2.ctl("acceptOrder", json.dumps({"id": order_id}))
        self.assertRegex(accepted, r"(?m)^terms         sell 1 BTC at 50000 USD, 50000 USD in all$")
        self.assertRegex(accepted, r"(?m)^state         invoiced; pay within 14m \d+s: pay [0-9a-f]{8}$")
        invoice = accepted.splitlines()[-1]
        self.assertTrue(invoice.startswith("lnbcrt11"), invoice)
        again = client2.ctl("acceptOrder", json.dumps({"id": order_id}))
        self.assertEqual(again.splitlines()[-1], invoice, "the same take has the same invoice")
        self.assertEqual(client1.orders()[order_id]["reserved"], "1")

    def test_a_page_copied_without_the_quotes_says_what_is_missing(self):
        client1, _ = self.two_clients()
        refused = client1.run("acceptOrder", '{"id": 3f2a91bc-ac99}')
        self.assertEqual((refused.returncode, refused.stdout), (2, ""))
        self.assertIn("needs double quotes", refused.stderr)

    def test_a_sale_from_the_order_to_the_trade(self):
        client1, client2 = self.two_connected()
        order_id = self.publish(client1, client2, "sell", "1", "BTC", "at", "50000", "for", "2h", "min", "0.1")
        take = client2.json("acceptOrder", order_id[:8], "0.4")
        self.assertEqual((take["state"], take["amount"], take["side"]), ("invoiced", "0.4", "buy"))
        paid = client2.json("pay", take["take"][:8])
        self.assertEqual((paid["state"], paid["take"]), ("settled", take["take"]))
        self.assertRegex(paid["preimage"], r"^[0-9a-f]{64}$")
        for client, side, role in [(client1, "sell", "maker"), (client2, "buy", "taker")]:
            (trade,) = client.json("trades")["rows"]
            self.assertEqual((trade["side"], trade["amount"], trade["usd"], trade["role"]), (side, "0.4", "20000", role))
            table = client.ctl("trades").splitlines()
            self.assertEqual(table[0].split()[:6], ["at", "side", "amount", "price", "usd", "role"])
            self.assertRegex(client.ctl("explain", order_id), r"0\.4 BTC")
            self.wait_order(client, order_id, remaining="0.6")
        self.assertEqual(client2.run("acceptOrder", order_id, "0.05").returncode, 1, "below the least take")

    def test_takes_that_are_refused_say_why_and_what_to_do(self):
        client1, client2 = self.two_connected()
        order_id = self.publish(client1, client2, "buy", "1", "at", "50000")
        client2.ctl("acceptOrder", order_id, "0.5")
        for client, words, parts in [
                (client2, ["acceptOrder", order_id, "0.25"], ["the maker has refused", "already", f"see: explain {order_id[:8]}"]),
                (client1, ["acceptOrder", order_id], ["this order is your own", "see: matches"]),
                (client2, ["acceptOrder", order_id, "2"], ["only 1 BTC of the order remain"]),
                (client2, ["acceptOrder", order_id, "price=1"], ["the order's price is 50000 USD"]),
                (client2, ["acceptOrder", "00000000"], ["there is no order '00000000'", "see: orders"]),
                (client2, ["cancel", order_id], ["this is not an order of this peer", "see: orders"]),
                (client2, ["pay", "0000"], ["no take of this peer waits for this payment"]),
                (client2, ["sell", "2", "at", "50000", "FOK"], ["only 1 BTC of the book can be taken; nothing was traded", "see: book"]),
                (client1, ["buy", "1", "at", "60000", "IOC"], ["no order of the book matches; nothing was traded", "see: book"]),
                (client1, ["connect", client1.endpoint], ["this is the endpoint of this peer"])]:
            with self.subTest(words=words):
                refused = client.run(*words)
                self.assertEqual((refused.returncode, refused.stdout), (1, ""))
                for part in parts:
                    self.assertIn(part, refused.stderr)

    def test_orders_that_trade_at_once(self):
        client1, client2 = self.two_connected()
        self.publish(client1, client2, "sell", "1", "at", "50000")
        self.publish(client1, client2, "sell", "1", "at", "51000")
        bought = client2.ctl("buy", "1.5", "at", "51000", "FOK")
        self.assertIn("bought 1.5 of 1.5 BTC for 75500 USD, at 51000 or better\n", bought)
        self.assertEqual(bought.count("settled"), 2)
        execution = client2.json("buy", "3", "at", "51000", "IOC")
        self.assertEqual((execution["type"], execution["wanted"], execution["filled"]), ("execution", "3", "0.5"))
        self.assertEqual([(take["state"], take["amount"]) for take in execution["takes"]], [("settled", "0.5")])
        self.wait_until(lambda: not client1.orders())
        self.assertEqual(len(client1.json("trades")["rows"]), 3)
        self.assertEqual(client2.orders(), {}, "they are not published")

    def test_of_a_group_one_order_is_sold_and_the_others_are_closed(self):
        client1, client2 = self.two_connected()
        profit = self.publish(client1, client2, "sell", "1", "at", "70000", "oco", "exit")
        loss = self.publish(client1, client2, "addOrder", '{"side":"sell","amount":"1","price":"50000","oco":"exit"}')
        self.assertRegex(client1.ctl("orders", "own"), rf"(?m)^{loss[:8]}  sell  +1  50000  exit  OPEN ")
        take = client2.json("acceptOrder", profit, "0.25")["take"]
        refused = client2.run("acceptOrder", loss, "0.25")
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertRegex(refused.stderr, r"the maker has refused \(reserved\): .*, ask again in \d+ s")
        client1.kill()
        client1.start()
        self.assertEqual(client2.run("acceptOrder", loss, "0.25").returncode, 1, "the group survives a restart")
        self.assertEqual(client2.json("pay", take)["state"], "settled")
        self.wait_order(client2, profit, remaining="0.75")
        self.wait_until(lambda: loss not in client2.orders())
        explained = " ".join(client1.ctl("explain", loss).split())
        self.assertIn("It is CANCELLED", explained)
        self.assertIn("Of the orders of its group 'exit' only one is sold.", explained)
        late = client1.run("sell", "1", "at", "50000", "oco", "exit")
        self.assertEqual(late.returncode, 1)
        self.assertIn("was filled already", late.stderr)

    def test_explain_tells_refusals_and_matches(self):
        client1, client2 = self.two_connected()
        order_id = self.publish(client1, client2, "sell", "1", "at", "50000")
        self.assertIn("It matches nothing: nobody buys.", client1.ctl("explain", order_id))
        bid = self.publish(client2, client1, "buy", "1", "at", "49000")
        self.assertIn("the best price to sell is 49000 USD, below its 50000 USD", client1.ctl("explain", order_id))
        self.assertIn("the best price to buy is 50000 USD, above its 49000 USD", client2.ctl("explain", bid))
        better = self.publish(client2, client1, "buy", "0.5", "at", "50000")
        self.assertIn(f"It matches 1 order: {better} at 50000 USD, 0.5 BTC", " ".join(client1.ctl("explain", order_id).split()))
        client2.ctl("acceptOrder", order_id, "0.5")
        self.assertEqual(client2.run("acceptOrder", order_id, "0.25").returncode, 1)
        for _ in range(2):
            self.assertRegex(client1.ctl("explain", order_id), r"A take of 0\.25 BTC in the name of [0-9a-f]{16} was refused at .*: the taker has reserved")
            client1.kill()
            client1.start()

    def test_what_is_reserved_cannot_be_withdrawn(self):
        client1, client2 = self.two_connected()
        order_id = self.publish(client1, client2, "sell", "1", "at", "50000")
        take = client2.json("acceptOrder", order_id, "0.4")["take"]
        self.assertEqual(client1.json("reduce", order_id, "0.6")["order"]["remaining"], "0.4")
        refused = client1.run("reduce", order_id, "0.1")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("nothing of the order is free to be withdrawn", refused.stderr)
        self.assertEqual(client1.orders()[order_id]["remaining"], "0.4")
        self.assertEqual(client1.json("cancel", order_id)["order"]["status"], "CANCELLED")
        self.wait_until(lambda: order_id not in client2.orders())
        self.assertEqual(client2.json("pay", take)["state"], "settled", "the invoice outlives the order")

    def test_a_maker_that_is_killed_between_invoice_and_payment(self):
        client1, client2 = self.two_connected()
        order_id = self.publish(client1, client2, "sell", "1", "at", "50000")
        take = client2.json("acceptOrder", order_id)["take"]
        client1.kill()
        client2.kill()
        client1.start()
        client2.start()
        self.assertEqual(client1.orders()[order_id]["reserved"], "1", "the promise outlives the process")
        self.assertEqual(client1.json("status")["saleCount"], 1)
        self.assertEqual(client2.json("pay", take)["state"], "settled")
        self.assertEqual(len(client1.json("trades")["rows"]), 1)
        self.assertEqual(client1.json("orders", "own")["orders"][0]["status"], "FILLED")

    def test_a_payment_while_the_maker_is_away_is_made_when_it_is_back(self):
        client1, client2 = self.two_connected()
        order_id = self.publish(client1, client2, "sell", "1", "at", "50000")
        take = client2.json("acceptOrder", order_id)["take"]
        client1.kill()
        self.assertEqual(client2.json("pay", take)["state"], "paying")
        client1.start()
        self.wait_until(lambda: len(client2.json("trades")["rows"]) == 1)
        self.assertEqual(len(client1.json("trades")["rows"]), 1)

    def test_a_restarted_peer_reads_the_book_of_those_it_is_told_to_connect_to(self):
        client1, client2 = self.two_connected()
        order_id = self.publish(client1, client2, "sell", "1", "at", "50000")
        client2.kill()
        client2.arguments += ("--connect", client1.endpoint)
        client2.start()
        self.wait_order(client2, order_id)

    def test_peers_that_have_met_meet_again_without_a_grape(self):
        client1, client2 = self.two_connected()
        client1.kill()
        client2.kill()
        client1.start()
        client2.start()
        self.wait_until(lambda: [peer["isProven"] for peer in client1.json("peers")["peers"]] == [True])
        self.wait_until(lambda: [peer["isProven"] for peer in client2.json("peers")["peers"]] == [True])
        self.publish(client1, client2, "sell", "1", "at", "50000")

    def test_peers_with_auto_take_trade_without_a_person(self):
        client1 = self.client("client1", "--no-grape", "--auto-take")
        client2 = self.client("client2", "--no-grape", "--auto-take")
        client1.ctl("connect", client2.endpoint)
        sell = self.publish(client1, client2, "sell", "1", "at", "50000")
        buy = client2.json("buy", "0.4", "at", "51000")["order"]["id"]
        self.wait_order(client1, sell, remaining="0.6")
        own = lambda: {order["id"]: order for order in client2.json("orders", "own")["orders"]}
        self.wait_until(lambda: own()[buy]["status"] == "FILLED")
        trades = client2.json("trades")["rows"]
        self.assertEqual([(t["role"], t["amount"], t["price"]) for t in trades], [("taker", "0.4", "50000")])

    def test_watch_reports_until_it_is_interrupted(self):
        client1, client2 = self.two_connected()
        watch = self.start(Process, BIN / "exchange", "ctl", "--data-dir", client1.folder, "watch")
        json_watch = self.start(Process, BIN / "exchange", "ctl", "--data-dir", client2.folder, "--json", "watch")
        json_watch.wait_line(lambda line: json.loads(line)["type"] == "watching")
        self.wait_until(lambda: self.publish(client1, client2, "sell", "1", "at", "50000") and watch.rest())
        self.assertRegex(watch.lines[0], r"^\d\d:\d\d:\d\d our order [0-9a-f]{8}: sell 1 BTC at 50000 USD, new$")
        json_watch.wait_line(lambda line: json.loads(line)["type"] == "orderChanged")
        self.assertEqual(watch.stop(signal.SIGINT)[0], 0)
        client2.ctl("stop")
        self.assertEqual(client2.process.wait(), 0)
        self.assertEqual(json_watch.wait(), 1)
        self.assertIn("the exchange closed the connection", json_watch.lines[-1])
        stopped = client2.run("orders")
        self.assertEqual(stopped.returncode, 1)
        self.assertIn(f"start one with 'exchange --data-dir {client2.folder}'", stopped.stderr)

    def test_text_in_a_pipe_is_not_wrapped(self):
        client1, _ = self.two_connected()
        order_id = client1.json("sell", "1", "at", "50000")["order"]["id"]
        own, match = client1.ctl("explain", order_id).splitlines(keepends=True)
        self.assert_one_line(own, f"Own order {order_id} sells 1 BTC", "It expires at")
        self.assert_one_line(match, f"Order {order_id} is in the book. It matches nothing: nobody buys.")


class Pegged(WithFolder):
    """Orders at a price of an index, which three keys publish in the DHT."""

    def setUp(self):
        super().setUp()
        one = self.start(Grape)
        two = self.start(Grape, bootstrap=f"127.0.0.1:{one.dht_port}")
        two.wait_event("ready")
        self.publisher_grape, self.grape = one.url, two.url
        self.keys = [self.grenache("keygen", "--key", self.key_file(i)).strip() for i in range(3)]

    def key_file(self, i):
        return str(self.folder / f"key{i}")

    def grenache(self, *words):
        result = run("grenache", *words)
        self.assertEqual((result.returncode, result.stderr), (0, ""), words)
        return result.stdout

    def set_price(self, price, count=2):
        value = json.dumps({"price": price, "time": int(time.time() * 1000)})
        for i in range(count):
            self.grenache("put", "--mutable", value, "--salt", "btc", "--key", self.key_file(i), "--grape", self.publisher_grape)

    def index(self, *keys):
        names = ",".join(f"{key}:btc" for key in keys)
        return ["--grape", self.grape, "--index", f"spot={names}", "--index-interval", "0.2", "--peg-interval", "0.1"]

    def own_open(self, client):
        return [order for order in client.json("orders", "own")["orders"] if order["status"] == "OPEN"]

    def wait_price(self, client, price):
        def has_price():
            orders = self.own_open(client)
            return len(orders) == 1 and orders[0]["price"] == price

        self.wait_until(has_price)
        return self.own_open(client)[0]

    def test_an_order_follows_an_index_that_keys_publish(self):
        self.set_price("60000")
        maker = self.client("maker", *self.index(*self.keys))
        taker = self.client("taker", "--no-grape")
        taker.ctl("connect", maker.endpoint)
        self.wait_until(lambda: maker.json("status")["indexes"][0]["price"] == "60000")
        self.assertRegex(maker.ctl("status"), r"(?m)^index         spot: 60000 USD, 2 fresh of 2 needed$")
        placed = maker.ctl("sell", "1", "at", "spot+1.5%", "from", "50000", "to", "70000")
        self.assertRegex(placed, r"(?m)^terms         sell 1 BTC at 60900 USD$")
        self.assertRegex(placed, r"(?m)^peg           spot\+1\.5% from 50000 to 70000$")
        first = placed.split()[1]
        self.wait_order(taker, first)
        take = taker.json("acceptOrder", first, "0.25")["take"]
        self.set_price("61000.5")
        second = self.wait_price(maker, "61915.51")
        self.assertEqual(second["amount"], "0.75", "the rest is reserved at the old price")
        self.wait_order(taker, second["id"], price="61915.51")
        self.assertNotIn(first, taker.orders())
        self.assertEqual(taker.json("pay", take)["state"], "settled")
        (trade,) = taker.json("trades")["rows"]
        self.assertEqual((trade["price"], trade["amount"]), ("60900", "0.25"))
        explained = " ".join(maker.ctl("explain", second["id"]).split())
        self.assertRegex(explained, r"Pegged order [0-9a-f-]{36} sells 1 BTC at spot\+1\.5% from 50000 to 70000\. Its newest order is " + second["id"])
        # Of the third key nothing is heard.
        maker.kill()
        maker.arguments = self.index(self.keys[2])
        maker.start()
        self.assertIn("spot+1.5% from 50000 to 70000, paused", maker.ctl("orders", "own"))
        self.wait_until(lambda: second["id"] not in taker.orders())
        self.assertIn("0 fresh prices, 1 are needed", maker.run("sell", "1", "at", "spot+1%").stderr)
        maker.kill()
        maker.arguments = self.index(*self.keys)
        maker.start()
        third = self.wait_price(maker, "61915.51")
        self.assertEqual(third["amount"], "0.75")
        maker.ctl("cancel", third["id"])
        self.assertEqual(self.own_open(maker), [])


class Folder(WithFolder):
    def assert_refused(self, folder, *parts):
        result = run("exchange", "--data-dir", str(folder), "--no-grape", "--log-level", "error")
        self.assertEqual(result.returncode, 1)
        self.assert_one_line(result.stderr, "exchange: ", *parts)

    def test_one_process_for_one_folder(self):
        client = self.client("client1", "--no-grape")
        self.assert_refused(client.folder, "another exchange is using the data folder", client.folder)
        self.assertEqual(client.ctl("orders"), "No orders.\n")

    def test_folders_that_cannot_be_used(self):
        file = self.folder / "file"
        file.touch()
        self.assert_refused(file, "Not a directory")
        self.assert_refused("/proc/exchange", "/proc/exchange")
        broken = self.folder / "broken"
        broken.mkdir()
        (broken / "identity").write_text("x")
        (broken / "identity").chmod(0o600)
        self.assert_refused(broken, "identity holds no key")

    @contextlib.contextmanager
    def small_disk(self, size):
        """A tmpfs; only for root."""
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", self.folder], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("no tmpfs can be mounted here")
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", self.folder], check=True)

    def fill_disk(self):
        with contextlib.suppress(OSError), open(self.folder / "fill", "wb", buffering=0) as fill:
            while True:
                fill.write(b"x" * 4096)

    def test_a_disk_that_cannot_be_written(self):
        with self.small_disk("1m"):
            subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)
            self.assert_refused(self.folder / "client1", "Read-only file system")
        with self.small_disk("20k"):
            self.fill_disk()
            self.assert_refused(self.folder / "client1", "No space left on device")

    def test_a_disk_that_fills_up_ends_the_peer_before_it_promises_anything(self):
        with self.small_disk("300k"):
            client = self.client("client1", "--no-grape")
            self.fill_disk()
            acknowledged = []
            while len(acknowledged) < 1000:
                placed = client.run("--json", "sell", "1", "at", "50000")
                if placed.returncode != 0:
                    break
                acknowledged.append(json.loads(placed.stdout)["order"]["id"])
            self.assertEqual(client.process.wait(), 1)
            self.assertIn("exchange: the journal cannot be written: ", client.process.lines[-1])
            (self.folder / "fill").unlink()
            client.start()
            self.assertLessEqual(set(acknowledged), set(client.orders()))


class WithGrapes(WithFolder):
    def test_a_peer_without_a_grape_says_which_command_starts_one_and_meets_others_when_it_runs(self):
        port = self.start(ReservedPort).port
        grape = f"http://127.0.0.1:{port}"
        client1 = self.client("client1", "--grape", grape)
        client2 = self.client("client2", "--grape", grape)
        waiting = client1.process.wait_event("grape")
        command = re.search(r"start one with: (grape .*)$", waiting["text"]).group(1)
        self.assertIn(f"no grape answers at {grape}", client1.ctl("status"))
        order_id = client1.json("addOrder", ORDER)["order"]["id"]
        command = command.replace("--dp 20001", "--dp 0").replace(" --bn ''", "").split()
        self.start(Process, BIN / command[0], *command[1:], "--bn", "")
        self.wait_order(client2, order_id)
        self.wait_until(lambda: f"{grape} answers" in client1.ctl("status"))

    def test_a_peer_that_only_knows_a_grape_finds_counterparties(self):
        one = self.start(Grape)
        two = self.start(Grape, bootstrap=f"127.0.0.1:{one.dht_port}")
        seller = self.client("seller", "--grape", one.url)
        order_id = seller.json("sell", "1", "at", "60000")["order"]["id"]
        buyer = self.client("buyer", "--grape", two.url)
        own_id = buyer.json("buy", "0.5", "at", "60000")["order"]["id"]
        self.wait_until(lambda: buyer.json("matches", own_id)["orders"])
        (match,) = buyer.json("matches", own_id)["orders"]
        self.assertEqual((match["id"], match["matched"]), (order_id, "0.5"), "a part of the greater offer")
        take = buyer.json("acceptOrder", order_id, f"forOrder={own_id}", "pay")
        self.assertEqual((take["state"], take["amount"]), ("settled", "0.5"))
        self.wait_until(lambda: own_id not in buyer.orders())
        self.wait_order(seller, order_id, remaining="0.5")


    def test_the_playbook_with_two_grapes_that_bootstrap_from_each_other(self):
        with taken_port(socket.SOCK_DGRAM) as holder:
            second = holder.getsockname()[1]
        one = self.start(Grape, bootstrap=f"127.0.0.1:{second}")
        self.start(Grape, bootstrap=f"127.0.0.1:{one.dht_port}", dht_port=second)
        played = run("exchange", "--playbook", "--grape", one.url)
        self.assertEqual((played.returncode, played.stderr), (0, ""), played.stdout)
        steps = ["pings Bob", "publishes order", "polls for matches", "finds a match", "answers with an invoice", "gives the preimage"]
        at = 0
        for step in steps:
            at = played.stdout.index(step, at)


class Console(WithFolder):
    def open(self, *arguments, columns=80):
        terminal = Terminal(str(BIN / "exchange"), "--data-dir", str(self.folder / "console"), "--no-grape", "--bind", "127.0.0.1",
                            *arguments, columns=columns)
        self.addCleanup(terminal.close)
        terminal.wait(lambda lines: "'help' lists the commands, 'stop' ends the peer." in lines and lines[-1] == ">")
        return terminal

    def ctl(self, *words):
        return run("exchange", "ctl", "--data-dir", str(self.folder / "console"), *words)

    def test_a_session(self):
        terminal = self.open(columns=100)
        lines = terminal.screen.text()
        self.assertRegex(lines[0], r"^Peer [0-9a-f]{8} listens on port \d+\.$")
        self.assertEqual(lines[1], f"Its data folder is {self.folder}/console.")
        self.assertFalse([line for line in lines if re.search(r"\b(info|warning)\b", line)], "the log stays off the console")
        terminal.type("sell 1 BTC at 50000\r")
        terminal.wait_line("terms         sell 1 BTC at 50000 USD")
        terminal.wait(lambda lines: lines[-1] == ">")
        terminal.type("ord\t\r")
        terminal.wait(lambda lines: any(re.match(r"[0-9a-f]{8}  sell    1  50000  OPEN    23h 59m  ours", line) for line in lines))
        terminal.type("orde")
        terminal.wait_last("> orde")
        self.assertEqual(self.ctl("buy", "2", "at", "40000").returncode, 0)
        notice = r"^\d\d:\d\d:\d\d our order [0-9a-f]{8}: buy 2 BTC at 40000 USD, new$"
        lines = terminal.wait(lambda lines: lines[-1] == "> orde" and re.match(notice, lines[-2]))
        terminal.type("\x15\x1b[A\x1b[A")  # erases the line, and brings back the one before the last
        terminal.wait_last("> sell 1 BTC at 50000")
        terminal.type("\x15nonsense\r")
        terminal.wait_line("there is no command 'nonsense'")
        terminal.type("stop\r")
        self.assertEqual(terminal.wait_end(), 0)
        self.assertEqual(terminal.current_mode(), terminal.mode)

    def test_it_keeps_history_and_orders(self):
        terminal = self.open()
        terminal.type("sell 1 at 50000\r")
        terminal.wait_line("terms         sell 1 BTC at 50000 USD")
        terminal.type("\x04")
        self.assertEqual(terminal.wait_end(), 0)
        history = self.folder / "console" / "history"
        self.assertEqual(stat.S_IMODE(os.stat(history).st_mode), 0o600)
        terminal = self.open()
        terminal.type("\x1b[A")
        terminal.wait_last("> sell 1 at 50000")
        self.assertIn("sell    1  50000  OPEN", self.ctl("orders").stdout)
        terminal.process.send_signal(signal.SIGINT)
        self.assertEqual(terminal.wait_end(), 0)
        self.assertEqual(terminal.current_mode(), terminal.mode)

    def test_a_missing_grape_is_a_notice(self):
        url = f"http://127.0.0.1:{self.start(ReservedPort).port}"
        terminal = Terminal(str(BIN / "exchange"), "--in-memory", "--grape", url, columns=200)
        self.addCleanup(terminal.close)
        terminal.wait(lambda lines: lines[-1] == ">" and any(
            re.match(rf"\d\d:\d\d:\d\d no grape answers at {url}: .*; start one with: grape ", line) for line in lines))
        self.assertIn("Nothing is kept: orders and promises end with this process.", terminal.screen.text())
        terminal.type("\x04")
        self.assertEqual(terminal.wait_end(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
