"""The program `exchange` as a trader meets it, and its playbook from end to end."""

import json
import os
import pathlib
import re
import signal
import socket
import stat
import tempfile
import unittest

from support import (
    BIN, LIMIT_S, Certificates, FakeGrape, Grape, Process, Redis, ReservedPort, TestCase, needs_ipv6, needs_openssl, needs_redis, run,
    slow_names, status_for_browser, taken_port, with_few_descriptors)


class CommandLine(TestCase):
    def test_help_names_the_flags(self):
        result = run("exchange", "--help")
        self.assertEqual(result.returncode, 0)
        for flag in ["--playbook", "--grape", "--grape-ca", "--grape-cert", "--grape-key", "--redis", "--port", "--bind", "--advertise",
                     "--allow-host", "--allow-origin", "--name", "--data-dir", "--in-memory", "--no-grape", "--connect", "--service", "--signed-only", "--pow", "--relay-pow", "--relay-fee-sat",
                     "--pay-relay-sat", "--min-order-sat", "--json", "--version", "--log-level", "--log-format"]:
            self.assertIn(flag, result.stdout)
        self.assertIn("exchange ctl --help", result.stdout)
        self.assertIn("use a grape on the same host", result.stdout)
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 102, result.stdout)

    def test_version(self):
        result = run("exchange", "--version")
        self.assertEqual((result.returncode, result.stdout.split()[0]), (0, "exchange"))

    def test_wrong_usage_is_one_line_and_exit_code_2(self):
        for arguments, part in [
                (["--nonsense"], "--nonsense"), (["--port", "70000"], "--port"), (["--port", "x"], "--port"), (["--port", ""], "--port: ''"),
                (["--allow-origin", "app.test"], "--allow-origin"), (["--allow-host", "a/b"], "--allow-host"),
                (["--grape-ca", "f"], "need a --grape https://"), (["--grape", "https://g.test", "--grape-key", "f"], "belong together"),
                (["--in-memory", "--data-dir", "x"], "--in-memory"), (["--connect", "x"], "--connect"),
                (["--playbook", "--grape", "nonsense"], "nonsense"), (["--playbook", "--redis", "nonsense"], "--redis: the URL is not valid")]:
            with self.subTest(arguments=arguments):
                result = run("exchange", *arguments)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assert_one_line(result.stderr, "exchange: ", part)

    def test_a_port_in_use_is_one_line_and_exit_code_1(self):
        grape = self.start(Grape)
        with tempfile.TemporaryDirectory() as folder, taken_port(socket.SOCK_STREAM) as holder:
            port = str(holder.getsockname()[1])
            result = run("exchange", "--port", port, "--grape", grape.url, "--data-dir", folder, "--log-level", "error")
            self.assertEqual(result.returncode, 1)
            self.assert_one_line(result.stderr, "exchange: ", port, "in use")

    def test_a_redis_that_is_not_there_is_one_line_and_exit_code_1(self):
        grape = self.start(Grape)
        url = f"redis://127.0.0.1:{self.start(ReservedPort).port}/0"
        with tempfile.TemporaryDirectory() as folder:
            for mode in [["--playbook"], ["--data-dir", folder]]:
                with self.subTest(mode=mode):
                    result = run("exchange", *mode, "--grape", grape.url, "--redis", url, "--log-level", "error")
                    self.assertEqual(result.returncode, 1)
                    self.assert_one_line(result.stderr, "exchange: ", url)

    def test_a_name_of_redis_that_does_not_resolve_is_not_waited_for(self):
        grape = self.start(Grape)
        url = "redis://no.such.host:6379/0"
        arguments = ["--in-memory", "--bind", "127.0.0.1", "--grape", grape.url, "--redis", url]
        result = run("exchange", *arguments, "--log-level", "error", env=slow_names(3600))
        self.assertEqual(result.returncode, 1)
        self.assert_one_line(result.stderr, "exchange: ", url, "cannot resolve no.such.host")
        with tempfile.TemporaryDirectory() as folder:
            entered = pathlib.Path(folder, "entered")

            def a_signal_stops_it():
                entered.unlink(missing_ok=True)
                peer = self.start(Process, BIN / "exchange", *arguments, "--log-format", "json", env=slow_names(3600, entered))
                self.wait_until(entered.exists)
                code, _ = peer.stop(signal.SIGTERM)
                self.assertIn(code, [0, 1], peer.lines)
                return code == 0  # 1: it gave up before the signal came

            self.wait_until(a_signal_stops_it)


class Playbook(TestCase):
    def play(self, *arguments, env=None):
        one = self.start(Grape, level="info")
        self.start(Grape, bootstrap=f"127.0.0.1:{one.dht_port}", level="info")
        return run("exchange", "--playbook", "--grape", one.url, *arguments, env=env)

    @needs_redis
    def test_with_redis_it_trades_and_shows_the_key(self):
        redis = self.start(Redis)
        result = self.play("--redis", redis.url)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertRegex(result.stdout, r"lnbcrt1\w+")
        self.assertRegex(result.stdout, r"lnbcrt10m\w+|lnbcrt1\w+")
        self.assertIn("grenache:exchange:", result.stdout)
        self.assertNotIn("\x1b", result.stdout, "no colour where there is no terminal")
        for name in ["Alice", "Bob", "Carol"]:
            self.assertIn(name, result.stdout)

    def test_without_redis_as_json_lines(self):
        result = self.play("--json")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertTrue(all(isinstance(line, dict) for line in lines))
        invoices = {match for match in re.findall(r"lnbcrt\w{100,}", result.stdout)}
        self.assertEqual(len(invoices), 1)

    def test_a_server_that_is_no_grape_is_called_that(self):
        grape = self.start(FakeGrape, status=404)
        play = self.start(Process, BIN / "exchange", "--playbook", "--grape", grape.url)
        play.wait_line(lambda line: f"{grape.url} answers, but is not a grape (404)" in line)
        play.process.kill()
        play.wait()
        self.assertNotIn("a grape answers", "\n".join(play.lines))

    def test_it_says_what_a_peer_waits_for(self):
        grape = self.start(FakeGrape)
        with taken_port(socket.SOCK_STREAM) as silent:
            grape.ports["exchange"] = [silent.getsockname()[1]]
            play = self.start(Process, BIN / "exchange", "--playbook", "--grape", grape.url)
            play.wait_line(lambda line: "Alice" in line and "waits for" in line)
            play.process.kill()
            play.wait()

    def test_a_grape_of_another_host_ends_it_with_the_reason(self):
        grape = self.start(FakeGrape, shows=["203.0.113.1"])
        result = run("exchange", "--playbook", "--grape", grape.url)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertRegex(result.stderr, r"^exchange: Alice cannot start: the DHT shows it at 203\.0\.113\.1:\d+, which is no address of "
                         r"this host: a router stands between this host and the other grapes\n$")


class Running(TestCase):
    def test_a_peer_announces_keeps_its_identity_private_and_stops_cleanly(self):
        grape = self.start(Grape)
        with tempfile.TemporaryDirectory() as folder:
            identities = []
            for sig in [signal.SIGTERM, signal.SIGINT]:
                peer = self.start(
                    Process, BIN / "exchange", "--port", "0", "--grape", grape.url, "--name", "Dora", "--data-dir", folder,
                    "--log-format", "json")
                ready = peer.wait_event("ready")
                identities.append(ready["peer_id"])
                peer.wait_event("grape")  # announced
                self.assertIn(f"127.0.0.1:{ready['port']}", json.loads(grape.post("/lookup", {"data": "exchange"})[1]))
                for name in os.listdir(folder):
                    path = os.path.join(folder, name)
                    if os.path.isfile(path):
                        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, name)
                peer.process.send_signal(signal.SIGHUP)  # the end of its terminal
                self.assertIn(f"127.0.0.1:{ready['port']}", json.loads(grape.post("/lookup", {"data": "exchange"})[1]))
                code, _ = peer.stop(sig)
                self.assertEqual(code, 0, peer.lines)
                self.assertEqual(json.loads(peer.lines[-1])["event"], "stopped")
            self.assertEqual(identities[0], identities[1], "the identity outlives the process")

    def test_a_peer_raises_its_limit_of_descriptors(self):
        grape = self.start(Grape)
        with tempfile.TemporaryDirectory() as folder:
            peer = self.start(
                Process, *with_few_descriptors(BIN / "exchange", "--grape", grape.url, "--data-dir", folder, "--log-format", "json"))
            peer.wait_event("ready")
            self.assert_descriptor_limit_raised(peer)
            peer.stop()

    def test_web_pages_of_other_origins_cannot_call_it(self):
        grape = self.start(Grape)
        peer = self.start(
            Process, BIN / "exchange", "--in-memory", "--grape", grape.url, "--log-format", "json", "--allow-origin", "https://app.test",
            "--allow-host", "peer.test")
        port = peer.wait_event("ready")["port"]
        for headers, status in [({"Origin": "http://evil.test"}, 403), ({"Host": "evil.test"}, 403),
                                ({"Host": "evil.test", "Origin": "http://evil.test"}, 403), ({"Origin": "https://app.test"}, 200),
                                ({"Host": "peer.test"}, 200), ({}, 200), ({"Host": "evil.test", "User-Agent": "node"}, 200)]:
            with self.subTest(headers=headers):
                self.assertEqual(status_for_browser(port, **headers), status)
        self.assertEqual(peer.stop()[0], 0)

    def test_a_peer_on_all_addresses_advertises_the_one_that_the_grape_shows(self):
        grape = self.start(Grape, bind="127.0.0.2", host="127.0.0.2")
        peer = self.start(Process, BIN / "exchange", "--in-memory", "--grape", f"http://127.0.0.2:{grape.api_port}", "--log-format", "json")
        port = peer.wait_event("listening")["port"]
        self.assertEqual(peer.wait_event("advertised")["endpoint"], f"127.0.0.2:{port}")
        self.assertEqual(peer.stop()[0], 0)

    @needs_ipv6
    def test_a_peer_listens_at_the_address_that_an_ipv6_grape_shows(self):
        grape = self.start(Grape, bind="::1", host="::1")
        peer = self.start(Process, BIN / "exchange", "--in-memory", "--grape", f"http://[::1]:{grape.api_port}", "--log-format", "json")
        port = peer.wait_event("listening")["port"]
        self.assertEqual(peer.wait_event("advertised")["endpoint"], f"[::1]:{port}")
        for address in ["::1", "127.0.0.1"]:
            socket.create_connection((address, port), timeout=LIMIT_S).close()
        self.assertEqual(peer.stop()[0], 0)

    def test_of_peers_with_one_port_it_advertises_the_address_of_this_host(self):
        grape = self.start(FakeGrape, shows=["203.0.113.1", "127.0.0.1", "203.0.113.2"])
        peer = self.start(Process, BIN / "exchange", "--in-memory", "--grape", grape.url, "--log-format", "json")
        port = peer.wait_event("listening")["port"]
        self.assertEqual(peer.wait_event("advertised")["endpoint"], f"127.0.0.1:{port}")
        self.assertEqual(peer.stop()[0], 0)
        self.assertFalse(any("shown_elsewhere" in line for line in peer.lines), peer.lines)

    def test_a_peer_that_the_dht_shows_elsewhere_is_warned(self):
        grape = self.start(FakeGrape, shows=["203.0.113.1"])
        peer = self.start(Process, BIN / "exchange", "--in-memory", "--grape", grape.url, "--log-format", "json")
        port = peer.wait_event("listening")["port"]
        self.assertEqual(peer.wait_event("shown_elsewhere")["endpoint"], f"203.0.113.1:{port}")
        self.assertEqual(peer.stop()[0], 0)

    @needs_openssl
    def test_a_grape_behind_https_is_trusted_by_its_authority(self):
        with tempfile.TemporaryDirectory() as folder:
            certificates = Certificates(pathlib.Path(folder))
            grape = self.start(FakeGrape, certificate=(certificates["server.pem"], certificates["server.key"]))
            trusted = ["--grape", grape.url, "--grape-ca", certificates["ca.pem"]]
            peer = self.start(Process, BIN / "exchange", "--in-memory", *trusted, "--log-format", "json")
            peer.wait_event("grape")
            self.assertEqual(peer.stop()[0], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
