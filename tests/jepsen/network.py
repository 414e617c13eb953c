"""Hosts of their own, as network namespaces, which can be cut off from each other.

enter() moves this program into a new namespace that has two bridges. Each host is a namespace with an interface at one
of them; hosts at different bridges do not reach each other, and what they send is lost. The program itself is at the
first bridge. Nothing is left when the program has ended, however it ends.
"""

import ctypes
import itertools
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading

from exchange_processes import Loopback

CLONE_NEWNET = 0x40000000
INSIDE = "JEPSEN_NAMESPACE"


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def can_enter():
    """Whether this user may make namespaces, with bridges and interfaces in them."""
    if not all(map(shutil.which, ["ip", "unshare", "nsenter"])):
        return False
    probe = "ip link add probe0 type bridge && ip link add probe1 type veth peer name probe2"
    return subprocess.run([*unshare(), "sh", "-c", probe], capture_output=True).returncode == 0


def unshare():
    return ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]


def enter():
    """Runs this program again in a namespace; returns in that one."""
    if INSIDE not in os.environ:
        words = [*unshare(), sys.executable, *sys.argv]
        os.execvpe(words[0], words, {**os.environ, INSIDE: "1"})
    ip("link", "set", "lo", "up")
    for bridge in ("bridge0", "bridge1"):
        ip("link", "add", bridge, "type", "bridge")
        ip("link", "set", bridge, "up")
    ip("addr", "add", "10.0.0.1/8", "dev", "bridge0")


class Port:
    """A port that nobody else uses."""

    def __init__(self, port):
        self.port = port

    def close(self):
        pass


class Host(Loopback):
    """A network namespace with an address in a /16 of its own. close() ends it; what runs in it is to be ended before."""

    _numbers = itertools.count(1)

    def __init__(self):
        self.number = next(self._numbers)
        self.address = f"10.{self.number}.0.1"
        self.link = f"host{self.number}"
        self._ports = itertools.count(3001)
        # It keeps the namespace, until this program ends.
        self._keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._keeper.stdout.readline()
        self.namespace = f"/proc/{self._keeper.pid}/ns/net"
        self.prefix = ("nsenter", f"--net={self.namespace}")
        ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", str(self._keeper.pid))
        ip("link", "set", self.link, "master", "bridge0", "up")
        for words in [("link", "set", "lo", "up"), ("addr", "add", f"{self.address}/8", "dev", "eth0"), ("link", "set", "eth0", "up")]:
            subprocess.run([*self.prefix, "ip", *words], check=True)

    def reserve(self):
        return Port(next(self._ports))

    def connect(self, port):
        """From this host itself, so that it also works while the host is cut off."""
        home = pathlib.Path(f"/proc/self/task/{threading.get_native_id()}/ns/net")
        with open(home, "rb") as back, open(self.namespace, "rb") as there:
            set_namespace(there)
            try:
                return super().connect(port)
            finally:
                set_namespace(back)

    def cut_off(self):
        """Puts the host to those that do not reach the program and the hosts that are not cut off."""
        ip("link", "set", self.link, "master", "bridge1")

    def rejoin(self):
        ip("link", "set", self.link, "master", "bridge0")

    def close(self):
        self._keeper.stdin.close()
        self._keeper.wait()
        self._keeper.stdout.close()


def set_namespace(file):
    """Of this thread alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
