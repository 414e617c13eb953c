"""Commands to a running `exchange`, over its control socket."""

import json
import os
import socket


class Control:
    """One connection at a time, which is made again after a failure. For one thread."""

    def __init__(self, folder):
        self._path = os.path.join(folder, "control.sock")
        self._socket, self._stream = None, None

    def call(self, command, timeout, **arguments):
        """("ok", result), ("fail", reason) if it has had no effect, or ("info", reason)."""
        try:
            if not self._socket:
                self._connect(timeout)
        except OSError as problem:
            self.close()
            return "fail", f"down: {problem}"
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(json.dumps({"command": command, "arguments": arguments}).encode() + b"\n")
            line = self._stream.readline()
            answer = json.loads(line)
        except (OSError, ValueError) as problem:
            self.close()
            return "info", f"no answer: {problem}"
        if "error" not in answer:
            return "ok", answer["result"]
        error = answer["error"]
        return ("info" if error["code"] == "stopped" else "fail"), f"{error['code']}: {error['text']}"

    def _connect(self, timeout):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect(self._path)
        self._stream = self._socket.makefile("rb")

    def close(self):
        if self._stream:
            self._stream.close()
        if self._socket:
            self._socket.close()
        self._socket, self._stream = None, None
