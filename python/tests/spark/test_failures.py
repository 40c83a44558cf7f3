"""What may happen to tasks and workers. The bits are those of `hop run` each time, and nothing is left behind."""

import base64
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import hopscotch
from hopscotch._share import Share
from hopscotch.spark import _meeting, _run, _ship, run

from .conftest import experiment, hashes, points
from .harm import At, kill_a_task, kill_a_worker, long_run, workers

PUBLIC = ("cmdline", "environ")


@pytest.mark.parametrize("harm", [kill_a_worker, kill_a_task])
def test_who_is_killed_comes_back_to_the_same_bits(spark, folder, alone, harm):
    at = At(8, harm)
    result = long_run(spark, at)
    assert at.seen is not None, "the run was over before anybody was killed"
    assert hashes(result) == alone
    log = (result.run_directory / "log").read_text()
    assert log.count("has joined") == 3, log


def test_an_interrupt_ends_everything(spark, folder):
    at = At(4, lambda: os.kill(os.getpid(), signal.SIGINT) or True)
    with pytest.raises(hopscotch.Interrupted) as error:
        long_run(spark, at)
    assert (error.value.run_directory / "journal").is_file()


def test_the_key_stands_in_files_of_its_owner_alone(spark, folder):
    found = []

    def look():
        from pyspark import SparkFiles

        shipped = Path(SparkFiles.get(_ship._shipped[spark.sparkContext].key))  # in local[N] the tasks' own
        found.extend(str(each) for each in [shipped] if each.stat().st_mode & 0o077)
        key = shipped.read_bytes()
        spellings = [key, key.hex().encode(), base64.b64encode(key).rstrip(b"=")]
        places = [Path("/proc", pid, name) for pid in os.listdir("/proc") if pid.isdigit() for name in PUBLIC]
        for place in places:
            try:
                text = place.read_bytes()
            except OSError:  # it has ended, or is another user's
                continue
            found.extend(str(place) for each in spellings if each in text)
        text = repr(spark.sparkContext.getConf().getAll()).encode()
        found.extend("the configuration" for each in spellings if each in text)
        for pid in workers():
            words = Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")
            copy = Path(os.fsdecode(words[words.index(b"--key-file") + 1]))
            assert copy.read_bytes() == key
            found.extend(str(each) for each in (copy, copy.parent) if each.stat().st_mode & 0o077)
        return True

    at = At(4, look)
    long_run(spark, at)
    assert at.seen and not found


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
    with pytest.raises(hopscotch.RunFailed, match=r"expected 4 tasks at once, a worker each, got [0-3] in 6 s"):
        run(spark, points(spark, 100), experiment(), features="x", workers=4, progress=False, start_timeout=6)
