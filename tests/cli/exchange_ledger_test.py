"""`exchange ledger` as its operator and its clients meet it."""

import json
import os
import pathlib
import random
import signal
import stat
import tempfile
import threading
import time
import unittest

from exchange_ledger import Client, LedgerProcess, Refused
from exchange_processes import journal_rows
from exchange_taker import call
from support import BIN, Grape, Process, TestCase, run


def cents(text):
    whole, _, part = str(text).partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0") or 0)


def usd(amount):
    """The shortest text of an amount in cents, as it is signed."""
    return f"{amount // 100}.{amount % 100:02}".rstrip("0").rstrip(".")


class LedgerTestCase(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name, "ledger")
        self.alice, self.bob, self.carol = Client("alice"), Client("bob"), Client("carol")
        self.operator = Client("operator")

    def ledger(self, *arguments):
        return self.start(LedgerProcess, self.folder, "--no-grape", "--name", "main", "--operator", self.operator.key, *arguments)

    def open_all(self, ledger):
        for client, start in [(self.alice, "100"), (self.bob, "0.5"), (self.carol, "0")]:
            self.assertEqual(client.open(ledger, start)["balance"], start)


class CommandLine(LedgerTestCase):
    def test_help_names_the_flags(self):
        result = run("exchange", "ledger", "--help")
        self.assertEqual(result.returncode, 0)
        for flag in ["--port", "--bind", "--grape", "--grape-ca", "--grape-cert", "--grape-key", "--no-grape", "--service", "--name", "--data-dir",
                     "--start-max", "--operator", "--transfers-max", "--log-level", "--log-format"]:
            self.assertIn(flag, result.stdout)
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 102, result.stdout)
        self.assertIn("exchange ledger --help", run("exchange", "--help").stdout)

    def test_wrong_usage_is_one_line_and_exit_code_2(self):
        folder = ["--data-dir", str(self.folder)]
        for arguments, part in [
                ([], "--data-dir"), ([*folder, "--nonsense"], "--nonsense"), ([*folder, "--port", "70000"], "--port"),
                ([*folder, "--operator", "bob"], "is no peer id"), ([*folder, "--start-max", "-1"], "--start-max"),
                ([*folder, "--start-max", "0.001"], "is no amount in USD"), ([*folder, "--grape", "x"], "is no URL"),
                ([*folder, "--name", "x" * 65], "at most 64 bytes"), ([*folder, "--bind", "here"], "is not an IP address"),
                ([*folder, "--grape-ca", "f"], "need a --grape https://")]:
            with self.subTest(arguments=arguments):
                result = run("exchange", "ledger", *arguments)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assert_one_line(result.stderr, "exchange ledger: ", part)
        self.assertFalse(self.folder.exists())

    def test_the_first_lines_say_who_and_where_it_is(self):
        ledger = self.ledger()
        self.assertEqual({name: ledger.ready[name] for name in ["port", "name", "service", "accounts", "total", "transfers"]},
                         {"port": ledger.port, "name": "main", "service": "exchange:ledger", "accounts": 0, "total": "0", "transfers": 0})
        first = json.loads(ledger.process.lines[0])
        self.assertEqual((first["data_dir"], first["ledger_id"]), (str(self.folder), ledger.id))
        self.assertEqual(stat.S_IMODE(os.stat(self.folder / "identity").st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(self.folder / "journal.db").st_mode), 0o600)

    def test_two_processes_on_one_folder_are_refused(self):
        ledger = self.ledger()
        for program in [["ledger"], []]:
            result = run("exchange", *program, "--data-dir", str(self.folder), "--no-grape", "--bind", "127.0.0.1", "--log-level", "error")
            self.assertEqual(result.returncode, 1)
            self.assert_one_line(result.stderr, str(self.folder), "is using the data folder")
        self.assertEqual(ledger.info()["name"], "main")

    def test_the_folder_of_a_peer_is_refused(self):
        peer = self.start(Process, BIN / "exchange", "--data-dir", self.folder, "--no-grape", "--bind", "127.0.0.1", "--log-format", "json")
        peer.wait_event("ready")
        result = run("exchange", "ctl", "--data-dir", str(self.folder), "sell", "1", "BTC", "at", "50000")
        self.assertEqual(result.returncode, 0, result.stderr)
        peer.stop()
        result = run("exchange", "ledger", "--data-dir", str(self.folder), "--no-grape", "--bind", "127.0.0.1", "--log-level", "error")
        self.assertEqual(result.returncode, 1)
        self.assert_one_line(result.stderr, "exchange ledger: ", "belongs to a trading peer", "--data-dir")

    def test_a_port_in_use_is_one_line_and_exit_code_1(self):
        ledger = self.ledger()
        other = pathlib.Path(self.folder.parent, "other")
        result = run("exchange", "ledger", "--data-dir", str(other), "--no-grape", "--bind", "127.0.0.1", "--port", str(ledger.port), "--log-level",
                     "error")
        self.assertEqual(result.returncode, 1)
        self.assert_one_line(result.stderr, "exchange ledger: ", str(ledger.port), "in use")

    def test_signals_stop_it(self):
        for sig in [signal.SIGTERM, signal.SIGINT]:
            ledger = self.ledger()
            self.assertEqual(ledger.process.stop(sig)[0], 0, ledger.process.lines)
            self.assertIn('"stopped"', ledger.process.lines[-1])
            ledger.close()


class Accounts(LedgerTestCase):
    def test_it_is_found_by_name_in_the_dht(self):
        grape = self.start(Grape)
        ledger = self.start(LedgerProcess, self.folder, "--grape", grape.url, "--service", "bank")
        grape.wait_found("bank")
        found = json.loads(grape.post("/lookup", {"rid": "r", "data": "bank"})[1])
        self.assertEqual(found, [f"127.0.0.1:{ledger.port}"])
        self.assertEqual(self.alice.open(ledger, "1")["name"], "alice")

    def test_it_starts_without_its_grape_and_says_so(self):
        ledger = self.start(LedgerProcess, self.folder, "--grape", "http://127.0.0.1:1")
        self.assertIn("no grape answers", ledger.process.wait_event("grape")["text"])
        self.assertEqual(self.alice.open(ledger, "1")["balance"], "1")

    def test_accounts_transfers_and_statements(self):
        ledger = self.ledger("--start-max", "100", "--log-level", "debug")
        self.open_all(ledger)
        self.assertEqual(Client("dave").open(ledger, "100.01")["code"], "start-too-large")
        self.assertEqual(Client("bob").open(ledger, "1")["code"], "name-taken")
        before = self.alice.ask(ledger, "GetAccountMessage", name="bob")["time"]
        self.wait_until(lambda: ledger.info()["time"] > before)

        paid = self.alice.pay(ledger, self.bob, "30.25")
        self.assertEqual((paid["kind"], paid["seq"]), ("paid", 1))
        self.assertEqual(ledger.process.wait_event("transfer", seq=1)["amount"], "30.25")
        self.assertEqual(self.alice.pay(ledger, self.bob, "70")["reason"], "insufficient")
        self.assertEqual(self.bob.pay(ledger, Client("nobody"), "1")["reason"], "unknown-payee")
        with self.assertRaisesRegex(Refused, "invalid"):
            self.alice.pay(ledger, self.bob, "-5")
        self.assertEqual(self.bob.pay(ledger, self.carol, "0.75")["seq"], 2)
        self.assertEqual({name: account["balance"] for name, account in ledger.accounts(self.alice, page=2).items()},
                         {"alice": "69.75", "bob": "30", "carol": "0.75"})
        info = ledger.info()
        self.assertEqual((info["total"], info["accountCount"], info["startMax"]), ("100.5", 3, "100"))

        incoming = self.bob.ask(ledger, "GetTransfersMessage", key=self.bob.key, after=0, max=100)["transfers"]
        self.assertEqual([(each["seq"], each["from"], each["amount"]) for each in incoming], [(1, self.alice.key, "30.25")])
        self.wait_until(lambda: ledger.info()["time"] > paid["at"])

        def statement(at):
            answer = self.alice.ask(ledger, "GetStatementMessage", key=self.alice.key, at=at)
            return answer["balance"], answer["seq"]

        self.assertEqual(statement(before), ("100", 0))
        self.assertEqual(statement(paid["at"]), ("69.75", 1))

    def test_a_stranger_cannot_delete_and_an_operator_can_once(self):
        ledger = self.ledger()
        self.open_all(ledger)
        now = ledger.info()["time"]
        self.assertEqual(self.alice.ask(ledger, "DeleteAccountsMessage", by=self.alice.key, at=now)["code"], "not-operator")
        # Names the operator, but is signed by another key.
        forged = self.alice.request("DeleteAccountsMessage", ledger, by=self.operator.key, at=now)
        self.assertEqual(ledger.answer(forged)["code"], "bad-signature")
        self.assertEqual(ledger.info()["accountCount"], 3)

        request = self.operator.request("DeleteAccountsMessage", ledger, by=self.operator.key, at=now)
        self.assertEqual(ledger.answer(request)["count"], 3)
        ledger.process.wait_event("accounts_deleted", count=3)
        self.assertEqual(ledger.info()["total"], "0")
        self.open_all(ledger)
        self.assertEqual(ledger.answer(request)["count"], 3)
        ledger.kill()
        ledger.start()
        self.assertEqual(ledger.answer(request)["count"], 3, "a replay")
        self.assertEqual(ledger.info()["accountCount"], 3)

    def test_what_is_no_request_is_refused(self):
        ledger = self.ledger()
        for message in [{}, [], 1, {"type": "TransferMessage"}, {"type": "GetLedgerMessage", "nonce": "x"}, "x" * 10000]:
            answer = call(ledger.port, message, 30)
            self.assertEqual(answer.code, "invalid", message)
        self.assertEqual(ledger.info()["accountCount"], 0)


class Crashes(LedgerTestCase):
    def test_outcomes_and_balances_outlive_kill_9(self):
        ledger = self.ledger()
        self.open_all(ledger)
        transfer = self.alice.transfer(self.bob, "30")
        paid = self.alice.send(ledger, transfer)
        failing = self.alice.transfer(self.bob, "1000")
        self.assertEqual(self.alice.send(ledger, failing)["reason"], "insufficient")
        ledger.kill()
        ledger.start()
        self.assertEqual((ledger.ready["accounts"], ledger.ready["total"], ledger.ready["transfers"]), (3, "100.5", 1))
        again = self.alice.send(ledger, transfer)
        self.assertEqual((again["kind"], again["seq"], again["at"]), ("paid", paid["seq"], paid["at"]))
        self.assertEqual(self.alice.send(ledger, failing)["reason"], "insufficient")
        self.assertEqual(self.alice.send(ledger, {**transfer, "amount": "30.01"})["code"], "id-reused")
        self.assertEqual((self.alice.balance(ledger), self.bob.balance(ledger)), ("70", "30.5"))

    def test_a_journal_that_cannot_grow_ends_it_before_it_tells_an_outcome(self):
        # Writes beyond the limit, in blocks of 512 bytes, fail as on a full disk.
        small = ["/bin/sh", "-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "sh"]
        ledger = self.start(LedgerProcess, self.folder, "--no-grape", prefix=small)
        self.open_all(ledger)
        told = []
        with self.assertRaises(Refused):
            while len(told) < 2000:
                transfer = self.alice.transfer(self.bob, "0.01")
                self.assertEqual(self.alice.send(ledger, transfer)["kind"], "paid")
                told.append(transfer)
        self.assertEqual(ledger.process.wait(), 1)
        self.assertIn("exchange ledger: the journal cannot be written: ", ledger.process.lines[-1])
        ledger.prefix = ()
        ledger.start()
        self.assertGreaterEqual(ledger.ready["transfers"], len(told))
        for transfer in told[-3:]:
            self.assertEqual(self.alice.send(ledger, transfer)["kind"], "paid")
        self.assertEqual(ledger.info()["total"], "100.5")

    def test_money_is_kept_while_it_is_killed_again_and_again(self):
        seed = int(os.environ.get("LEDGER_SEED") or random.randrange(2**32))
        print(f"LEDGER_SEED={seed}", flush=True)
        choice = random.Random(seed)
        ledger = self.ledger()
        clients = [self.alice, self.bob, self.carol]
        self.open_all(ledger)
        told, transfers, failures = {}, [], []
        stop = threading.Event()
        lock = threading.Lock()

        def trade(number):
            """Sends transfers, each until its outcome is told, and old ones again."""
            chance = random.Random(seed * 10 + number)
            try:
                while not stop.is_set():
                    payer, payee = chance.sample(clients, 2)
                    with lock:
                        old = transfers and chance.random() < 0.3
                        payer, transfer = chance.choice(transfers) if old else (
                            payer, payer.transfer(payee, usd(chance.randrange(1, 800))))
                        if not old:
                            transfers.append((payer, transfer))
                    while not stop.is_set():
                        try:
                            answer = payer.send(ledger, transfer)
                            break
                        except Refused:  # it is down, or starting
                            time.sleep(0.005)
                    else:
                        return
                    outcome = (answer["kind"], answer.get("seq"), answer.get("at"), answer.get("reason"))
                    with lock:
                        if told.setdefault(transfer["transferId"], outcome) != outcome:
                            failures.append((transfer, told[transfer["transferId"]], outcome))
            except Exception as problem:  # pylint: disable=broad-except
                failures.append(problem)

        threads = [threading.Thread(target=trade, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(6):
                known = len(told)
                self.wait_until(lambda: failures or len(told) >= known + choice.randrange(3, 30))
                ledger.kill()
                ledger.start()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        for payer, transfer in transfers:  # what was under way at the end
            answer = payer.send(ledger, transfer)
            told.setdefault(transfer["transferId"], (answer["kind"], answer.get("seq"), answer.get("at"), answer.get("reason")))

        balances = {self.alice.key: 10000, self.bob.key: 50, self.carol.key: 0}
        paid = {}
        for payer, transfer in transfers:
            kind, seq, at, _ = told[transfer["transferId"]]
            if kind == "paid":
                balances[payer.key] -= cents(transfer["amount"])
                balances[transfer["to"]] += cents(transfer["amount"])
                paid[seq] = (transfer["transferId"], at)
        self.assertEqual(sorted(paid), list(range(1, len(paid) + 1)), "numbers without gaps")
        self.assertEqual(ledger.info()["total"], "100.5")
        for client in clients:
            self.assertEqual(cents(client.balance(ledger)), balances[client.key], client.name)
            seen, after = [], 0
            while True:
                page = client.ask(ledger, "GetTransfersMessage", key=client.key, after=after, max=7)["transfers"]
                seen += [(each["seq"], each["transferId"]) for each in page]
                if len(page) < 7:
                    break
                after = page[-1]["seq"]
            expected = [(seq, name) for seq, (name, _) in sorted(paid.items())
                        if next(t["to"] for _, t in transfers if t["transferId"] == name) == client.key]
            self.assertEqual(seen, expected, client.name)
        ledger.process.stop()
        self.assertEqual(len(journal_rows(self.folder, "transfer")), len(paid))


if __name__ == "__main__":
    unittest.main()
