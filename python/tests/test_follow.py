"""Runs while they go on: events, progress, Ctrl-C."""

import io
import os
import signal

import numpy as np
import pytest

import hopscotch
from conftest import experiment, points
from hopscotch._progress import Lines


def hashes(result):
    return [model["state_sha256"] for model in result.results["models"]]


def test_events_tell_the_run_from_beginning_to_end(folder):
    heard = []
    result = hopscotch.run(experiment(), data=points(200), progress=False, on_event=heard.append)
    assert heard[0]["event"] == "started" and heard[-1]["event"] == "done"
    epochs = [event for event in heard if event["event"] == "epoch"]
    assert sorted((e["model"], e["epoch"]) for e in epochs) == [(m, e) for m in range(2) for e in range(1, 7)]
    for event in epochs:
        curves = result.results["models"][event["model"]]["curves"]
        assert event["valid_loss"] == curves["valid_loss"][event["epoch"] - 1]


def test_ctrl_c_stops_the_run_once_and_resume_goes_on(folder):
    long = experiment(search={"epochs": 120})
    calm = hopscotch.run(long, data=points(400), progress=False)
    stopped = []

    def interrupt(event):
        if event["event"] == "epoch" and not stopped:
            stopped.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(hopscotch.Interrupted, match="hopscotch.resume") as error:
        hopscotch.run(experiment(search={"epochs": 120}), data=points(400), progress=False, on_event=interrupt)
    assert signal.getsignal(signal.SIGINT) is before
    assert error.value.resumable
    assert error.value.result is not None
    heard = []
    result = hopscotch.resume(error.value.run_directory, progress=False, on_event=heard.append)
    assert hashes(result) == hashes(calm)
    assert sum(event["event"] == "epoch" for event in heard) == 240, "those of the first life, too"


def test_an_exception_of_the_caller_stops_the_run(folder):
    def fail(event):
        if event["event"] == "epoch":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hopscotch.run(
            experiment(search={"epochs": 500}), data=points(400), run_dir="r", progress=False, on_event=fail
        )
    result = hopscotch.load("r")
    assert {model["status"] for model in result.results["models"]} == {"interrupted"}


def test_a_run_goes_on_for_more_epochs(folder):
    first = hopscotch.run(experiment(), data=points(200), progress=False)
    more = hopscotch.resume(first.run_directory, epochs=8, progress=False)
    assert more.results["epochs"] == 8
    whole = hopscotch.run(experiment(search={"epochs": 8}), data=points(200), progress=False)
    assert hashes(more) == hashes(whole)


PROGRESS = {"event": "progress", "seconds_left": 4.2, "best": 1, "stopping": False, "units_total": 12}
EPOCH = {"event": "epoch", "model": 1, "metrics": {"auc": 0.75}, "valid_accuracy": 0.5}


def told(objective, events):
    stream = io.StringIO()
    lines = Lines(stream, every=0)
    lines.hear({"event": "started", "objective": objective})
    for event in events:
        lines.hear(event)
    lines.close()
    return stream.getvalue()


def test_a_plain_line_says_how_the_run_stands():
    text = told("valid_accuracy", [EPOCH, {**PROGRESS, "units_done": 3}])
    assert text == "units 3/12  left 4 s  best: model 1, valid_accuracy 0.5\n"
    assert "auc 0.75" in told("auc", [EPOCH, {**PROGRESS, "units_done": 3}])


def test_a_plain_line_tells_notices_and_the_stop():
    stopping = {**PROGRESS, "units_done": 3, "stopping": True, "best": None}
    text = told("auc", [{"event": "notice", "text": "a guess"}, stopping])
    assert text == "a guess\nunits 3/12  left 4 s  stopping after the units in flight\n"


def test_a_bar_of_tqdm_counts_units(folder, capsys):
    pytest.importorskip("tqdm")
    hopscotch.run(experiment(), data=points(200), progress=True)
    assert "24/24" in capsys.readouterr().err


def test_points_are_what_the_tests_think():
    x, y = points(4)
    assert x.shape == (4, 2) and np.array_equal(y, [0, 1, 0, 1])
