"""Tests the client `grenache`."""

import http.server
import json
import os
import pathlib
import signal
import stat
import subprocess
import tempfile
import threading
import unittest

from support import BIN, LIMIT_S, Grape, Process, ReservedPort, TestCase, catches, run, slow_names

HELLO = "6d33adc2b6b2c14c3036feefb7fedbca1a880527"  # of "hello world"


class Client(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        self.key = self.home / ".config/grenache/key"

    def grenache(self, *arguments, code=0, warning=""):
        """Runs it with its own home folder; returns its standard output."""
        result = run("grenache", *arguments, env={"HOME": str(self.home), "XDG_CONFIG_HOME": ""})
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.error = result.stderr
        if warning:
            self.assert_one_line(result.stderr, "grenache: warning: " + warning)
        elif code == 0:
            self.assertEqual(result.stderr, "")
        else:
            self.assert_one_line(result.stderr, "grenache: ")
        return result.stdout


class CommandLine(Client):
    def test_help_names_the_commands(self):
        text = self.grenache("--help")
        for word in ["keygen", "put", "get", "lookup", "announce", "unannounce", "--grape", "--json"]:
            self.assertIn(word, text)
        for flag in ["--mutable", "--salt", "--seq", "--cas", "--key"]:
            self.assertIn(flag, self.grenache("put", "--help"))
        self.assertIn("--raw", self.grenache("get", "--help"))
        self.assertEqual(self.grenache("--version").split()[0], "grenache")

    def test_wrong_usage_is_one_line_and_exit_code_2(self):
        for arguments in [
                [], ["nonsense"], ["put"], ["get"], ["get", "xyz"], ["get", "ab"], ["lookup"], ["lookup", ""], ["announce", "a"],
                ["announce", "a", "70000"], ["put", "x", "--salt", "s"], ["put", "x", "--seq", "1"], ["put", "x", "--cas", "1"],
                ["put", "x", "--mutable", "--seq", "-1"], ["put", "x", "--mutable", "--salt", "s" * 65],
                ["lookup", "a", "--grape", "ftp://x"], ["lookup", "a", "b"],
                *(["lookup", "a", "--timeout", text] for text in ["", "nan", "inf", "-1", "0", "1e9", "0x10"])]:
            with self.subTest(arguments=arguments):
                self.grenache(*arguments, code=2)

    def test_a_number_that_is_none_is_told_with_its_name(self):
        for arguments, part in [
                (["announce", "a", ""], "port: '' is not a number from 0 to 65535"), (["announce", "a", "0x50"], "port: '0x50'"),
                (["put", "x", "--mutable", "--seq", ""], "--seq: ''"), (["put", "x", "--mutable", "--cas", ""], "--cas: ''"),
                (["put", "x", "--mutable", "--seq", "9223372036854775808"], "--seq: '9223372036854775808'"),
                (["put", "x", "--mutable", "--cas", "99999999999999999999"], "--cas: '99999999999999999999'"),
                (["lookup", "a", "--timeout", "nan"], "--timeout: 'nan'")]:
            with self.subTest(arguments=arguments):
                self.grenache(*arguments, code=2)
                self.assertIn(part, self.error)

    def test_no_grape_is_one_line_and_exit_code_1(self):
        self.grenache("lookup", "x", "--grape", f"http://127.0.0.1:{self.start(ReservedPort).port}", code=1)
        self.assertIn("no grape at http://127.0.0.1:", self.error)


class Names(Client):
    arguments = ("lookup", "svc", "--grape", "http://no.such.host:1")

    def test_a_name_that_does_not_resolve_is_not_waited_for(self):
        result = run("grenache", *self.arguments, "--timeout", "0.1", env=slow_names(3600))
        self.assertEqual(result.returncode, 1)
        self.assert_one_line(result.stderr, "grenache: ", "no.such.host")

    def test_an_interrupt_ends_the_wait_for_a_name(self):
        entered = self.home / "entered"
        lookup = Process(BIN / "grenache", *self.arguments, "--timeout", "3600", env=slow_names(3600, entered))
        self.addCleanup(lookup.process.kill)
        self.wait_until(entered.exists)
        code, _ = lookup.stop(signal.SIGINT)
        self.assertIn(code, [-signal.SIGINT, 128 + signal.SIGINT])


class Keys(Client):
    def test_keygen_makes_a_key_for_its_owner_alone_and_keeps_it(self):
        public = self.grenache("keygen").strip()
        self.assertRegex(public, r"^[0-9a-f]{64}$")
        self.assertEqual(stat.S_IMODE(os.stat(self.key).st_mode), 0o600)
        self.grenache("keygen", code=1)
        self.assertIn("exists already", self.error)
        other = json.loads(self.grenache("keygen", "--force", "--json"))
        self.assertEqual(other["file"], str(self.key))
        self.assertNotEqual(other["k"], public)

    def test_a_key_that_is_missing_open_or_no_key_is_refused(self):
        self.grenache("put", "--mutable", "x", code=1)
        self.assertIn("grenache keygen", self.error)
        self.grenache("keygen")
        os.chmod(self.key, 0o644)
        self.grenache("put", "--mutable", "x", code=1)
        self.assertIn("chmod 600", self.error)
        os.chmod(self.key, 0o600)
        self.key.write_text("nonsense\n")
        self.grenache("put", "--mutable", "x", code=1)
        self.assertIn("does not contain a key", self.error)


class Items(Client):
    def setUp(self):
        super().setUp()
        one = self.start(Grape)
        two = self.start(Grape, bootstrap=f"127.0.0.1:{one.dht_port}")
        two.wait_event("ready")
        self.one, self.two = ["--grape", one.url], ["--grape", two.url]

    def test_a_value_put_on_one_grape_is_got_from_another(self):
        self.assertEqual(self.grenache("put", "hello world", *self.one), HELLO + "\n")
        self.assertEqual(self.grenache("get", HELLO, *self.two), "hello world\n")
        self.assertEqual(json.loads(self.grenache("get", HELLO, "--json", *self.two)), {"hash": HELLO, "v": "hello world", "mutable": False})
        self.assertEqual(json.loads(self.grenache("get", HELLO, "--raw", *self.two))["v"], "hello world")
        self.grenache("get", "0" * 40, *self.one, code=1)
        self.assertIn("not found", self.error)

    def test_the_longest_value_has_999_bytes(self):
        value = "ä" * 499 + "x"
        target = self.grenache("put", value, *self.one).strip()
        self.assertEqual(self.grenache("get", target, *self.two), value + "\n")
        self.grenache("put", "x" * 1000, *self.one, code=1)
        self.assertIn("999", self.error)

    def test_a_mutable_item_changes_under_one_hash(self):
        self.grenache("keygen")
        target = self.grenache("put", "--mutable", "first", *self.one).strip()
        self.assertEqual(self.grenache("get", target, *self.two), "first\n")
        second = json.loads(self.grenache("put", "--mutable", "second", "--json", *self.two))
        self.assertEqual((second["hash"], second["mutable"]), (target, True))
        self.assertEqual(self.grenache("get", target, *self.one), "second\n")
        self.grenache("put", "--mutable", "late", "--seq", "1", *self.one, code=1)
        self.assertIn("refused", self.error)
        self.grenache("put", "--mutable", "swap", "--cas", "1", *self.one, code=1)
        self.grenache("put", "--mutable", "swap", "--cas", str(second["seq"]), *self.one)
        self.assertEqual(self.grenache("get", target, *self.two), "swap\n")

    def test_output_that_nobody_reads_does_not_hold_up_the_end(self):
        self.grenache("put", "hello world", *self.one)
        for sig in [signal.SIGINT, signal.SIGTERM]:
            with self.subTest(signal=sig):
                read, write = os.pipe()
                self.addCleanup(os.close, read)
                self.addCleanup(os.close, write)
                os.set_blocking(write, False)
                with self.assertRaises(BlockingIOError):
                    while True:
                        os.write(write, b"x" * 65536)
                os.set_blocking(write, True)
                client = subprocess.Popen([BIN / "grenache", "get", HELLO, *self.one], stdout=write)
                self.addCleanup(client.wait)
                self.addCleanup(client.kill)
                self.wait_until(lambda: catches(client.pid, sig))  # has the item, and prints it
                client.send_signal(sig)
                self.assertEqual(client.wait(timeout=LIMIT_S), 0)

    def test_a_salt_gives_a_key_many_items(self):
        self.grenache("keygen")
        plain = self.grenache("put", "--mutable", "plain", *self.one).strip()
        salted = self.grenache("put", "--mutable", "--salt", "s", "salted", *self.one).strip()
        self.assertNotEqual(plain, salted)
        self.assertEqual(self.grenache("get", salted, "--salt", "s", *self.two), "salted\n")
        self.assertEqual(self.grenache("get", plain, *self.two), "plain\n")
        self.grenache("get", salted, *self.two, code=1)


class Services(Client):
    def test_announces_finds_and_takes_back(self):
        grape = self.start(Grape)
        at = ["--grape", f"http://127.0.0.1:{self.start(ReservedPort).port}", "--grape", grape.url]
        self.assertEqual(self.grenache("announce", "svc", "7", *at), "0\n")
        self.grenache("announce", "svc", "8", *at)
        self.assertEqual(sorted(self.grenache("lookup", "svc", *at).split()), ["127.0.0.1:7", "127.0.0.1:8"])
        self.assertEqual(len(self.grenache("lookup", "svc", "--first", *at).split()), 1)
        self.grenache("unannounce", "svc", "8", *at, warning="not taken back everywhere: no grape at ")
        self.grenache("unannounce", "svc", "8", *at, code=1)
        self.assertIn("nobody has announced 'svc' with port 8", self.error)
        self.assertEqual(json.loads(self.grenache("lookup", "svc", "--json", *at)), {"name": "svc", "peers": ["127.0.0.1:7"]})
        self.grenache("lookup", "nobody", *at, code=1)
        self.assertIn("nobody serves", self.error)
        self.grenache("announce", "decimal", "0100", *at)
        self.assertEqual(self.grenache("lookup", "decimal", *at), "127.0.0.1:100\n")

    def test_a_server_that_is_no_grape_is_called_so(self):
        class Nothing(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.send_error(404)

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            at = f"127.0.0.1:{server.server_port}"
            for arguments in [["lookup", "a"], ["announce", "a", "1"], ["put", "x"], ["get", "0" * 40]]:
                with self.subTest(arguments=arguments):
                    self.grenache(*arguments, "--grape", "http://" + at, code=1)
                    self.assertIn(f"{at} answers, but is not a grape (404)", self.error)
            server.shutdown()

    def test_a_grape_that_hangs_is_not_waited_for_while_another_one_answers(self):
        hanging, grape = self.start(Grape), self.start(Grape)
        hanging.process.send_signal(signal.SIGSTOP)
        self.addCleanup(hanging.process.send_signal, signal.SIGCONT)
        # Longer than a test may wait.
        at = ["--timeout", "3600", "--grape", hanging.url, "--grape", grape.url]
        self.assertEqual(self.grenache("announce", "svc", "7", *at), "0\n")
        self.assertEqual(self.grenache("lookup", "svc", *at), "127.0.0.1:7\n")
        self.assertEqual(self.grenache("put", "hello world", *at), HELLO + "\n")
        self.assertEqual(self.grenache("get", HELLO, *at), "hello world\n")

    def test_what_one_grape_does_not_know_another_is_asked(self):
        at = [text for _ in range(2) for text in ["--grape", self.start(Grape).url]]  # of two networks
        self.grenache("announce", "svc", "7", *at[2:])
        self.grenache("put", "hello world", *at[2:])
        self.assertEqual(self.grenache("lookup", "svc", *at), "127.0.0.1:7\n")
        self.assertEqual(self.grenache("get", HELLO, *at), "hello world\n")
        self.grenache("lookup", "other", *at, code=1)
        self.assertIn("nobody serves 'other'", self.error)

    def test_unannounce_fails_for_what_nobody_announced_also_in_a_network(self):
        grape = self.start(Grape)
        node = self.start(Grape, bootstrap=f"127.0.0.1:{grape.dht_port}")
        node.wait_event("ready")
        self.wait_until(lambda: self.grenache("announce", "svc", "7", "--grape", grape.url) == "1\n")
        self.grenache("unannounce", "svc", "8", "--grape", grape.url, code=1)
        self.assertIn("nobody has announced 'svc' with port 8", self.error)

    def test_unannounces_at_every_grape(self):
        one, two = self.start(Grape), self.start(Grape)  # of two networks
        at = ["--grape", one.url, "--grape", f"http://127.0.0.1:{self.start(ReservedPort).port}", "--grape", two.url]
        self.grenache("announce", "svc", "7", "--grape", two.url)
        self.grenache("unannounce", "svc", "7", *at, warning="not taken back everywhere: no grape at ")
        for grape in [one, two]:
            self.grenache("lookup", "svc", "--grape", grape.url, code=1)
        self.grenache("unannounce", "svc", "7", *at, code=1)
        self.assertIn("nobody has announced 'svc' with port 7", self.error)

    def test_unannounce_tells_how_many_nodes_had_it(self):
        grapes = [self.start(Grape) for _ in range(2)]  # of two networks, with a node more in each
        for grape in grapes:
            node = self.start(Grape, bootstrap=f"127.0.0.1:{grape.dht_port}")
            node.wait_event("ready")
            self.wait_until(lambda url=grape.url: self.grenache("announce", "svc", "7", "--grape", url) == "1\n")
        at = [text for grape in grapes for text in ["--grape", grape.url]]
        self.assertEqual(json.loads(self.grenache("unannounce", "svc", "7", "--json", *at)), {"name": "svc", "port": 7, "removed": 2})

    def test_unannounce_fails_when_no_grape_is_there(self):
        at = f"http://127.0.0.1:{self.start(ReservedPort).port}"
        self.grenache("unannounce", "svc", "7", "--grape", at, "--grape", at, code=1)
        self.assertIn(f"no grape at {at}: ", self.error)

    def test_errors_of_a_strict_grape_are_told_too(self):
        grape = self.start(Grape, "--strict")
        self.grenache("get", "0" * 40, "--grape", grape.url, code=1)
        self.assertIn("no such item", self.error)


if __name__ == "__main__":
    unittest.main(verbosity=2)
