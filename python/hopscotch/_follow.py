"""A run as a child process: its events are followed, Ctrl-C is passed on, its end becomes a result or an exception."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Callable, Dict, List, Optional, Sequence

from ._program import error_of, program
from ._progress import make
from .errors import HopError, Interrupted, RunFailed

OnEvent = Callable[[Dict[str, Any]], None]


class _Interrupts:
    """While it lives, Ctrl-C goes to the run: once it stops after the units in flight, twice it stops now, a third time
    it is killed. In a thread other than the main one nothing is caught, because Python tells no other thread."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child
        self._count = 0
        self._before: Any = None

    def __enter__(self) -> "_Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._pass_on)
        return self

    def __exit__(self, *_: Any) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _pass_on(self, _signal: int, _frame: Optional[FrameType]) -> None:
        self._count += 1
        if self._count <= 2:
            self._child.send_signal(signal.SIGINT)
        else:
            self._child.kill()


def follow(
    words: Sequence[str],
    progress: bool,
    on_event: Optional[OnEvent],
    on_start: Optional[Callable[["subprocess.Popen[bytes]"], None]] = None,
) -> Path:
    """Runs ``hop`` with these words to its end and returns the run directory. ``on_start`` hears of the process, which
    another thread may send a signal. Raises what went wrong."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as stderr, os.fdopen(reading, "rb") as events:
        try:
            # In a session of its own: the terminal's Ctrl-C reaches it through us alone. If we die, the pipe closes,
            # and the run stops by itself.
            child = subprocess.Popen(
                [program(), *words, "--json", "--events", str(writing)],
                pass_fds=(writing,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise RunFailed(f"cannot start {program()}: {error.strerror}") from error
        finally:
            os.close(writing)
        if on_start is not None:
            on_start(child)
        with _Interrupts(child):
            heard = _hear(child, events, progress, on_event)
            code = child.wait()
        stderr.seek(0)
        return _conclude(code, heard, stderr.read().decode("utf-8", "replace"))


def _hear(
    child: "subprocess.Popen[bytes]", events: Any, progress: bool, on_event: Optional[OnEvent]
) -> List[Dict[str, Any]]:
    """Follows the events to their end; returns the first and the last one, where there are some."""
    heard: List[Dict[str, Any]] = []
    bar = make(progress)
    try:
        for line in events:
            if not line.endswith(b"\n"):
                break  # the program was killed in the middle of it
            event = json.loads(line)
            if event["event"] in ("started", "done", "failed"):
                heard.append(event)
            bar.hear(event)
            if on_event is not None:
                on_event(event)
    except BaseException:  # of the caller's function: the run stops as after Ctrl-C
        child.send_signal(signal.SIGINT)
        events.close()
        child.wait()
        raise
    finally:
        bar.close()
    return heard


def _conclude(code: int, heard: List[Dict[str, Any]], stderr: str) -> Path:
    directory = Path(heard[-1]["run_directory"]) if heard else None
    # A Ctrl-C that comes after the last event ends a program whose work is done.
    is_done = bool(heard) and heard[-1].get("exit_code") == 0
    if directory is not None and (code == 0 or is_done):
        return directory
    if code == -signal.SIGINT and not any(event["event"] != "started" for event in heard):
        raise Interrupted("the run was interrupted before it began to train", directory)
    if code == 4:
        raise Interrupted(
            f"the run was interrupted; to go on: hopscotch.resume({str(directory)!r})", directory, resumable=True
        )
    if heard and heard[-1].get("outcome") == "interrupted":
        raise Interrupted("the run was interrupted; durable = false keeps no state, so it cannot go on", directory)
    error: HopError = error_of(code, stderr)
    if isinstance(error, RunFailed):
        error.run_directory = directory
        error.resumable = bool(heard[-1].get("resumable", code < 0)) if heard else False
    raise error
