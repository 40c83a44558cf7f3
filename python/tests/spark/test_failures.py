"""What may happen to tasks and workers. The bits are those of a calm run each time, and nothing is left behind."""

import os
import signal
import time

import numpy as np
import pytest

import hopscotch
from hopscotch._share import Share
from hopscotch.spark import _meeting, _run, run

from .conftest import experiment, hashes, points, processes

LONG = experiment(search={"epochs": 400})


def workers():
    """The living `hop worker` processes of tasks, and their tasks."""
    return {pid: parent for pid, parent in processes(" --node ").items() if parent != os.getpid()}


@pytest.fixture(scope="module")
def calm(spark, tmp_path_factory):
    directory = tmp_path_factory.mktemp("calm") / "run"
    return hashes(run(spark, points(spark, 300), LONG, features="x", workers=2, run_dir=str(directory), progress=False))


@pytest.fixture(autouse=True)
def nobody_is_left(spark):
    yield
    deadline = time.monotonic() + 10
    while workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not workers()
    assert not spark.sparkContext.statusTracker().getActiveJobsIds()


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


@pytest.mark.parametrize("harm", [kill_a_worker, kill_a_task])
def test_who_is_killed_comes_back_to_the_same_bits(spark, folder, calm, harm):
    at = At(8, harm)
    result = run(spark, points(spark, 300), LONG, features="x", workers=2, progress=False, on_event=at)
    assert at.seen is not None, "the run was over before anybody was killed"
    assert hashes(result) == calm
    log = (result.run_directory / "log").read_text()
    assert log.count("has joined") == 3, log


def test_an_interrupt_ends_everything(spark, folder):
    at = At(4, lambda: os.kill(os.getpid(), signal.SIGINT) or True)
    with pytest.raises(hopscotch.Interrupted) as error:
        run(spark, points(spark, 300), LONG, features="x", workers=2, progress=False, on_event=at)
    assert (error.value.run_directory / "journal").is_file()


class Silent:
    """A task that is told something."""

    def send(self, message):
        pass


def test_rows_that_change_when_they_are_built_again_are_an_error(folder):
    schema = {"shape": [1], "classes": 2, "partitions": 1}

    def parts(value):
        share = Share(folder / "data", schema)
        share.append(0, np.full((3, 1), value, np.float32), np.array([0, 1, 0]))
        return share.measure()

    meeting = _meeting.Meeting(schema, 1)
    for value in (1, 1):  # the task was started again, and had the same rows
        meeting._hear(0, Silent(), {"measured": parts(value)})
        assert meeting.error is None
    meeting._hear(0, Silent(), {"measured": parts(2)})
    assert isinstance(meeting.error, hopscotch.DataError)
    assert "partition 0 with one content" in str(meeting.error)


def test_too_few_slots_are_said(spark, folder):
    if not spark.sparkContext.master.startswith("local["):
        pytest.skip("of a cluster only the wait tells how many slots there are")
    with pytest.raises(hopscotch.ConfigError, match="expected a task slot for each of 3 workers"):
        run(spark, points(spark, 100), experiment(), features="x", workers=3, progress=False)


def test_a_missing_worker_ends_the_wait(spark, folder, monkeypatch):
    monkeypatch.setattr(_run._Run, "_check_slots", lambda self: None)
    with pytest.raises(hopscotch.RunFailed, match=r"expected 3 tasks at once, a worker each, got [0-2] in 6 s"):
        run(spark, points(spark, 100), experiment(), features="x", workers=3, progress=False, start_timeout=6)


def test_spark_connect_is_refused_with_the_reason():
    Connect = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session"})
    with pytest.raises(hopscotch.ConfigError, match="got Spark Connect"):
        _run.classic(Connect())
