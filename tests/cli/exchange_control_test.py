"""`exchange ctl`, the control socket and the console, in front of a peer that is a table in memory."""

import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import tempfile
import unittest

from screen import Terminal
from support import LIMIT_S, TestCase

FACES = os.environ["EXCHANGE_FACES"]


def run_ctl(*arguments, env=None, timeout=LIMIT_S):
    return subprocess.run([FACES, "ctl", *arguments], capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})})


class Peer:
    def __init__(self, folder):
        self.folder = folder
        self.process = subprocess.Popen([FACES, "peer", folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def is_ready(self):
        """The file is there before anybody listens on it."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.folder + "/control.sock") == 0

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=LIMIT_S)


class WithFolder(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start_peer(self):
        peer = self.start(Peer, self.folder)
        self.wait_until(peer.is_ready)
        return peer

    def ctl(self, *arguments, **options):
        return run_ctl("--data-dir", self.folder, *arguments, **options)

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(LIMIT_S)
        client.connect(self.folder + "/control.sock")
        return client


class Ctl(WithFolder):
    def test_the_commands_of_the_order_book_page(self):
        self.start_peer()
        added = self.ctl("addOrder", '{\n    "buy": "BTC",\n    "sell": "USD",\n    "price": 50000,\n    "amount": 1\n}')
        self.assertEqual((added.returncode, added.stderr), (0, ""))
        self.assertIn("buy 1 BTC at 50000 USD", added.stdout)
        orders = self.ctl("orders")
        self.assertEqual(orders.returncode, 0)
        self.assertIn("3f2a91b1  buy     1  50000  OPEN", orders.stdout)
        connected = self.ctl("connect", "127.0.0.1:3002")
        self.assertEqual(connected.stdout, "Connected to a peer of the original program (Bob) at 127.0.0.1:3002.\n")
        accepted = self.ctl("acceptOrder", '{"id": "3f2a91b1"}')
        self.assertEqual((accepted.returncode, accepted.stdout), (1, ""))
        self.assertEqual(accepted.stderr, "exchange ctl: there is no such order\n'orders' lists them.\n")

    def test_plain_words(self):
        self.start_peer()
        self.assertIn("sell 0.5 BTC at 49000 USD", self.ctl("sell", "0.5", "BTC", "at", "49000", "for", "2h").stdout)

    def test_json_is_one_object_a_line(self):
        self.start_peer()
        self.ctl("buy", "1", "at", "50000")
        orders = json.loads(self.ctl("--json", "orders").stdout)
        self.assertEqual([(o["side"], o["price"], o["amount"]) for o in orders["orders"]], [("buy", "50000", "1")])
        failed = self.ctl("cancel", "3f2a91b1", "--json")
        self.assertEqual(failed.returncode, 1)
        self.assertEqual(json.loads(failed.stdout)["error"]["code"], "notFound")
        self.assertIn("there is no such order", failed.stderr)

    def test_wrong_usage_is_exit_code_2_without_a_peer(self):
        for arguments, part in [([], "no command was given"), (["trade"], "there is no command 'trade'"),
                                (["cancel"], "id is missing"), (["addOrder", "{}"], "Example: addOrder"),
                                (["addOrder", '{"id": 3f2a}'], "not JSON"), (["connect", "x"], "a host and a port"),
                                (["sell", "NaN", "at", "1"], "amount must be a number of BTC, not 'NaN'"),
                                (["orders", "--timeout", "0"], "--timeout"), (["--nonsense"], "--nonsense")]:
            with self.subTest(arguments=arguments):
                result = self.ctl(*arguments)
                self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
                self.assertTrue(result.stderr.startswith("exchange ctl: "), result.stderr)
                self.assertIn(part, result.stderr)

    def test_without_a_peer_it_says_how_to_start_one(self):
        for folder in [self.folder, self.folder + "/none"]:
            result = run_ctl("--data-dir", folder, "orders")
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assert_one_line(result.stderr, "no exchange runs with this data dir: start one with 'exchange --data-dir " + folder)

    def test_the_default_folder_comes_from_the_environment(self):
        result = run_ctl("orders", env={"XDG_DATA_HOME": self.folder})
        self.assertIn(self.folder + "/grenache/exchange/default'", result.stderr)
        result = run_ctl("--name", "alice", "orders", env={"XDG_DATA_HOME": "", "HOME": self.folder})
        self.assertIn(self.folder + "/.local/share/grenache/exchange/alice'", result.stderr)

    def test_it_gives_up_after_the_timeout(self):
        self.start_peer()
        result = self.ctl("--timeout", "0.05", "status")
        self.assertEqual(result.returncode, 1)
        self.assert_one_line(result.stderr, "did not answer in time")

    def test_watch_prints_events_until_it_is_interrupted(self):
        self.start_peer()
        watch = subprocess.Popen([FACES, "ctl", "--data-dir", self.folder, "--json", "watch"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        self.addCleanup(watch.kill)
        self.assertEqual(json.loads(watch.stdout.readline()), {"type": "watching"})
        self.ctl("sell", "1", "at", "50000")
        event = json.loads(watch.stdout.readline())
        self.assertEqual((event["type"], event["order"]["price"]), ("orderChanged", "50000"))
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.communicate(timeout=LIMIT_S), ("", ""))
        self.assertEqual(watch.returncode, 0)

    def test_watch_ends_with_the_peer(self):
        self.start_peer()
        watch = subprocess.Popen([FACES, "ctl", "--data-dir", self.folder, "--json", "watch"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        self.addCleanup(watch.kill)
        watch.stdout.readline()
        self.assertEqual(self.ctl("stop").stdout, "The peer stops.\n")
        _, errors = watch.communicate(timeout=LIMIT_S)
        self.assertEqual(watch.returncode, 1)
        self.assertIn("closed the connection", errors)

    def test_stop_ends_the_peer_and_removes_the_socket(self):
        peer = self.start_peer()
        self.assertEqual(self.ctl("stop").returncode, 0)
        self.assertEqual(peer.process.wait(LIMIT_S), 0)
        self.assertEqual(os.listdir(self.folder), [])

    def test_help_needs_no_peer(self):
        result = self.ctl("help", "cancel")
        self.assertEqual(result.stdout, "cancel ID\n  Close one of our orders.\n  Example: cancel 3f2a91bc\n")
        self.assertIn("acceptOrder", run_ctl("--help").stdout)
        self.assertLessEqual(max(map(len, run_ctl("--help").stdout.splitlines())), 102)


class ControlSocket(WithFolder):
    def test_it_is_private(self):
        self.start_peer()
        self.assertEqual(stat.S_IMODE(os.stat(self.folder + "/control.sock").st_mode), 0o600)

    def test_one_listener_a_folder(self):
        self.start_peer()
        second = subprocess.run([FACES, "peer", self.folder], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(second.returncode, 1)
        self.assertIn("another exchange runs with this data dir", second.stderr)
        self.assertEqual(self.ctl("orders").returncode, 0)

    def test_the_file_that_a_killed_peer_left_is_replaced(self):
        peer = self.start_peer()
        peer.process.kill()
        peer.process.wait(LIMIT_S)
        self.assertTrue(pathlib.Path(self.folder, "control.sock").exists(), "the file was left")
        self.assertEqual(self.ctl("orders").returncode, 1)
        self.start(Peer, self.folder)
        self.wait_until(lambda: self.ctl("orders").returncode == 0)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become another user")
    def test_another_user_is_not_served(self):
        self.start_peer()
        os.chmod(self.folder, 0o755)
        os.chmod(self.folder + "/control.sock", 0o666)  # so that the file system lets others in
        code = ("import os, socket, sys\nos.setuid(65534)\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(60)\ns.connect(sys.argv[1])\n"
                "try:\n  s.sendall(b'{\"command\":\"orders\"}\\n')\n  print(s.recv(100))\nexcept OSError: print(b'')\n")
        result = subprocess.run(["python3", "-c", code, self.folder + "/control.sock"], capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual((result.stdout, result.returncode), ("b''\n", 0), result.stderr)

    def test_a_script_may_send_many_lines_and_close_its_side(self):
        self.start_peer()
        client = self.connect()
        client.sendall(b"".join(b'{"command":"orders","id":%d}\n' % i for i in range(1000)))
        client.shutdown(socket.SHUT_WR)
        with client.makefile() as answers:
            self.assertEqual(sorted(json.loads(line)["id"] for line in answers), list(range(1000)))


class Console(WithFolder):
    def open(self, **options):
        terminal = self.start(Terminal, FACES, "peer", self.folder, env={"NO_COLOR": "1"}, **options)
        terminal.wait_last(">")
        return terminal

    def test_commands_and_their_answers(self):
        terminal = self.open()
        terminal.type("sell 1 BTC at 50000\r")
        lines = terminal.wait(lambda lines: "terms         sell 1 BTC at 50000 USD" in lines and lines[-1] == ">")
        self.assertEqual(lines[0], "> sell 1 BTC at 50000")
        terminal.type("orders\r")
        terminal.wait(lambda lines: any(line.startswith("3f2a91b1  sell") for line in lines))
        terminal.type("cancel 3f2a91b1\r")
        terminal.wait_line("'orders' lists them.")
        terminal.type("nonsense\r")
        terminal.wait_line("there is no command 'nonsense'")
        terminal.type("help stop\r")
        terminal.wait_line("  Example: stop")

    def test_a_notice_does_not_break_the_line_that_is_typed(self):
        terminal = self.open()
        terminal.type("order")
        terminal.wait_last("> order")
        self.ctl("connect", "127.0.0.1:3002")
        lines = terminal.wait(lambda lines: lines[-1] == "> order" and len(lines) > 1)
        self.assertRegex(lines[-2], r"^\d\d:\d\d:\d\d a peer of the original program \(Bob\) answers at 127.0.0.1:3002$")
        terminal.type("s\r")
        terminal.wait_line("No orders.")

    def test_a_notice_erases_a_line_that_was_wrapped(self):
        terminal = self.open(columns=40)
        typed = "cancel " + "a" * 60
        terminal.type(typed)
        terminal.wait(lambda lines: "".join(lines) == "> " + typed)
        self.ctl("connect", "127.0.0.1:3002")
        lines = terminal.wait(lambda lines: any("answers at" in line for line in lines) and lines[-1].endswith("a"))
        self.assertEqual("".join(lines).count("cancel"), 1, lines)
        self.assertEqual("".join(lines[-2:]), "> " + typed)

    def test_tab_completes_commands_and_ids(self):
        terminal = self.open()
        terminal.type("sell 1 at 5\r")
        terminal.wait(lambda lines: "status        OPEN" in lines and lines[-1] == ">")
        terminal.type("can\t")
        terminal.wait_last("> cancel")
        terminal.type("3f\t\r")
        terminal.wait_line("> cancel 3f2a91b1-1b2c-4d3e-8f90-123456789abc")
        terminal.wait_line("there is no such order")
        terminal.type("st\t\t")
        terminal.wait_line("status  stop")
        terminal.wait_last("> st")

    def test_the_history_is_kept_in_a_private_file(self):
        terminal = self.open()
        terminal.type("sell 1 at 5\r")
        terminal.wait_line("terms         sell 1 BTC at 5 USD")
        terminal.type("\x04")
        self.assertEqual(terminal.wait_end(), 0)
        history = self.folder + "/history"
        self.assertEqual(stat.S_IMODE(os.stat(history).st_mode), 0o600)
        self.assertEqual(pathlib.Path(history).read_text(), "sell 1 at 5\n")
        terminal = self.open()
        terminal.type("\x1b[A")
        terminal.wait_last("> sell 1 at 5")

    def test_the_history_is_bounded(self):
        history = pathlib.Path(self.folder) / "history"
        history.write_text("".join(f"line {i}\n" for i in range(1500)))
        history.chmod(0o600)
        self.open()
        self.assertEqual(history.read_text().splitlines(), [f"line {i}" for i in range(500, 1500)])

    def test_each_way_to_leave_restores_the_terminal(self):
        for keys in ["stop\r", "exit\r", "quit\r", "\x04", "\x03"]:
            with self.subTest(keys=keys):
                terminal = self.open()
                self.assertNotEqual(terminal.current_mode(), terminal.mode)
                terminal.type(keys)
                if keys == "\x03":  # what a terminal that is the controlling one would do
                    terminal.process.send_signal(signal.SIGINT)
                self.assertEqual(terminal.wait_end(), 0)
                self.assertEqual(terminal.current_mode(), terminal.mode)

    def test_a_stopped_terminal_does_not_block_the_peer(self):
        terminal = self.open()
        terminal.type("\x13")  # Ctrl-S
        for _ in range(20):
            self.assertEqual(self.ctl("connect", "127.0.0.1:3002").returncode, 0)
        terminal.type("\x11")  # Ctrl-Q
        terminal.wait(lambda lines: sum("answers at" in line for line in lines) == 20 and lines[-1] == ">")

    def test_escape_alone_does_not_block_the_peer(self):
        terminal = self.open()
        terminal.type("\x1b")
        self.assertEqual(self.ctl("orders").returncode, 0)
        terminal.type("orders\r")
        terminal.wait_line("No orders.")

    def test_text_of_any_language(self):
        terminal = self.open()
        terminal.type("héé王\r")
        terminal.wait_line("there is no command 'héé王'")


if __name__ == "__main__":
    unittest.main(verbosity=2)
