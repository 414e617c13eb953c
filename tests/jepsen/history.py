"""What was done and what came of it: one JSON object a line, as Jepsen has it.

    index, time    counted from 0; seconds since the begin
    process        of the workload: one operation at a time
    type           invoke; then ok, fail (it has had no effect) or info (it may have, now or later)
    f, value       the operation, and what it was called with, or what came back
"""

import collections
import json
import threading
import time


class History:
    def __init__(self, path):
        self._file = open(path, "w", encoding="utf-8")
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self.records = []

    def now(self):
        return time.monotonic() - self._begun

    def add(self, process, kind, f, value):
        with self._lock:
            record = {"index": len(self.records), "time": round(self.now(), 4), "process": process, "type": kind, "f": f, "value": value}
            self.records.append(record)
            self._file.write(json.dumps(record) + "\n")

    def invoke(self, process, f, value):
        self.add(process, "invoke", f, value)
        return Operation(self, process, f)

    def close(self):
        self._file.close()


class Operation:
    """An operation under way; it ends once."""

    def __init__(self, history, process, f):
        self._end = lambda kind, value: history.add(process, kind, f, value)

    def ok(self, value=None):
        self._end("ok", value)

    def fail(self, reason):
        self._end("fail", reason)

    def info(self, reason):
        self._end("info", reason)


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def pairs(records):
    """(invoke, end) of each operation of the workload; the end is None if there was none."""
    open_ones, out = {}, []
    for record in records:
        if record["process"] == "nemesis":
            continue
        if record["type"] == "invoke":
            open_ones[record["process"]] = len(out)
            out.append([record, None])
        else:
            out[open_ones.pop(record["process"])][1] = record
    return [tuple(pair) for pair in out]


def counts(records):
    """How often each operation of the workload ended in each way."""
    out = collections.defaultdict(collections.Counter)
    for invoke, end in pairs(records):
        out[invoke["f"]][end["type"] if end else "info"] += 1
    return out
