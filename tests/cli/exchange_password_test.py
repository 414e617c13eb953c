"""Passwords at a terminal and from a pipe, and the key file that they open, through exchange_faces."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import termios
import unittest

from screen import Terminal
from support import LIMIT_S, TestCase

FACES = os.environ["EXCHANGE_FACES"]
PASSWORD = "tr0ub4dor & ä"


class WithFolder(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def piped(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        return subprocess.run([FACES, "password", self.folder], input=data, capture_output=True, timeout=LIMIT_S)

    def make_identity(self):
        made = self.piped(f"{PASSWORD}\n{PASSWORD}\n")
        self.assertEqual((made.returncode, made.stderr), (0, b""))
        return made.stdout.decode().strip()


class AtATerminal(WithFolder):
    def start_terminal(self, **options):
        return self.start(Terminal, FACES, "password", self.folder, columns=200, **options)

    def assert_not_shown(self, terminal):
        self.assertNotIn(PASSWORD[:4], "\n".join(terminal.screen.text()))

    def assert_restored(self, terminal):
        self.assertEqual(terminal.current_mode(), terminal.mode)

    def test_a_new_password_is_asked_twice_and_never_shown(self):
        terminal = self.start_terminal()
        terminal.wait_last("Password:")
        self.assertFalse(terminal.current_mode()[3] & termios.ECHO)
        terminal.type(PASSWORD + "\n")
        terminal.wait_last("Repeat it:")
        terminal.type(PASSWORD + "\n")
        self.assertEqual(terminal.wait_end(), 0)
        lines = terminal.wait(lambda lines: any(line.startswith("id ") for line in lines))
        self.assertEqual(lines[:2], ["Password:", "Repeat it:"])
        self.assert_not_shown(terminal)
        self.assert_restored(terminal)
        self.assertEqual(json.loads(pathlib.Path(self.folder, "identity").read_text())["kdf"], "scrypt")

    def test_the_same_password_opens_the_key_and_another_does_not(self):
        identity = self.make_identity()
        for password, line, code in [(PASSWORD, identity, 0), (PASSWORD[:-1], "exchange_faces: the password is wrong", 1)]:
            terminal = self.start_terminal()
            terminal.wait_last("Password:")
            terminal.type(password + "\n")
            self.assertEqual(terminal.wait_end(), code)
            terminal.wait_line(line)
            self.assert_not_shown(terminal)
            self.assert_restored(terminal)

    def test_backspace_edits_it(self):
        identity = self.make_identity()
        terminal = self.start_terminal()
        terminal.wait_last("Password:")
        terminal.type(PASSWORD + "xy\x7f\x7f\n")
        self.assertEqual(terminal.wait_end(), 0)
        terminal.wait_line(identity)

    def test_a_signal_restores_the_terminal_and_ends_the_program(self):
        for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]:
            with self.subTest(number=number):
                terminal = self.start_terminal()
                terminal.wait_last("Password:")
                terminal.type("half")
                terminal.process.send_signal(number)
                self.assertEqual(terminal.wait_end(), -number)
                self.assert_restored(terminal)
                self.assertFalse(os.path.exists(self.folder + "/identity"))

    def test_an_ignored_signal_stays_ignored(self):
        identity = self.make_identity()
        terminal = self.start(Terminal, "/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh", FACES, "password", self.folder, columns=200)
        terminal.wait_last("Password:")
        terminal.process.send_signal(signal.SIGHUP)
        terminal.type(PASSWORD + "\n")
        self.assertEqual(terminal.wait_end(), 0)
        terminal.wait_line(identity)

    def test_a_stopped_program_gives_the_terminal_back_and_asks_again(self):
        identity = self.make_identity()
        terminal = self.start_terminal(new_session=False)
        terminal.wait_last("Password:")
        terminal.type("half")
        terminal.process.send_signal(signal.SIGTSTP)
        self.wait_until(lambda: os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
        self.assert_restored(terminal)
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait(lambda lines: lines.count("Password:") == 2)
        self.assertFalse(terminal.current_mode()[3] & termios.ECHO)
        terminal.type(PASSWORD + "\n")
        self.assertEqual(terminal.wait_end(), 0)
        terminal.wait_line(identity)
        self.assert_restored(terminal)

    def test_the_end_of_the_input_and_a_line_that_is_too_long_are_errors(self):
        for typed, error in [("\x04", "no password was given"), ("x" * 1025 + "\n", "the password is longer than 1024 bytes")]:
            with self.subTest(error=error):
                terminal = self.start_terminal()
                terminal.wait_last("Password:")
                terminal.type(typed)
                self.assertEqual(terminal.wait_end(), 1)
                terminal.wait(lambda lines: any(error in line for line in lines))
                self.assert_restored(terminal)

    def test_the_prompt_is_on_stdout_if_stderr_is_a_file(self):
        identity = self.make_identity()
        terminal = self.start(Terminal, "/bin/sh", "-c", 'exec "$@" 2>/dev/null', "sh", FACES, "password", self.folder, columns=200)
        terminal.wait_last("Password:")
        terminal.type(PASSWORD + "\n")
        self.assertEqual(terminal.wait_end(), 0)
        terminal.wait_line(identity)


class FromAPipe(WithFolder):
    def assert_refused(self, result, error):
        self.assertEqual((result.returncode, result.stdout, result.stderr.decode()), (1, b"", f"exchange_faces: {error}\n"))

    def test_nothing_is_printed_and_no_more_than_the_line_is_read(self):
        identity = self.make_identity()
        for text in [PASSWORD + "\n", PASSWORD, PASSWORD + "\nmore\n"]:
            opened = self.piped(text)
            self.assertEqual((opened.returncode, opened.stdout.decode().strip(), opened.stderr), (0, identity, b""))
        with subprocess.Popen(["/bin/sh", "-c", '"$0" password "$1" > /dev/null; cat', FACES, self.folder], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as shell:
            self.assertEqual(shell.communicate(f"{PASSWORD}\nmore\n".encode(), timeout=LIMIT_S)[0], b"more\n")

    def test_what_is_no_password_is_an_error(self):
        self.make_identity()
        for text, error in [("", "no password was given"), ("\n", "the password is empty"), ("wrong\n", "the password is wrong"),
                            (PASSWORD + "\r\n", "the password is wrong"), (PASSWORD + "\0x\n", "the password is wrong"),
                            ("x" * 1024 + "\n", "the password is wrong"), ("x" * 1025 + "\n", "the password is longer than 1024 bytes"),
                            (b"\xff\xfe\n", "the password is wrong")]:
            with self.subTest(text=text[:10], error=error):
                self.assert_refused(self.piped(text), error)

    def test_a_closed_input_is_an_error(self):
        result = subprocess.run(["/bin/sh", "-c", 'exec "$0" password "$1" <&-', FACES, self.folder], capture_output=True,
                                timeout=LIMIT_S)
        self.assert_refused(result, "Bad file descriptor")


if __name__ == "__main__":
    unittest.main()
