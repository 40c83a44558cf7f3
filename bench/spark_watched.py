"""What a Spark application uses, seen from outside: processor time and memory of all its processes, bytes of its
shuffles. For bench/spark_rivals.py."""

import json
import os
import secrets
import time
from pathlib import Path

_MARK = "HOP_RIVALS"  # in the environment of every process: tasks hand on what begins with HOP_
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_EVERY = 0.5  # seconds between two looks


class Watched:
    """Looks at the processes of an application twice a second. A process that lives for less is not seen."""

    def __init__(self, environment):
        self.environment = {**environment, _MARK: secrets.token_hex(8)}
        self._mark = f"{_MARK}={self.environment[_MARK]}".encode()
        self._is_own = {}  # by pid and time of start
        self._seconds = {}
        self._driver = self._all = 0

    def __enter__(self):
        self._start, self._busy = time.monotonic(), _busy_seconds()
        return self

    def __exit__(self, *_):
        self._wall, self._busy = time.monotonic() - self._start, _busy_seconds() - self._busy

    def follow(self, child):
        """Until the child ends."""
        while child.poll() is None:
            self._look(child.pid)
            time.sleep(_EVERY)

    def facts(self):
        """processor_seconds; driver_bytes and all_bytes, the peaks of resident memory (pages that processes share count
        for each); others, the share of the machine's processor time that went to other processes."""
        own = sum(self._seconds.values())
        others = max(0.0, self._busy - own) / (self._wall * (os.cpu_count() or 1))
        return {
            "processor_seconds": own,
            "driver_bytes": self._driver,
            "all_bytes": self._all,
            "others": others,
            "application_seconds": self._wall,
        }

    def _look(self, driver):
        sizes, drivers = 0, 0
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
                key = (name, fields[19])
                if key not in self._is_own or not self._is_own[key]:  # a child is a copy of its parent at first
                    self._is_own[key] = self._mark in Path("/proc", name, "environ").read_bytes().split(b"\0")
                if not self._is_own[key]:
                    continue
                self._seconds[key] = (int(fields[11]) + int(fields[12])) / _TICK
                size = int(fields[21]) * _PAGE
                is_driver = int(name) == driver or b"deploy.SparkSubmit" in Path("/proc", name, "cmdline").read_bytes()
            except OSError:  # it has ended, or is another user's
                continue
            sizes += size
            drivers += size if is_driver else 0
        self._all, self._driver = max(self._all, sizes), max(self._driver, drivers)


def _busy_seconds():
    """Of all processors since the machine's start."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / _TICK


def shuffled(folder):
    """The bytes that the tasks of an application wrote for shuffles, as its event log says."""
    total = 0
    for path in Path(folder).rglob("*"):
        if not path.is_file():
            continue
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith('{"Event":"SparkListenerTaskEnd"'):
                    metrics = json.loads(line).get("Task Metrics") or {}
                    total += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
    return total
