"""A program in a pseudo-terminal, and what its screen shows."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from support import LIMIT_S

CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b[=>78M]")


class Screen:
    """As much of a terminal as libedit and our console use. Lines that scroll out at the top are kept."""

    def __init__(self, columns):
        self.columns = columns
        self.lines = [[]]
        self.row = self.column = 0
        self._rest = ""

    def feed(self, text):
        text = self._rest + text
        self._rest = ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                match = CONTROL.match(text, at)
                if not match:
                    if len(text) - at < 16:  # the rest of it is still to come
                        self._rest = text[at:]
                        return
                    raise AssertionError(f"unknown sequence {text[at:at + 16]!r}")
                self._control(match)
                at = match.end()
                continue
            self._character(text[at])
            at += 1

    def _line(self):
        while self.row >= len(self.lines):
            self.lines.append([])
        return self.lines[self.row]

    def _character(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.row += 1
            self._line()
        elif c == "\b":
            self.column = max(0, self.column - 1)
        elif c == "\a":
            pass
        else:
            if self.column == self.columns:
                self.row, self.column = self.row + 1, 0
            line = self._line()
            line.extend(" " * (self.column + 1 - len(line)))
            line[self.column] = c
            self.column += 1

    def _control(self, match):
        parameters, kind = match.group(1) or "", match.group(2)
        if kind is None or parameters.startswith("?") or kind in "mhl":
            return
        count = int(parameters.split(";")[0] or (0 if kind in "JK" else 1))
        line = self._line()
        if kind == "A":
            self.row = max(0, self.row - count)
        elif kind == "B":
            self.row += count
            self._line()
        elif kind == "C":
            self.column = min(self.columns, self.column + count)
        elif kind == "D":
            self.column = max(0, self.column - count)
        elif kind == "G":
            self.column = count - 1
        elif kind == "K" and count == 0:
            del line[self.column:]
        elif kind == "J" and count == 0:
            del line[self.column:]
            del self.lines[self.row + 1:]
        elif kind == "P":
            del line[self.column:self.column + count]
        elif kind == "@":
            line[self.column:self.column] = [" "] * count
        else:
            raise AssertionError(f"unknown sequence {match.group(0)!r}")

    def text(self):
        return [("".join(line)).rstrip() for line in self.lines]


class Terminal:
    """Runs a program in a pseudo-terminal."""

    def __init__(self, *command, columns=80, env=None, new_session=True):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.mode = termios.tcgetattr(slave)
        self.slave = slave
        self.screen = Screen(columns)
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=new_session,
                                        process_group=None if new_session else 0,
                                        env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, limit_s=0.0):
        """Takes what the program has written; waits for it, but not longer than this."""
        ready, _, _ = select.select([self.master], [], [], limit_s)
        if ready:
            self.screen.feed(os.read(self.master, 65536).decode("utf-8", "replace"))

    def wait(self, condition):
        """Until the condition holds for the lines of the screen."""
        end = time.monotonic() + LIMIT_S
        while not condition(self.screen.text()):
            assert time.monotonic() < end, self.screen.text()
            self.read(0.1)
        return self.screen.text()

    def wait_line(self, line):
        return self.wait(lambda lines: line in lines)

    def wait_last(self, line):
        return self.wait(lambda lines: lines[-1] == line)

    def current_mode(self):
        return termios.tcgetattr(self.slave)

    def wait_end(self):
        """The exit code, once the program has ended."""
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            assert time.monotonic() < end, self.screen.text()
            self.read(0.02)
        self.read()
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
