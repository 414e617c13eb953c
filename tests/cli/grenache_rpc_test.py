"""The commands call, serve, pub and sub of `grenache` as a user meets them."""

import collections
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import tempfile
import unittest

from support import BIN, LIMIT_S, THREAD_SANITIZED, Certificates, FakeGrape, Grape, Process, ReservedPort, TestCase, needs_ipv6, needs_openssl, run, status_for_browser, taken_port, with_few_descriptors


class Service(Process):
    """A `grenache serve` or `grenache pub` that is announced."""

    def __init__(self, grape, command, name, *arguments, **options):
        super().__init__(BIN / "grenache", command, name, *grape, "--bind", "127.0.0.1", *arguments, **options)
        try:
            line = self.wait_line(lambda line: "serving" in line)
        except AssertionError:
            self.close()
            raise
        self.address = json.loads(line)["address"] if line.startswith("{") else line.split()[3]

    def publish(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self):
        """Closes its stdin; its exit code."""
        self.process.stdin.close()
        return self.wait()


class Peers(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.one_grape = self.start(Grape)
        self.grape = ["--grape", self.one_grape.url]

    def grenache(self, *arguments, code=0, text=""):
        """Runs it; its standard output."""
        result = run("grenache", *arguments, text=text)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.error = result.stderr
        if code == 0:
            self.assertEqual(result.stderr, "")
        else:
            self.assert_one_line(result.stderr, "grenache: ")
        return result.stdout

    def call(self, *arguments, **options):
        return self.grenache("call", *arguments, *self.grape, **options)

    def serve(self, name, *arguments):
        return self.start(Service, self.grape, "serve", name, *arguments)

    def script(self, text):
        path = self.folder / f"script{len(list(self.folder.iterdir()))}"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return str(path)


class CommandLine(TestCase):
    def usage(self, *arguments):
        result = run("grenache", *arguments)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertEqual(result.stdout, "")
        self.assert_one_line(result.stderr, "grenache: ")
        return result.stderr

    def test_help_fits_a_terminal_and_names_every_option(self):
        expected = {
            "call": ["--transport", "--to", "--map", "--gzip", "--raw", "--ca", "--fingerprint", "--host-name", "--insecure"],
            "serve": ["--echo", "--exec", "--parallel", "--threads", "--port", "--bind", "--cert", "--key", "GRENACHE_RID", "--allow-host",
                      "--allow-origin"],
            "pub": ["--wait-subscribers", "--allow-host", "--allow-origin", "--port", "--bind", "--cert", "--key"],
            "sub": ["--count", "--transport", "--ca"]}
        for command, words in expected.items():
            text = run("grenache", command, "--help").stdout
            for word in words:
                self.assertIn(word, text)
            self.assertIn(f"  grenache {command} ", text)
            self.assertLessEqual(max(map(len, text.splitlines())), 102, text)
        self.assertLessEqual(max(map(len, run("grenache", "--help").stdout.splitlines())), 102)

    def test_wrong_usage_is_one_line_and_exit_code_2(self):
        for arguments in [
                ["call"], ["call", ""], ["call", "a", "not json"], ["call", "a", "1", "2"], ["call", "a", "1", "--to", "nowhere"],
                ["call", "a", "1", "--transport", "udp"], ["call", "a", "1", "--map", "--to", "127.0.0.1:1"],
                ["call", "a", "1", "--timeout", "0"], ["call", "a", "1", "--retry", "-1"], ["call", "a", "1", "--retry", ""],
                ["call", "a", "1", "--map", "--retry", "1"], ["call", "a", "1", "--gzip", "--transport", "ws"],
                ["serve", "a"], ["serve", "--echo"], ["serve", "a", "--echo", "--exec", "cat"], ["serve", "a", "b", "--echo"],
                ["serve", "a", "--echo", "--port", "70000"], ["serve", "a", "--echo", "--bind", "here"],
                ["serve", "a", "--exec", "cat", "--parallel", "0"], ["serve", "a", "--exec", "cat", "-u"],
                ["pub"], ["pub", "a", "--transport", "http"], ["sub"], ["sub", "a", "--count", "0"], ["sub", "a", "--count", "-1"],
                ["serve", "a", "--echo", "--port", ""], ["serve", "a", "--echo", "--threads", ""], ["sub", "a", "--count", ""],
                ["serve", "a", "--exec", "cat", "--parallel", ""], ["pub", "a", "--wait-subscribers", ""], ["pub", "a", "--port", ""]]:
            with self.subTest(arguments=arguments):
                self.usage(*arguments)

    def test_options_of_tls_must_fit_together(self):
        pin = "0" * 64
        self.assertIn("needs --ca, --fingerprint or --insecure", self.usage("call", "a", "1", "--transport", "https"))
        self.assertIn("needs --cert and --key", self.usage("serve", "a", "--echo", "--transport", "wss"))
        self.assertIn("cannot be used with --transport http", self.usage("call", "a", "1", "--ca", "f"))
        self.assertIn("belong together", self.usage("sub", "a", "--transport", "wss", "--insecure", "--cert", "f"))
        self.assertIn("excludes", self.usage("call", "a", "1", "--transport", "https", "--insecure", "--ca", "f"))
        self.assertIn("--host-name needs --ca", self.usage("call", "a", "1", "--transport", "https", "--fingerprint", pin, "--host-name", "x"))
        self.assertIn("need a --grape https://", self.usage("lookup", "a", "--grape-ca", "f"))
        self.assertIn("belong together", self.usage("lookup", "a", "--grape", "https://g.test", "--grape-cert", "f"))
        self.assertIn("not a SHA-256", self.usage("call", "a", "1", "--transport", "https", "--fingerprint", pin[1:]))

    def test_without_a_grape_every_command_says_so_with_exit_code_1(self):
        nowhere = ["--grape", f"http://127.0.0.1:{self.start(ReservedPort).port}", "--timeout", "1"]
        for arguments in [["call", "a", "1"], ["call", "a", "1", "--map"], ["serve", "a", "--echo"], ["pub", "a"], ["sub", "a"]]:
            with self.subTest(arguments=arguments):
                result = run("grenache", *arguments, *nowhere)
                self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
                self.assert_one_line(result.stderr, "grenache: ERR_GRAPE_UNREACHABLE")


class Echo(Peers):
    VALUES = ['{"a":[1,2.5,null]}', '"text"', "null", "-5", '"héé \\n"', "12345678901234567890"]

    def test_answers_over_every_plain_transport(self):
        for transport in ["http", "ws"]:
            with self.subTest(transport=transport):
                service = self.serve("echo-" + transport, "--echo", "--transport", transport)
                for value in self.VALUES:
                    self.assertEqual(self.call("echo-" + transport, value, "--transport", transport), value + "\n")
                code, _ = service.stop(signal.SIGINT)
                self.assertEqual(code, 0)
                self.assertEqual(service.lines[-1], f"stopped after {len(self.VALUES)} requests")

    def test_the_payload_comes_from_stdin_too(self):
        self.serve("echo", "--echo")
        self.assertEqual(self.call("echo", text="[1,\n 2]"), "[1,2]\n")
        self.assertEqual(self.call("echo", "-", text='"x"'), '"x"\n')
        self.call("echo", "-", text="no json", code=1)
        self.assertIn("not JSON", self.error)

    def test_prints_strings_bare_and_results_as_objects_when_asked(self):
        self.serve("echo", "--echo", "--threads", "2")
        self.assertEqual(self.call("echo", '"a \\"b\\""', "--raw"), 'a "b"\n')
        self.assertEqual(self.call("echo", "[1]", "--raw", "--gzip"), "[1]\n")
        self.assertEqual(json.loads(self.call("echo", "[1]", "--json")), {"name": "echo", "result": [1]})

    def test_a_destination_can_be_named(self):
        service = self.serve("echo", "--echo")
        dead = f"127.0.0.1:{self.start(ReservedPort).port}"
        self.assertEqual(self.grenache("call", "any", "7", "--to", service.address, "--grape", "http://" + dead), "7\n")
        self.call("echo", "7", "--to", dead, code=1)
        self.assertIn("ERR_REQUEST_GENERIC: ", self.error)

    def test_retry_0_executes_a_request_once(self):
        mark = self.folder / "mark"
        dies = self.script(f"echo x >> {mark}; kill -9 $PPID")  # the request kills its server
        for _ in range(2):
            self.serve("deadly", "--exec", dies)
        self.call("deadly", "1", "--retry", "0", code=1)
        self.assertEqual(mark.read_text(), "x\n")

    def test_map_has_a_line_for_each(self):
        addresses = [self.serve("many", "--echo").address for _ in range(2)]
        lines = self.call("many", '"x"', "--map").splitlines()
        self.assertEqual(sorted(lines), sorted(f'{address} "x"' for address in addresses))
        dead = self.start(ReservedPort).port
        self.grenache("announce", "many", str(dead), *self.grape)
        lines = self.call("many", '"x"', "--map", "--raw", code=1).splitlines()
        self.assertEqual(sorted(line for line in lines if "!" not in line), sorted(address + " x" for address in addresses))
        self.assertIn(f"127.0.0.1:{dead} ! ERR_REQUEST_GENERIC: ", "\n".join(lines))
        self.assertIn("1 of 3 destinations", self.error)
        replies = json.loads(self.call("many", "1", "--map", "--json", code=1))["replies"]
        self.assertEqual({(reply["destination"], reply.get("result")) for reply in replies},
                         {(address, 1) for address in addresses} | {(f"127.0.0.1:{dead}", None)})
        self.assertEqual(["error" in reply for reply in replies].count(True), 1)

    def test_nobody_there_has_its_name(self):
        self.call("nobody", "1", code=1)
        self.assertIn("ERR_GRAPE_LOOKUP_EMPTY: nobody serves 'nobody'", self.error)
        self.assertEqual(json.loads(self.call("nobody", "1", "--json", code=1)), {"name": "nobody", "error": "ERR_GRAPE_LOOKUP_EMPTY"})
        self.assertEqual(json.loads(self.call("nobody", "1", "--json", "--map", code=1)), {"name": "nobody", "error": "ERR_GRAPE_LOOKUP_EMPTY"})

    def test_one_that_does_not_answer_ends_with_the_timeout(self):
        with taken_port(socket.SOCK_STREAM) as silent:
            to = ["--to", f"127.0.0.1:{silent.getsockname()[1]}", *self.grape]
            patient = self.start(Process, BIN / "grenache", "call", "x", "1", "--timeout", "1000", *to)
            self.grenache("call", "x", "1", "--timeout", "0.3", *to, code=1)
            self.assertIsNone(patient.process.poll(), patient.lines)
        self.assertIn("ERR_TIMEOUT", self.error)

    def test_serve_takes_its_announcement_back(self):
        for sig in [signal.SIGINT, signal.SIGTERM]:
            service = self.serve("gone", "--echo")
            self.assertEqual(self.grenache("lookup", "gone", *self.grape).strip(), service.address)
            code, _ = service.stop(sig)
            self.assertEqual(code, 0)
            self.grenache("lookup", "gone", *self.grape, code=1)

    def test_a_terminal_that_closes_does_not_end_a_service(self):
        for command in [["serve", "stays", "--echo"], ["pub", "stays"]]:
            with self.subTest(command=command):
                service = self.start(Service, self.grape, *command, stdin=subprocess.PIPE)
                service.process.send_signal(signal.SIGHUP)
                self.assertEqual(self.grenache("lookup", "stays", *self.grape).strip(), service.address)
                self.assertEqual(service.stop()[0], 0)
        hangup = self.script("kill -HUP $$; echo alive")
        self.serve("child", "--exec", hangup)
        self.call("child", "1", code=1)
        self.assertIn("ended by signal 1", self.error)

    def test_serve_raises_its_limit_of_descriptors(self):
        command = with_few_descriptors(BIN / "grenache", "serve", "s", "--echo", "--bind", "127.0.0.1", *self.grape)
        service = self.start(Process, *command)
        service.wait_line(lambda line: "serving" in line)
        self.assert_descriptor_limit_raised(service)

    def test_serve_starts_while_the_first_of_two_grapes_hangs(self):
        hanging = self.start(Grape)
        hanging.process.send_signal(signal.SIGSTOP)
        self.addCleanup(hanging.process.send_signal, signal.SIGCONT)
        service = self.start(Service, ["--grape", hanging.url, *self.grape], "serve", "s", "--echo")
        self.assertEqual(self.grenache("lookup", "s", *self.grape).strip(), service.address)

    def test_serve_tells_its_events_as_json(self):
        service = self.start(Process, BIN / "grenache", "serve", "s", "--echo", "--json", "--bind", "127.0.0.1", *self.grape)
        event = service.wait_event("serving", name="s", transport="http")
        self.assertEqual(self.call("s", "1", "--to", event["address"]), "1\n")
        service.stop()
        self.assertEqual(json.loads(service.lines[-1]), {"event": "stopped", "requests": 1})

    @needs_ipv6
    def test_serve_listens_at_the_address_that_an_ipv6_grape_shows(self):
        grape = self.start(Grape, bind="::1", host="::1")
        at = ["--grape", f"http://[::1]:{grape.api_port}"]
        service = self.start(Process, BIN / "grenache", "serve", "six", "--echo", *at)
        address = service.wait_line(lambda line: "serving" in line).split()[3]
        self.assertTrue(address.startswith("[::1]:"), address)
        self.assertEqual(self.grenache("call", "six", "6", *at), "6\n")
        self.assertEqual(self.grenache("call", "six", "4", "--to", address.replace("[::1]", "127.0.0.1"), *at), "4\n")
        self.assertFalse(any("warning" in line for line in service.lines), service.lines)

    def test_a_service_that_the_dht_shows_elsewhere_is_warned(self):
        service = self.start(Process, BIN / "grenache", "serve", "elsewhere", "--echo", "--bind", "127.0.0.2", *self.grape)
        line = service.wait_line(lambda line: "warning" in line)
        self.assertRegex(line, r"^grenache: warning: the DHT shows this service at 127\.0\.0\.1:\d+, where it does not listen")

    def test_a_port_in_use_is_told(self):
        with taken_port(socket.SOCK_STREAM) as taken:
            port = str(taken.getsockname()[1])
            self.grenache("serve", "x", "--echo", "--bind", "127.0.0.1", "--port", port, *self.grape, code=1)
        self.assertIn("cannot listen on 127.0.0.1:" + port, self.error)


class Web(Peers):
    FOREIGN = [{"Origin": "http://evil.test"}, {"Origin": "null"}, {"Host": "evil.test"}, {"Host": "evil.test", "Origin": "http://evil.test"}]
    ALLOWED = ["--allow-origin", "https://app.test", "--allow-host", "svc.test"]

    def check(self, service, ok, websocket):
        """A service that was started with ALLOWED."""
        port = int(service.address.split(":")[-1])
        for headers in self.FOREIGN:
            with self.subTest(headers=headers):
                self.assertEqual(status_for_browser(port, websocket, **headers), 403)
        for headers in [{}, {"Origin": f"http://127.0.0.1:{port}"}, {"Origin": "https://app.test"}, {"Host": "svc.test"},
                        {"Host": "node.test", "User-Agent": "node"}]:
            with self.subTest(headers=headers):
                self.assertEqual(status_for_browser(port, websocket, **headers), ok)

    def test_a_web_page_does_not_start_the_program_of_a_service(self):
        for transport, ok in [("http", 200), ("ws", 101)]:
            with self.subTest(transport=transport):
                runs = self.folder / f"runs-{transport}"
                program = self.script(f"echo >> {runs}\n")
                service = self.serve("web-" + transport, "--exec", program, "--transport", transport)
                port = int(service.address.split(":")[-1])
                for headers in [*self.FOREIGN, {"Origin": "https://app.test"}]:
                    self.assertEqual(status_for_browser(port, transport == "ws", **headers), 403)
                self.assertFalse(runs.exists())
                self.check(self.serve("allowed-" + transport, "--echo", "--transport", transport, *self.ALLOWED), ok, transport == "ws")

    def test_a_web_page_does_not_read_what_is_published(self):
        publisher = self.start(Service, self.grape, "pub", "news", *self.ALLOWED, stdin=subprocess.PIPE)
        self.check(publisher, 101, True)
        self.assertEqual(publisher.end(), 0)

    def test_an_origin_and_a_name_must_be_well_formed(self):
        for command in [["serve", "a", "--echo"], ["pub", "a"]]:
            for flag, text in [("--allow-origin", "app.test"), ("--allow-host", "a/b")]:
                result = run("grenache", *command, flag, text)
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assert_one_line(result.stderr, "grenache: ", flag)


class Exec(Peers):
    def test_a_program_gets_the_payload_and_answers_json_text_or_null(self):
        self.serve("cat", "--exec", "cat")
        self.assertEqual(self.call("cat", '{"a":1}'), '{"a":1}\n')
        self.serve("text", "--exec", self.script("read line; echo \"got $line\"; echo 'and more'"))
        self.assertEqual(self.call("text", "[1]"), '"got [1]\\nand more"\n')
        self.serve("nothing", "--exec", "true")
        self.assertEqual(self.call("nothing", "1"), "null\n")
        self.serve("bytes", "--exec", self.script("printf '\\377\\376'"))
        self.assertEqual(self.call("bytes", "1", "--raw"), "\ufffd\ufffd\n")
        large = json.dumps("x" * 1_000_000)
        self.assertEqual(self.call("cat", text=large), large + "\n")

    def test_its_environment_tells_about_the_request(self):
        self.serve("env", "--exec", self.script('echo "$GRENACHE_KEY|$GRENACHE_RID|$GRENACHE_PEER|$GRENACHE_ACTION|$GRENACHE_FINGERPRINT"'))
        self.assertRegex(self.call("env", "1", "--raw"), r"^env\|[0-9a-f-]{36}\|127\.0\.0\.1:\d+\|\|\n$")

    def test_arguments_that_begin_with_a_dash_come_after_two_dashes(self):
        self.serve("sum", "--exec", "/bin/sh", "--parallel", "1", "--", "-c", 'echo "\\"$0 $1\\""', "-a", "b c")
        self.assertEqual(self.call("sum", "1"), '"-a b c"\n')
        self.serve("plain", "--exec", "echo", "one", "two")
        self.assertEqual(self.call("plain", "1"), '"one two"\n')

    def test_one_that_fails_answers_with_the_last_line_of_its_stderr(self):
        service = self.serve("bad", "--exec", self.script("echo first >&2; echo 'no such user' >&2; echo >&2; exit 3"))
        self.call("bad", "1", code=1)
        self.assertEqual(self.error, "grenache: no such user\n")
        self.assertEqual(json.loads(self.call("bad", "1", "--json", code=1)), {"name": "bad", "error": "no such user"})
        service.wait_line(lambda line: line == "first")
        self.serve("silent", "--exec", "false")
        self.call("silent", "1", code=1)
        self.assertIn("ERR_REQUEST_HANDLER: exit code 1", self.error)
        self.serve("killed", "--exec", self.script("kill -9 $$"))
        self.call("killed", "1", code=1)
        self.assertIn("ERR_REQUEST_HANDLER: ended by signal 9", self.error)

    def test_one_that_never_ends_is_killed(self):
        mark = self.folder / "pid"
        self.serve("slow", "--exec", self.script(f"echo $$ > {mark}.new; mv {mark}.new {mark}; exec sleep 1000"), "--timeout", "1")

        def began():
            self.call("slow", "1", code=1)
            self.assertEqual(self.error, "grenache: ERR_TIMEOUT\n")
            return mark.exists()

        self.wait_until(began)
        self.assertFalse(os.path.exists(f"/proc/{mark.read_text().strip()}"))

    def test_one_that_prints_without_end_is_killed(self):
        self.serve("yes", "--exec", "yes")
        self.call("yes", "1", code=1)
        self.assertIn("ERR_REPLY_SIZE", self.error)

    def test_as_many_as_allowed_run_at_one_time(self):
        # Each waits until the other runs, too.
        both = self.script(f"mkdir {self.folder}/a 2>/dev/null || mkdir {self.folder}/b; until [ -d {self.folder}/b ]; do :; done; echo 1")
        self.serve("two", "--exec", both, "--parallel", "2")
        calls = [self.start(Process, BIN / "grenache", "call", "two", "1", *self.grape) for _ in range(2)]
        self.assertEqual([call.wait() for call in calls], [0, 0])
        # The second waits for the first, which needs a second.
        self.serve("one", "--exec", self.script("sleep 1000"), "--parallel", "1", "--timeout", "1")
        calls = [self.start(Process, BIN / "grenache", "call", "one", "1", *self.grape) for _ in range(2)]
        self.assertEqual([call.wait() for call in calls], [1, 1])
        for call in calls:
            self.assertEqual(call.lines, ["grenache: ERR_TIMEOUT"])

    def test_too_many_that_wait_are_refused_at_once(self):
        service = self.serve("busy", "--exec", "sleep", "1000", "--parallel", "1", "--timeout", "1000")
        host, port = service.address.split(":")
        body = b'["id","busy",null]'
        request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        callers = [socket.create_connection((host, int(port)), timeout=LIMIT_S) for _ in range(258)]
        for caller in callers:
            self.addCleanup(caller.close)
            caller.sendall(request)
        self.assertEqual(len(select.select(callers, [], [], LIMIT_S)[0]), 1)
        service.process.send_signal(signal.SIGTERM)
        self.wait_until(lambda: run("grenache", "lookup", "busy", *self.grape).returncode == 1)
        self.assertEqual(service.stop()[0], 0)
        answers = [caller.makefile("rb").read().rpartition(b"\r\n\r\n")[2] for caller in callers]
        self.assertEqual(collections.Counter(answers), {b'["id","ERR_REQUEST_LIMIT",null]': 1, b'["id","ERR_STOPPED",null]': 257})

    def test_a_stop_lets_programs_end_and_a_second_one_kills_them(self):
        go, pid = self.folder / "go", self.folder / "pid"
        os.mkfifo(go)
        service = self.serve("wait", "--exec", self.script(f"echo $$ > {pid}.new; mv {pid}.new {pid}; cat {go}"), "--timeout", "60")
        call = self.start(Process, BIN / "grenache", "call", "wait", "1", *self.grape)
        self.wait_until(pid.exists)
        service.process.send_signal(signal.SIGINT)
        self.wait_until(lambda: run("grenache", "lookup", "wait", *self.grape).returncode == 1)
        go.write_text("7")
        self.assertEqual((call.wait(), call.lines), (0, ["7"]))
        self.assertEqual(service.wait(), 0)

        pid.unlink()
        service = self.serve("wait", "--exec", self.script(f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 1000"), "--timeout", "1000")
        call = self.start(Process, BIN / "grenache", "call", "wait", "1", *self.grape)
        self.wait_until(pid.exists)
        service.process.send_signal(signal.SIGTERM)
        self.wait_until(lambda: run("grenache", "lookup", "wait", *self.grape).returncode == 1)
        self.assertEqual(service.stop()[0], 0)
        self.assertEqual((call.wait(), call.lines), (1, ["grenache: ERR_STOPPED"]))
        self.assertFalse(os.path.exists(f"/proc/{pid.read_text().strip()}"))

    def test_a_program_that_is_not_there_is_told_at_once(self):
        for program in ["no-such-program", "/etc/passwd"]:
            self.grenache("serve", "x", "--exec", program, *self.grape, code=1)
            self.assertIn(f"there is no program '{program}'", self.error)
        self.serve("format", "--exec", self.unreadable())
        self.call("format", "1", code=1)
        self.assertIn("ERR_REQUEST_HANDLER: cannot start: ", self.error)

    def unreadable(self):
        path = self.folder / "not-a-program"
        path.write_bytes(b"\x7fELF nonsense")
        path.chmod(0o755)
        return str(path)


@needs_openssl
class Tls(Peers):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.folder)
        self.ca = ["--ca", self.certificates["ca.pem"]]

    def test_both_sides_verify_each_other(self):
        for transport in ["https", "wss"]:
            with self.subTest(transport=transport):
                at = ["--transport", transport]
                name = "tls-" + transport
                print_who = self.script('echo "$GRENACHE_FINGERPRINT"')
                self.serve(name, "--exec", print_who, *at, *self.certificates.of("server"), *self.ca)
                client = self.certificates.of("client")
                who = self.certificates.fingerprint("client")
                self.assertEqual(self.call(name, "1", "--raw", *at, *client, *self.ca), who + "\n")
                self.assertEqual(self.call(name, "1", "--raw", *at, *client, *self.ca, "--host-name", "server.test"), who + "\n")
                self.assertEqual(self.call(name, "1", "--raw", *at, *client, "--insecure"), who + "\n")
                pin = self.certificates.fingerprint("server").upper()
                with_colons = ":".join(pin[i:i + 2] for i in range(0, 64, 2))
                self.assertEqual(self.call(name, "1", "--raw", *at, *client, "--fingerprint", with_colons), who + "\n")
                for wrong in [[*client, *self.ca, "--host-name", "other.test"], [*client, "--fingerprint", self.certificates.fingerprint("ca")],
                              [*client, "--ca", self.certificates["stranger.pem"]], [*self.ca], [*self.certificates.of("stranger"), *self.ca]]:
                    self.call(name, "1", *at, *wrong, code=1)
                    self.assertIn("ERR_REQUEST_GENERIC", self.error)

    def test_a_grape_behind_https_is_trusted_by_its_authority(self):
        grape = self.start(FakeGrape, certificate=(self.certificates["server.pem"], self.certificates["server.key"]))
        at, trusted = ["--grape", grape.url], ["--grape-ca", self.certificates["ca.pem"]]
        self.assertEqual(self.grenache("announce", "x", "7", *at, *trusted), "1\n")
        self.assertEqual(self.grenache("lookup", "x", *at, *trusted), "127.0.0.1:7\n")
        self.grenache("lookup", "x", *at, code=1)
        self.assertIn("certificate refused", self.error)
        service = self.start(Service, [*at, *trusted], "serve", "echo", "--echo")
        self.assertEqual(self.grenache("call", "echo", "5", *at, *trusted, *self.certificates_for_grape()), "5\n")
        service.stop()
        self.grenache("call", "echo", "5", *at, "--timeout", "1", code=1)
        self.assertIn("ERR_GRAPE_UNREACHABLE: certificate refused", self.error)

    def certificates_for_grape(self):
        return ["--grape-cert", self.certificates["client.pem"], "--grape-key", self.certificates["client.key"]]

    def test_files_that_are_wrong_are_told(self):
        self.grenache("lookup", "x", "--grape", "https://127.0.0.1:1", "--grape-ca", "/nowhere.pem", code=1)
        self.assertIn("cannot read /nowhere.pem", self.error)
        nowhere = str(self.folder / "nowhere")
        self.call("x", "1", "--transport", "https", "--ca", nowhere, code=1)
        self.assertIn("cannot read " + nowhere, self.error)
        self.call("x", "1", "--transport", "https", "--ca", self.certificates["ca.key"], code=1)
        self.assertIn("authorities", self.error)
        self.grenache("serve", "x", "--echo", "--transport", "wss", "--cert", self.certificates["server.pem"], "--key",
                      self.certificates["client.key"], *self.grape, code=1)
        self.assertIn("does not match the key", self.error)
        self.grenache("sub", "x", "--transport", "wss", "--insecure", "--cert", self.certificates["server.pem"], "--key", "/dev/zero",
                      *self.grape, code=1)
        self.assertIn("1 MiB", self.error)

    def test_messages_go_over_wss(self):
        at = ["--transport", "wss"]
        publisher = self.start(Service, self.grape, "pub", "news", *at, *self.certificates.of("server"), *self.ca, "--wait-subscribers",
                               "1", stdin=subprocess.PIPE)
        publisher.publish("secret\n")
        self.assertEqual(self.grenache("sub", "news", *at, *self.certificates.of("client"), *self.ca, "--count", "1", *self.grape), "secret\n")
        self.grenache("sub", "news", *at, *self.ca, "--timeout", "1", *self.grape, code=1)
        self.assertRegex(self.error, "ERR_REQUEST_GENERIC|ERR_TIMEOUT")
        self.assertEqual(publisher.end(), 0)


class PubSub(Peers):
    def publisher(self, *arguments):
        return self.start(Service, self.grape, "pub", "news", *arguments, stdin=subprocess.PIPE)

    def test_a_subscriber_hears_all_publishers(self):
        publishers = [self.publisher("--wait-subscribers", "1") for _ in range(2)]
        subscriber = self.start(Process, BIN / "grenache", "sub", "news", "--json", "--count", "4", *self.grape)
        for i, publisher in enumerate(publishers):
            publisher.publish(f'one {i}\n{{"two": {i}}}\n')
        self.assertEqual(subscriber.wait(), 0)
        heard = [json.loads(line) for line in subscriber.lines]
        for i, publisher in enumerate(publishers):
            self.assertEqual([each["message"] for each in heard if each["from"] == publisher.address], [f"one {i}", f'{{"two": {i}}}'])
            self.assertEqual(publisher.end(), 0)
            self.assertEqual(publisher.lines[-1], "published 2 messages to 1 subscriber")

    def test_everything_on_stdin_arrives_before_the_publisher_ends(self):
        publisher = self.publisher("--wait-subscribers", "2", "--json", "--port", str(self.start(ReservedPort).port))
        subscribers = [self.start(Process, BIN / "grenache", "sub", "news", "--count", "20001", *self.grape) for _ in range(2)]
        lines = [f"line {i}" for i in range(20000)] + ["ünfinished"]
        publisher.publish("\n".join(lines))
        self.assertEqual(publisher.end(), 0)
        for subscriber in subscribers:
            self.assertEqual(subscriber.wait(), 0)
            self.assertEqual(subscriber.lines, lines)
        self.assertEqual(json.loads(publisher.lines[-1])["published"], 20001)

    def test_a_file_can_be_published(self):
        path = self.folder / "lines"
        path.write_text("a\n\nb\n")
        subscriber = self.start(Process, BIN / "grenache", "sub", "news", "--count", "3", "--timeout", str(LIMIT_S), *self.grape)
        with path.open() as file:
            publisher = self.start(Service, self.grape, "pub", "news", "--wait-subscribers", "1", stdin=file)
        self.assertEqual((subscriber.wait(), subscriber.lines), (0, ["a", "", "b"]))
        self.assertEqual(publisher.wait(), 0)

    def test_both_end_cleanly_at_a_signal(self):
        for sig in [signal.SIGINT, signal.SIGTERM]:
            publisher = self.publisher()
            subscriber = self.start(Process, BIN / "grenache", "sub", "news", *self.grape)
            self.publish_until_heard(publisher, subscriber)
            self.assertEqual(subscriber.stop(sig)[0], 0)
            self.assertEqual(publisher.stop(sig)[0], 0)
            self.grenache("lookup", "news", *self.grape, code=1)
        waiting = self.publisher("--wait-subscribers", "1")
        self.assertEqual(waiting.stop(signal.SIGINT)[0], 0)
        before = self.lookups()
        waiting = self.start(Process, BIN / "grenache", "sub", "nobody", *self.grape)
        self.wait_until(lambda: self.lookups() > before)
        self.assertEqual(waiting.stop(signal.SIGINT)[0], 0, waiting.lines)

    def lookups(self):
        """How many lookups the grape has been asked for."""
        return int(re.search(r"^grape_lookups_total (\d+)$", self.one_grape.request("GET", "/metrics")[2], re.MULTILINE)[1])

    def publish_until_heard(self, publisher, subscriber):
        def heard():
            publisher.publish("x\n")
            return not subscriber._arrived.empty()

        self.wait_until(heard)

    def test_a_publisher_that_comes_back_is_heard_again(self):
        port = str(self.start(ReservedPort).port)
        subscriber = self.start(Process, BIN / "grenache", "sub", "news", "--count", "2", "--timeout", str(LIMIT_S), *self.grape)
        for text in ["before", "after"]:
            publisher = self.publisher("--wait-subscribers", "1", "--port", port)
            publisher.publish(text + "\n")
            self.assertEqual(publisher.end(), 0)
        self.assertEqual((subscriber.wait(), subscriber.lines), (0, ["before", "after"]))

    def test_output_that_nobody_reads_does_not_hold_up_the_end(self):
        self.serve("large", "--exec", self.script("head -c 1000000 /dev/zero | tr '\\0' x"))
        publisher = self.publisher("--wait-subscribers", "1")
        # ThreadSanitizer keeps signals back from a thread that is inside write(), where `call` waits for its reader.
        commands = [["sub", "news"]] if THREAD_SANITIZED else [["sub", "news"], ["call", "large", "1"]]
        for command in commands:
            for sig in [signal.SIGINT, signal.SIGTERM]:
                with self.subTest(command=command, signal=sig):
                    read, write = os.pipe()
                    client = subprocess.Popen([BIN / "grenache", *command, *self.grape], stdout=write)
                    self.addCleanup(client.wait)
                    self.addCleanup(client.kill)
                    if command[0] == "sub":
                        self.wait_until(lambda: self.publish_some(publisher) or not select.select([], [write], [], 0)[1])
                    else:
                        self.wait_until(lambda: not select.select([], [write], [], 0)[1])
                    client.send_signal(sig)
                    self.assertEqual(client.wait(timeout=LIMIT_S), 0)
                    os.close(read)
                    os.close(write)

    def publish_some(self, publisher):
        publisher.publish("x" * 4000 + "\n")

    def test_a_subscriber_ends_with_the_reader_of_its_output(self):
        publisher = self.publisher("--wait-subscribers", "1")
        subscriber = subprocess.Popen([BIN / "grenache", "sub", "news", *self.grape], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(subscriber.stderr.close)
        self.addCleanup(subscriber.wait)
        self.addCleanup(subscriber.kill)
        publisher.publish("first\n")
        self.assertEqual(subscriber.stdout.readline(), b"first\n")
        subscriber.stdout.close()
        publisher.publish("second\n")
        self.assertEqual((subscriber.wait(timeout=LIMIT_S), subscriber.stderr.read()), (0, b""))

    def test_nobody_there_is_told_after_the_timeout(self):
        self.grenache("sub", "nobody", "--timeout", "3", *self.grape, code=1)
        self.assertIn("ERR_GRAPE_LOOKUP_EMPTY: nobody serves 'nobody'", self.error)


if __name__ == "__main__":
    unittest.main(verbosity=2)
