"""What may happen to the processes of a run on Spark, and the runs to which it happens."""

import os
import signal

from hopscotch.spark import run

from .conftest import PATIENCE, experiment, points, processes

# So many epochs that a run is not over before somebody is killed.
LONG = experiment(search={"epochs": 100})


def long_run(spark, on_event=None):
    return run(
        spark,
        points(spark, 300),
        LONG,
        features="x",
        workers=2,
        progress=False,
        on_event=on_event,
        start_timeout=PATIENCE,
    )


def workers():
    """The living `hop worker` processes of tasks, and their tasks."""
    return processes("/slot-")


class At:
    """Does something once, when so many epochs are told."""

    def __init__(self, epochs, act):
        self._epochs, self._act, self.seen = epochs, act, None

    def __call__(self, event):
        if event["event"] == "epoch" and self.seen is None:
            self._epochs -= 1
            if self._epochs == 0:
                self.seen = self._act()


def kill_a_worker():
    pid = sorted(workers())[0]
    os.kill(pid, signal.SIGKILL)
    return pid


def kill_a_task():
    pid, parent = sorted(workers().items())[0]
    os.kill(parent, signal.SIGKILL)
    return pid


def kill_an_executor():
    """The JVM above a task."""
    pid = sorted(workers().values())[0]
    while "CoarseGrainedExecutorBackend" not in _command_of(pid):
        pid = _parent_of(pid)
    os.kill(pid, signal.SIGKILL)
    return pid


def _command_of(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().decode(errors="replace")


def _parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])
