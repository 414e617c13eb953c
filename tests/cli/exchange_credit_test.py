"""`exchange credit` at a terminal: two peers without a grape (seed 000), and peers with accounts on a ledger (seed 001)."""

import os
import pathlib
import stat
import tempfile
import unittest

from exchange_ledger import LedgerProcess
from screen import Terminal
from support import BIN, Grape, Process, ReservedPort, TestCase, run

WELCOME = "🎩 Welcome to the Peering Ledger – where trust meets code."
NUDGE = "🤷 Unrecognized instruction. Try again, virtuoso."
BAD_AMOUNT = "🤔 Hmm, that doesn't look like a valid amount or format."


class CreditTestCase(TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def terminal(self, *arguments):
        """The console and nothing of the log, which would be on the same screen."""
        return self.start(Terminal, str(BIN / "exchange"), "credit", *arguments, "--log-level", "error", columns=120)

    def ctl(self, name, *words):
        result = run("exchange", "ctl", "--data-dir", str(self.folder / name), *words)
        self.assertEqual((result.returncode, result.stderr), (0, ""), words)
        return result.stdout


def say(terminal, line, *answers):
    """Types a line; then these lines appear below it, in this order, among others."""
    terminal.wait(lambda lines: lines[-1].startswith(">"))
    before = len(terminal.screen.lines)
    terminal.type(line + "\r")

    def has_all(lines):
        rest = iter(lines[before - 1:])
        return all(any(answer == each for each in rest) for answer in answers)

    terminal.wait(has_all)


class TwoPeers(CreditTestCase):
    def setUp(self):
        super().setUp()
        self.ports = [self.start(ReservedPort).port for _ in range(2)]

    def peer(self, number, name):
        mine, other = self.ports[number], self.ports[1 - number]
        return self.terminal(str(mine), str(other), "127.0.0.1", "--name", name, "--data-dir", str(self.folder / name))

    def test_the_transcript_of_seed_000(self):
        alice, bob = self.peer(0, "alice"), self.peer(1, "bob")
        alice.wait_line(WELCOME)
        alice.wait_line("🤝 Connected with bob.")
        bob.wait_line("🤝 Connected with alice.")
        say(alice, "send 10 credits", "📤 Funds dispatched. Smooth as silk.")
        bob.wait_line("💸 Incoming transfer detected: +10 credits received.")
        say(alice, "check balance", "💼 Current balance: -10 credits")
        say(bob, "Check Balance", "💼 Current balance: 10 credits")
        say(bob, "SEND 2.5 credits", "📤 Funds dispatched. Smooth as silk.")
        alice.wait_line("💸 Incoming transfer detected: +2.5 credits received.")
        for line in ["send -5 credits", "send 0 credits", "send lots", "send 1.001 credits", "send 99999999999999999999 credits", "send"]:
            say(alice, line, BAD_AMOUNT)
        for line in ["dance", "check", "help", "pay bob 1"]:
            say(alice, line, NUDGE)
        say(alice, "check balance", "💼 Current balance: -7.5 credits")
        alice.type("farewell\r")
        self.assertEqual(alice.wait_end(), 0)
        self.assertIn("🫡 Session ended. Stay solvent, friend.", alice.screen.text())

    def test_a_payment_to_a_peer_that_is_down_is_refused_and_nothing_is_lost(self):
        alice, bob = self.peer(0, "alice"), self.peer(1, "bob")
        alice.wait_line("🤝 Connected with bob.")
        say(alice, "send 10 credits", "📤 Funds dispatched. Smooth as silk.")
        bob.wait_line("💸 Incoming transfer detected: +10 credits received.")
        bob.process.kill()
        bob.process.wait()
        self.wait_until(lambda: "nothing was paid" in run(
            "exchange", "ctl", "--data-dir", str(self.folder / "alice"), "pay", "bob", "1").stderr)
        balance = self.ctl("alice", "balance")
        bob = self.peer(1, "bob")
        bob.wait_line(WELCOME)
        say(bob, "check balance", "💼 Current balance: 10 credits")
        # Bob is found again, and all that was sent has been counted once.
        self.wait_until(lambda: "is counted" in run(
            "exchange", "ctl", "--data-dir", str(self.folder / "alice"), "pay", "bob", "5").stdout)
        self.assertIn("-10", balance)
        self.wait_until(lambda: self.total("alice") == -self.total("bob"))
        self.assertLessEqual(self.total("alice"), -15)

    def total(self, name):
        return float(self.ctl(name, "balance").split("Total: ")[1].split()[0])

    def test_wrong_arguments_are_usage_errors(self):
        for words, part in [([], "give LOCAL_PORT REMOTE_PORT HOST"), (["5000"], "give LOCAL_PORT"), (["0", "5001", "localhost"], "LOCAL_PORT"),
                            (["5000", "70000", "localhost"], "REMOTE_PORT"), (["5000", "5001", "a b"], "is not a host"),
                            (["alice", "-5"], "-5"), (["alice", "1.001"], "STARTING_BALANCE"), (["", "5"], "name of an account")]:
            with self.subTest(words=words):
                result = run("exchange", "credit", *words)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(part, result.stderr)

    def test_two_consoles_on_one_folder_are_refused(self):
        self.peer(0, "alice").wait_line(WELCOME)
        result = run("exchange", "credit", str(self.ports[1]), str(self.ports[0]), "127.0.0.1", "--data-dir", str(self.folder / "alice"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("another exchange is using the data folder", result.stderr)


class WithAccounts(CreditTestCase):
    def setUp(self):
        super().setUp()
        self.grape = self.start(Grape)
        self.ledger = self.start(LedgerProcess, self.folder / "ledger", "--grape", self.grape.url)
        self.grape.wait_found("exchange:ledger")

    def peer(self, name, balance, password="secret"):
        is_new = not (self.folder / name).exists()
        terminal = self.terminal("--port", "0", "--local", "--grape", self.grape.url, "--data-dir", str(self.folder / name), name, str(balance))
        terminal.wait_last("New password:" if is_new else "Password:")
        terminal.type(password + "\r")
        if is_new:
            terminal.wait_last("The same again:")
            terminal.type(password + "\r")
        return terminal

    def meet(self, *terminals):
        self.wait_until(lambda: self.ledger.info()["accountCount"] == len(terminals))
        for terminal in terminals:
            terminal.wait(lambda lines: sum("answers at" in line for line in lines) >= len(terminals) - 1)

    def test_the_transcript_of_seed_001(self):
        alice, bob = self.peer("alice", 500), self.peer("bob", 200)
        self.meet(alice, bob)
        self.assertFalse(any("secret" in line for line in alice.screen.text()), "no echo")
        say(alice, "propose bob")
        bob.wait_line("alice wants to start a trustline, accept? [Y/n]")
        say(alice, "pay bob 10", "Err: Connection with bob is waiting to be accepted.")
        say(bob, "y")
        alice.wait(lambda lines: any("the line is open" in line for line in lines))
        say(alice, "pay bob 10", "Payment of 10 with bob queued")
        bob.wait_line("alice has paid you 10!")
        say(alice, "balance", "bob: -10", "Total: -10")
        say(bob, "balance", "alice: 10", "Total: 10")
        say(bob, "settle alice 5", "Err: Nothing to settle as HostBalance is 10 - your peer must settle!")
        say(alice, "settle bob 4", "Settlement with bob queued")
        bob.wait_line("alice has settled a payment of 4!")
        say(alice, "balance", "bob: -6", "Total: -6")
        # Up to 100, then the ledger, then the rest.
        say(alice, "pay bob 250", "Payment of 250 with bob queued")
        for line in ["alice has paid you 94!", "alice has settled a payment of 100!", "alice has paid you 56!"]:
            bob.wait_line(line)
        say(alice, "balance", "bob: -56", "Total: -56")
        for line in ["pay bob -1", "pay bob 0", "pay bob 1.001", "pay alice 1", "pay carol 1", "pay bob 99999999999999999999", "settle bob 57"]:
            alice.wait(lambda lines: lines[-1] == ">")
            count = sum(each.startswith("Err: ") for each in alice.screen.text())
            alice.type(line + "\r")
            alice.wait(lambda lines, count=count: sum(each.startswith("Err: ") for each in lines) > count)
        say(alice, "delete", "Err: only an operator of the ledger may do this")
        alice.type("exit\r")
        self.assertEqual(alice.wait_end(), 0)
        self.assertIn("Settled: 56 USD.", alice.screen.text())
        self.assertIn("Nothing is owed.", alice.screen.text())
        say(bob, "balance", "alice: 0", "Total: 0")
        self.assertEqual(self.ledger.info()["total"], "700")

    def test_three_peers_and_a_restart(self):
        alice, bob, carol = self.peer("alice", 100), self.peer("bob", 100), self.peer("carol", 100)
        self.meet(alice, bob, carol)
        say(alice, "propose bob 50")
        bob.wait_line("alice wants to start a trustline, accept? [Y/n]")
        say(alice, "propose carol")
        carol.wait_line("alice wants to start a trustline, accept? [Y/n]")
        say(carol, "n")
        alice.wait(lambda lines: any("the peer refuses" in line for line in lines))
        say(bob, "")
        alice.wait(lambda lines: any("the line is open" in line for line in lines))
        say(bob, "propose carol")
        carol.wait_line("bob wants to start a trustline, accept? [Y/n]")
        say(carol, "Y")
        bob.wait(lambda lines: sum("the line is open" in line for line in lines) == 2)
        say(alice, "pay bob 20", "Payment of 20 with bob queued")
        say(bob, "pay carol 30", "Payment of 30 with carol queued")
        say(bob, "balance", "Total: -10")
        bob.process.kill()
        bob.process.wait()
        bob = self.peer("bob", 100)
        bob.wait(lambda lines: sum("answers at" in line for line in lines) >= 2)
        say(bob, "balance", "alice: 20", "Total: -10")
        say(bob, "settle carol 30", "Settlement with carol queued")
        carol.wait_line("bob has settled a payment of 30!")
        self.assertEqual(self.ledger.info()["total"], "300")

    def test_the_password_protects_the_key(self):
        alice = self.peer("alice", 1)
        alice.wait(lambda lines: any("'help' lists the commands" in line for line in lines))
        self.assertEqual(stat.S_IMODE(os.stat(self.folder / "alice" / "identity.locked").st_mode), 0o600)
        alice.type("stop\r")
        self.assertEqual(alice.wait_end(), 0)
        wrong = self.peer("alice", 1, "guess")
        self.assertEqual(wrong.wait_end(), 1)
        self.assertTrue(any("the password is wrong" in line for line in wrong.screen.text()), wrong.screen.text())

        password = self.folder / "password"
        password.write_text("secret\n")
        password.chmod(0o600)
        right = self.start(Process, BIN / "exchange", "credit", "--port", "0", "--local", "--grape", self.grape.url, "--data-dir",
                           self.folder / "alice", "--password-file", password, "--log-format", "json", "alice", "1")
        right.wait_event("ready")

    def test_two_different_passwords_make_no_key(self):
        terminal = self.terminal("--local", "--grape", self.grape.url, "--data-dir", str(self.folder / "alice"), "alice", "1")
        terminal.wait_last("New password:")
        terminal.type("one\r")
        terminal.wait_last("The same again:")
        terminal.type("two\r")
        self.assertEqual(terminal.wait_end(), 1)
        self.assertTrue(any("the two passwords differ" in line for line in terminal.screen.text()))
        self.assertFalse((self.folder / "alice" / "identity.locked").exists())


if __name__ == "__main__":
    unittest.main()
