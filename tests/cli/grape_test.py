"""Tests the program `grape`."""

import hashlib
import http.client
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import tempfile
import unittest

from support import BIN, LIMIT_S, Grape, Process, TestCase, request, run, slow_names, taken_port, with_few_descriptors

BASE = ["--bind", "127.0.0.1", "--dp", "0", "--aph", "0", "--bn", ""]


class CommandLine(TestCase):
    def test_help_names_every_flag_of_the_original(self):
        result = run("grape", "--help")
        self.assertEqual(result.returncode, 0)
        for flag in ["-b,", "--bind", "--dp", "--dht_port", "--dc", "--dht_concurrency", "--dht_maxTables", "--dht_maxValues", "--bn",
                     "--bootstrap", "--aph", "--api_port", "--dpa", "--dht_peer_maxAge", "--cache_maxAge", "--dnl",
                     "--dht_nodeLiveness", "--check_maxPayloadSize", "--help", "--version", "--log-level", "--log-format", "--strict", "--profile", "--state-dir"]:
            self.assertIn(flag, result.stdout)

    def test_version(self):
        result = run("grape", "--version")
        self.assertEqual((result.returncode, result.stdout.split()[0]), (0, "grape"))

    def test_wrong_usage_is_one_line_and_exit_code_2(self):
        for arguments, part in [
                ([], "--"), (BASE + ["--nonsense"], "--nonsense"), (BASE + ["stray"], "stray"),
                (["--dp", "70000", "--aph", "0", "--bn", ""], "--dp"), (["--dp", "x", "--aph", "0", "--bn", ""], "--dp"),
                (["--dp", "0", "--aph", "-1", "--bn", ""], "--aph"), (["--dp", "0", "--bn", ""], "--aph"),
                (["--dp", "0", "--aph", "0"], "--bn"), (["--dp", "0", "--aph", "0", "--bn", "nonsense"], "nonsense"),
                (["--dp", "0", "--aph", "0", "--bn", "127.0.0.1:1,host:99999"], "host:99999"),
                (["-b", "not an address", "--dp", "0", "--aph", "0", "--bn", ""], "not an address"),
                (BASE + ["--log-level", "loud"], "loud"), (BASE + ["--dht_peer_maxAge", "-5"], "--d"),
                (BASE + ["--check_maxPayloadSize", "0"], "--check_maxPayloadSize"),
                (["--dp", "", "--aph", "0", "--bn", ""], "--dp: '' is not a number"),
                (["--dp", "0", "--aph", "", "--bn", ""], "--aph: '' is not a number"), (BASE + ["--dpa", ""], "--dpa"),
                (BASE + ["--dc", "0x10"], "--dc"), (BASE + ["--dnl", "1e5"], "--dnl"), (BASE + ["--dht_maxTables", " 5"], "--dht_maxTables")]:
            with self.subTest(arguments=arguments):
                result = run("grape", *arguments)
                self.assertEqual(result.returncode, 2)
                self.assert_one_line(result.stderr, "grape: ", part)

    def test_ports_in_use_are_one_line_and_exit_code_1(self):
        for flag, kind in [("--dp", socket.SOCK_DGRAM), ("--aph", socket.SOCK_STREAM)]:
            with self.subTest(flag=flag), taken_port(kind) as holder:
                port = str(holder.getsockname()[1])
                arguments = ["--bind", "127.0.0.1", "--bn", "", "--log-level", "error", "--dp", "0", "--aph", "0"]
                arguments[arguments.index(flag) + 1] = port
                result = run("grape", *arguments)
                self.assertEqual(result.returncode, 1)
                self.assert_one_line(result.stderr, "grape: ", port, "in use")


class Running(TestCase):
    def test_a_name_that_does_not_resolve_does_not_keep_it_from_ending(self):
        for seconds in [1, 3600]:
            with self.subTest(seconds=seconds), tempfile.TemporaryDirectory() as folder:
                entered = pathlib.Path(folder, "entered")
                grape = Process(
                    BIN / "grape", *BASE[:-1], "no.such.host:20001", "--log-format", "json", env=slow_names(seconds, entered))
                self.addCleanup(grape.process.kill)
                grape.wait_event("api_listening")
                self.wait_until(entered.exists)
                if seconds == 1:
                    grape.wait_event("warning", host="no.such.host")
                code, _ = grape.stop(signal.SIGTERM)
                self.assertEqual(code, 0, grape.lines)

    def test_signals_stop_it_with_exit_code_0_whoever_is_connected(self):
        for sig in [signal.SIGTERM, signal.SIGINT]:
            with self.subTest(signal=sig):
                grape = self.start(Grape)
                grape.wait_event("ready")
                idle = socket.create_connection(("127.0.0.1", grape.api_port))
                with idle:
                    code, took = grape.stop(sig)
                self.assertEqual(code, 0)
                self.assertLess(took, 20, "waited for a client, which may be idle for a minute")
                self.assertEqual(json.loads(grape.lines[-1])["event"], "stopped")

    def test_every_json_line_is_an_object_with_time_level_and_event(self):
        grape = self.start(Grape)
        grape.wait_event("ready")
        grape.stop()
        for line in grape.lines:
            event = json.loads(line)
            self.assertRegex(event["ts"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertIn(event["level"], ["error", "warn", "info", "debug"])
            self.assertIsInstance(event["event"], str)

    def test_a_terminal_that_closes_does_not_end_it(self):
        for command in [[], ["nohup"]]:
            with self.subTest(command=command):
                grape = self.start(Process, *command, BIN / "grape", *BASE, "--log-format", "json")
                port = grape.wait_event("api_listening")["port"]
                grape.process.send_signal(signal.SIGHUP)
                self.assertEqual(request(port, "POST", "/lookup", '{"data":"a"}')[::2], (200, "[]"))
                self.assertEqual(grape.stop()[0], 0)

    def test_it_raises_its_limit_of_descriptors(self):
        grape = self.start(Process, *with_few_descriptors(BIN / "grape", *BASE, "--log-format", "json"))
        grape.wait_event("api_listening")
        self.assert_descriptor_limit_raised(grape)

    def test_it_runs_on_without_its_log_when_the_reader_of_stderr_has_ended(self):
        grape = self.start(Process, BIN / "grape", *BASE, "--log-format", "json", "--log-level", "debug")
        port = grape.wait_event("api_listening")["port"]
        grape.wait_event("ready")
        os.dup2(os.open(os.devnull, os.O_RDONLY), grape.process.stdout.fileno())  # closes the last reader of its pipe
        for i in range(3):
            self.assertEqual(request(port, "POST", "/announce", json.dumps({"data": [f"name{i}", 1]}))[::2], (200, "0"))
        self.assertEqual(grape.stop()[0], 0)

    def test_a_log_that_nobody_reads_stops_nothing(self):
        read, write = os.pipe()
        grape = subprocess.Popen([BIN / "grape", *BASE, "--log-format", "json", "--log-level", "debug"], stderr=write)
        self.addCleanup(grape.wait)
        self.addCleanup(grape.kill)
        os.close(write)
        with os.fdopen(read) as log:
            port = next(event["port"] for event in map(json.loads, log) if event["event"] == "api_listening")
            name = "n" * 1000
            for i in range(600):  # one event of more than 1 kB each: exceeds the pipe and the queue
                self.assertEqual(request(port, "POST", "/announce", json.dumps({"data": [name, 1 + i]}))[::2], (200, "0"))
            grape.terminate()
            self.assertEqual(grape.wait(timeout=LIMIT_S), 0)

    def test_numbers_are_decimal(self):
        grape = self.start(Grape, "--check_maxPayloadSize", "0100", "--dc", "010")
        self.assertEqual(grape.post("/lookup", json.dumps({"data": "x" * 70})), (200, "[]"))
        with taken_port(socket.SOCK_STREAM) as holder:
            port = holder.getsockname()[1]
            result = run("grape", "--bind", "127.0.0.1", "--bn", "", "--log-level", "error", "--dp", "00", "--aph", f"0{port}")
            self.assertEqual(result.returncode, 1)
            self.assert_one_line(result.stderr, f"127.0.0.1:{port}", "in use")

    def test_text_lines_are_for_people(self):
        grape = self.start(Process, BIN / "grape", *BASE)
        self.assertRegex(grape.wait_line(lambda line: "listening" in line), r"Z info +listening port=\d+")
        self.assertEqual(grape.stop()[0], 0)

    def test_one_grape_alone_is_enough(self):
        grape = self.start(Grape)
        self.assertEqual(grape.post("/announce", {"data": ["alone", 1337]}), (200, "0"))
        self.assertEqual(grape.post("/lookup", {"data": "alone"}), (200, '["127.0.0.1:1337"]'))
        self.assertEqual(grape.post("/lookup", {"data": "nobody"}), (200, "[]"))

    def test_a_lone_grape_bound_to_all_addresses_finds_its_own_services(self):
        grape = self.start(Grape, bind="0.0.0.0")
        self.assertEqual(grape.post("/announce", {"data": ["alone", 1337]})[0], 200)
        self.assertEqual(grape.post("/lookup", {"data": "alone"}), (200, '["127.0.0.1:1337"]'))

    def test_two_grapes_share_what_is_announced_and_tell_it(self):
        one = self.start(Grape)
        two = self.start(Grape, bootstrap=f"localhost:{one.dht_port}")
        two.wait_event("ready")
        self.assertEqual(one.wait_event("node")["peer"], f"127.0.0.1:{two.dht_port}")
        self.assertEqual(one.post("/announce", {"data": ["shared", 7001]}), (200, "1"))
        self.assertEqual(two.wait_event("announce", name="shared")["peer"], "127.0.0.1:7001")
        self.assertEqual(two.post("/lookup", {"data": "shared"}), (200, '["127.0.0.1:7001"]'))
        self.assertEqual(two.wait_event("peer", name="shared")["peer"], "127.0.0.1:7001")

    def test_the_order_of_starting_does_not_matter(self):
        first, second = self.start_in_a_circle()
        first.wait_event("node")
        self.assertEqual(first.post("/announce", {"data": ["x", 1]}), (200, "1"))
        self.assertEqual(second.post("/lookup", {"data": "x"}), (200, '["127.0.0.1:1"]'))

    def start_in_a_circle(self):
        """Two grapes that are each other's bootstrap."""
        for _ in range(20):
            with taken_port(socket.SOCK_DGRAM) as holder:
                later = holder.getsockname()[1]
                first = self.start(Grape, bootstrap=f"127.0.0.1:{later}")
            try:
                return first, self.start(Grape, dht_port=later, bootstrap=f"127.0.0.1:{first.dht_port}")
            except AssertionError as error:
                # A UDP port cannot be reserved for a program, so another process may bind it meanwhile.
                if "in use" not in str(error):
                    raise
                first.close()
        self.fail("the port was taken each time")

    def test_a_service_that_is_silent_is_gone_after_its_age(self):
        grape = self.start(Grape, "--dht_peer_maxAge", "300")
        found = (200, '["127.0.0.1:1337"]')

        def announced():
            self.assertEqual(grape.post("/announce", {"data": ["brief", 1337]})[0], 200)
            return grape.post("/lookup", {"data": "brief"}) == found

        self.wait_until(announced)  # immediately, unless the announcement expires before the lookup on a slow machine
        self.wait_until(lambda: grape.post("/lookup", {"data": "brief"}) == (200, "[]"))

    def test_the_body_limit_is_the_flags(self):
        grape = self.start(Grape, "--check_maxPayloadSize", "100")
        self.assertEqual(grape.post("/lookup", json.dumps({"data": "x" * 200})), (413, "ERR_GRAPE_PAYLOAD_SIZE"))
        self.assertEqual(grape.post("/lookup", json.dumps({"data": "x" * 20})), (200, "[]"))


class Items(TestCase):
    HELLO = "6d33adc2b6b2c14c3036feefb7fedbca1a880527"

    def test_what_one_grape_put_another_gets(self):
        one = self.start(Grape)
        two = self.start(Grape, bootstrap=f"127.0.0.1:{one.dht_port}")
        two.wait_event("ready")
        self.assertEqual(one.post("/put", {"data": {"v": "hello world"}}), (200, f'"{self.HELLO}"'))
        answer = json.loads(two.post("/get", {"data": self.HELLO})[1])
        self.assertEqual(answer["v"], "hello world")
        self.assertEqual(two.post("/get", {"data": "0" * 40}), (200, ""))

    def test_a_lone_grape_keeps_items_for_its_users(self):
        grape = self.start(Grape, "--strict")
        self.assertEqual(grape.post("/put", {"data": "hello world"}), (200, f'"{self.HELLO}"'))
        self.assertEqual(json.loads(grape.post("/get", {"data": {"hash": self.HELLO}})[1])["token"], None)
        status, answer = grape.post("/get", {"data": "0" * 40})
        self.assertEqual((status, json.loads(answer)["error"]), (404, "ERR_GRAPE_NOT_FOUND"))
        status, answer = grape.post("/put", {"data": {}})
        self.assertEqual((status, json.loads(answer)["error"]), (400, "ERR_GRAPE_PUT"))

    def test_a_service_that_is_taken_back_is_gone_at_once_everywhere(self):
        one = self.start(Grape)
        two = self.start(Grape, bootstrap=f"127.0.0.1:{one.dht_port}")
        self.wait_until(lambda: json.loads(one.request("GET", "/health")[2])["nodes"] == 1)
        self.assertEqual(one.post("/announce", {"data": ["brief", 7]}), (200, "1"))
        self.assertEqual(two.post("/lookup", {"data": "brief"}), (200, '["127.0.0.1:7"]'))
        self.assertEqual(one.post("/unannounce", {"data": ["brief", 7]}), (200, "1"))
        self.assertEqual(two.post("/lookup", {"data": "brief"}), (200, "[]"))
        self.assertEqual(one.post("/lookup", {"data": "brief"}), (200, "[]"))
        self.assertEqual(one.post("/unannounce", {"data": ["never", 7]})[0], 200)
        self.assertEqual(one.post("/unannounce", {"data": "x"}), (200, '"ERR_GRAPE_ANNOUNCE"'))


class State(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name, "state")
        self.file = self.folder / "state"

    def start_with_state(self, **options):
        return self.start(Grape, "--state-dir", str(self.folder), **options)

    def test_id_nodes_items_and_services_survive_a_restart(self):
        other = self.start(Grape)
        grape = self.start_with_state(bootstrap=f"127.0.0.1:{other.dht_port}")
        grape.wait_event("ready")
        before = json.loads(grape.request("GET", "/health")[2])
        grape.post("/put", {"data": "kept"})
        grape.post("/announce", {"data": ["kept", 1337]})
        self.assertEqual(grape.stop()[0], 0)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.folder.stat().st_mode), 0o700)
        again = self.start_with_state()
        restored = again.wait_event("restored")
        self.assertEqual((restored["id"], restored["contacts"], restored["items"], restored["services"]), (before["id"], 1, 1, 1))
        again.wait_event("ready")
        self.assertEqual(json.loads(again.request("GET", "/health")[2])["nodes"], 1, "found again without a bootstrap")
        target = hashlib.sha1(b"4:kept").hexdigest()
        self.assertEqual(json.loads(again.post("/get", {"data": target})[1])["v"], "kept")

    def test_a_damaged_file_is_one_warning_and_a_fresh_start(self):
        self.start_with_state().stop()
        for bytes_ in [b"", b"garbage", self.file.read_bytes()[:-1]]:
            with self.subTest(bytes=bytes_[:20]):
                self.file.write_bytes(bytes_)
                grape = self.start_with_state()
                grape.wait_event("ready")
                self.assertEqual(grape.stop()[0], 0)
                self.assertEqual(sum('"warning"' in line for line in grape.lines), 1, grape.lines)
                again = self.start_with_state()
                again.wait_event("restored")
                again.stop()

    def test_a_kill_at_any_time_leaves_a_whole_file(self):
        grape = self.start_with_state()
        grape.wait_event("ready")
        grape.process.kill()
        grape.wait()
        again = self.start_with_state()
        again.wait_event("ready")
        again.stop()
        self.assertFalse(any('"warning"' in line for line in again.lines), again.lines)

    def test_a_folder_serves_one_grape_at_a_time_and_must_be_writable(self):
        self.start_with_state()
        result = run("grape", *BASE, "--state-dir", str(self.folder), "--log-level", "error")
        self.assertEqual(result.returncode, 1)
        self.assert_one_line(result.stderr, "grape: another grape is using the state folder ")
        result = run("grape", *BASE, "--state-dir", "/proc/nowhere/state", "--log-level", "error")
        self.assertEqual(result.returncode, 1)
        self.assert_one_line(result.stderr, "grape: cannot use the state folder /proc/nowhere/state: ")


class Networks(TestCase):
    def test_both_families_on_one_socket(self):
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        both = self.start(Grape, bind="::")
        v4 = self.start(Grape, bootstrap=f"127.0.0.1:{both.dht_port}")
        v6 = self.start(Grape, bind="::1", bootstrap=f"[::1]:{both.dht_port}", host="::1")
        v4.wait_event("ready")
        v6.wait_event("ready")
        self.assertEqual(json.loads(both.request("GET", "/health")[2])["nodes"], 2)
        self.assertEqual(v6.post("/announce", {"data": ["six", 6]}), (200, "1"))
        self.assertEqual(both.post("/lookup", {"data": "six"}), (200, '["[::1]:6"]'))
        self.assertEqual(v4.post("/announce", {"data": ["four", 4]}), (200, "1"))
        self.assertEqual(both.post("/lookup", {"data": "four"}), (200, '["127.0.0.1:4"]'))

    def test_the_public_profile_serves_as_well(self):
        grape = self.start(Grape, "--profile", "public")
        self.assertEqual(grape.post("/announce", {"data": ["a", 1]})[0], 200)
        self.assertEqual(grape.post("/lookup", {"data": "a"}), (200, '["127.0.0.1:1"]'))
        self.assertEqual(run("grape", *BASE, "--profile", "nonsense").returncode, 2)


class Operating(TestCase):
    def test_health_is_200_only_when_the_network_is_reached(self):
        with taken_port(socket.SOCK_DGRAM) as silent:
            lost = self.start(Grape, bootstrap=f"127.0.0.1:{silent.getsockname()[1]}")
            status, _, body = lost.request("GET", "/health")
            self.assertEqual(status, 503)
            self.assertIn(json.loads(body)["status"], ["joining", "alone"])
            lost.wait_event("ready")
            status, _, body = lost.request("GET", "/health")
            self.assertEqual((status, json.loads(body)["status"]), (503, "alone"))
        one = self.start(Grape)
        two = self.start(Grape, bootstrap=f"127.0.0.1:{one.dht_port}")
        two.wait_event("ready")
        status, headers, body = two.request("GET", "/health")
        health = json.loads(body)
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        self.assertEqual((health["status"], health["nodes"], health["last_lookup_age_s"]), ("ok", 1, None))
        self.assertIn("malformed", health["dropped"])
        two.post("/announce", {"data": ["found", 1]})
        two.post("/lookup", {"data": "found"})
        self.assertIsInstance(json.loads(two.request("GET", "/health")[2])["last_lookup_age_s"], int)
        self.assertEqual(two.request("HEAD", "/health")[0], 200)
        self.assertEqual(two.request("HEAD", "/health")[2], "")

    def test_metrics_count_what_happens(self):
        grape = self.start(Grape)
        grape.post("/lookup", {"data": "x"})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(LIMIT_S)
            sender.sendto(b"garbage", ("127.0.0.1", grape.dht_port))
            sender.sendto(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", ("127.0.0.1", grape.dht_port))
            sender.recv(2000)
        status, headers, body = grape.request("GET", "/metrics")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        lines = body.splitlines()
        for line in ["grape_lookups_total 1", 'grape_datagrams_dropped_total{reason="malformed"} 1', "grape_queries_received_total 1",
                     "grape_healthy 1", "grape_http_requests_total 2"]:
            self.assertIn(line, lines)

    def test_the_status_page_is_for_people(self):
        grape = self.start(Grape)
        status, headers, body = grape.request("GET", "/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertIn("in service", body)

    def test_pages_are_at_their_paths_for_get_only(self):
        grape = self.start(Grape)
        for method, path, body, expected in [
                ("GET", "/lookup", None, (500, "ERR_GRAPE_PAYLOAD_INVALID")), ("POST", "/health", None, (500, "ERR_GRAPE_PAYLOAD_INVALID")),
                ("POST", "/nowhere", None, (500, "ERR_GRAPE_PAYLOAD_INVALID")), ("GET", "/get", None, (500, "ERR_GRAPE_PAYLOAD_INVALID")),
                ("POST", "http://localhost/lookup", '{"data":"x"}', (200, "[]")), ("POST", "/lookup/", '{"data":"x"}', (200, '"ERR_REQ_NOTFOUND"')),
                ("POST", "/get", '{"data":5}', (200, '"ERR_GRAPE_GENERIC"')), ("POST", "/get", '{"data":"zz"}', (200, '"ERR_GRAPE_HASH_FORMAT"')),
                ("GET", "/health", "{}", (200, '"ERR_REQ_NOTFOUND"')), ("GET", "/", "{}", (200, '"ERR_REQ_NOTFOUND"'))]:
            with self.subTest(method=method, path=path):
                status, headers, text = grape.request(method, path, body)
                self.assertEqual((status, text), expected)
                self.assertNotIn("Content-Type", headers)

    def test_pages_are_found_with_a_query_a_final_slash_or_a_whole_url(self):
        grape = self.start(Grape)
        for path, content in [("/health?verbose=1", "application/json"), ("/health/", "application/json"), ("/metrics?name=a", "text/plain"),
                              ("/?x", "text/html"), ("http://localhost/health", "application/json"), ("http://localhost", "text/html")]:
            with self.subTest(path=path):
                status, headers, _ = grape.request("GET", path)
                self.assertEqual((status, headers["Content-Type"].split(";")[0]), (200, content))
        for path in ["/favicon.ico", "/healthy", "/lookup/", "http://localhost/nowhere"]:
            with self.subTest(path=path):
                self.assertEqual(grape.request("GET", path)[0], 404)
                self.assertEqual(grape.request("HEAD", path)[0], 404)
        strict = self.start(Grape, "--strict")
        status, headers, text = strict.request("GET", "/favicon.ico")
        self.assertEqual((status, json.loads(text)["error"], headers["Content-Type"]), (404, "ERR_REQ_NOTFOUND", "application/json"))

    def test_strict_answers_errors_with_a_status_and_an_object(self):
        grape = self.start(Grape, "--strict", "--check_maxPayloadSize", "100")
        for path, body, code, error in [
                ("/lookup", "garbage", 400, "ERR_GRAPE_PAYLOAD_INVALID"), ("/lookup", "x" * 101, 413, "ERR_GRAPE_PAYLOAD_SIZE"),
                ("/nope", "{}", 404, "ERR_REQ_NOTFOUND"), ("/lookup", '{"data":1}', 400, "ERR_GRAPE_LOOKUP"),
                ("/announce", '{"data":["a","x"]}', 400, "ERR_GRAPE_SERVICE_PORT"), ("/announce", '{"data":1}', 400, "ERR_GRAPE_ANNOUNCE")]:
            with self.subTest(path=path, error=error):
                status, headers, text = grape.request("POST", path, body)
                answer = json.loads(text)
                self.assertEqual((status, answer["error"], headers["Content-Type"]), (code, error, "application/json"))
                self.assertGreater(len(answer["message"]), 5)
        self.assertEqual(grape.post("/announce", {"data": ["a", 1]}), (200, "0"))
        self.assertEqual(grape.post("/lookup", {"data": "a"}), (200, '["127.0.0.1:1"]'))


class Web(TestCase):
    def ask(self, grape, **headers):
        """Announces like a browser with these headers; returns (status, Access-Control-Allow-Origin)."""
        connection = http.client.HTTPConnection("127.0.0.1", grape.api_port, timeout=LIMIT_S)
        self.addCleanup(connection.close)
        connection.request("POST", "/announce", '{"data":["web",1]}', {"Content-Type": "text/plain", "User-Agent": "Mozilla/5.0", **headers})
        reply = connection.getresponse()
        reply.read()
        return reply.status, reply.headers["Access-Control-Allow-Origin"]

    def test_pages_of_other_origins_and_rebound_names_cannot_use_it(self):
        grape = self.start(Grape)
        for headers in [{"Origin": "http://evil.test"}, {"Origin": "null"}, {"Host": f"evil.test:{grape.api_port}"},
                        {"Host": f"evil.test:{grape.api_port}", "Origin": f"http://evil.test:{grape.api_port}"}]:
            with self.subTest(headers=headers):
                self.assertEqual(self.ask(grape, **headers), (403, None))
        self.assertEqual(grape.post("/lookup", {"data": "web"}), (200, "[]"))
        own = f"127.0.0.1:{grape.api_port}"
        for headers in [{}, {"Host": own, "Origin": "http://" + own}, {"Host": f"localhost:{grape.api_port}"},
                        {"Host": "grape.test", "User-Agent": "curl/7.88.1"}]:
            self.assertEqual(self.ask(grape, **headers)[0], 200)

    def test_pages_and_names_can_be_allowed(self):
        grape = self.start(Grape, "--allow-origin", "https://app.test", "--allow-host", "grape.test", "--allow-host", "other.test")
        self.assertEqual(self.ask(grape, Origin="https://app.test"), (200, "https://app.test"))
        self.assertEqual(self.ask(grape, Host="other.test")[0], 200)
        self.assertEqual(self.ask(grape, Origin="https://evil.test")[0], 403)
        self.assertEqual(self.ask(grape, Host="evil.test")[0], 403)
        for flag, text in [("--allow-origin", "app.test"), ("--allow-host", "a/b"), ("--api-bind", "localhost")]:
            self.assertEqual(run("grape", *BASE, flag, text).returncode, 2)

    def test_an_api_that_others_reach_is_warned_about_once(self):
        grape = self.start(Grape, bind="0.0.0.0")
        grape.stop()
        self.assertEqual(sum("--api-bind" in line for line in grape.lines), 1, grape.lines)
        for arguments, bind in [([], "127.0.0.1"), (["--api-bind", "127.0.0.1"], "0.0.0.0")]:
            grape = self.start(Process, BIN / "grape", "--bind", bind, *BASE[2:], "--log-format", "json", *arguments)
            self.assertEqual(grape.wait_event("listening")["address"], bind)
            self.assertEqual(grape.wait_event("api_listening")["address"], "127.0.0.1")
            grape.stop()
            self.assertFalse(any("--api-bind" in line for line in grape.lines), grape.lines)


if __name__ == "__main__":
    unittest.main(verbosity=2)
