"""What runs inside an executor: a task writes the rows of its partitions to the local disk, then holds a worker of the
run until the run is over."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np

from .._program import error_text, program
from .._share import Parts, Share
from ..errors import DataError, HopError
from ._cluster import close_to_others
from ._meet import Broken, Line, dial
from ._ship import Shipped

_STARTS = 3  # of a worker that ends by itself, in a row
_PAUSE = 1.0  # seconds between them
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "CUDA_VISIBLE_DEVICES", "OMP_WAIT_POLICY")


@dataclass(frozen=True)
class Ticket:
    """What a task must know. It travels with the job, so it has no secret."""

    run: str
    host: str  # of the driver
    port: int
    shipped: Shipped
    schema: Dict[str, Any]
    features: str  # the name of the column, for errors
    wait: float  # seconds that a worker waits for the run
    ports: str  # at which workers may listen; "" for any
    scratch: str  # the driver's folder, if tasks run on its machine; "" otherwise


def work(ticket: Ticket, batches: Iterator[Any]) -> Iterator[Any]:
    """The whole life of a task. Yields one batch, with the number of its place."""
    import pyarrow as pa
    from pyspark import TaskContext

    context = TaskContext.get()
    slot = context.partitionId()
    ticket.shipped.name_binaries()
    key = close_to_others(ticket.shipped.key).read_bytes()
    line = dial(ticket.host, ticket.port, key)  # before a folder is made: the run may be over
    try:
        home = _home(ticket) / ticket.run / f"slot-{slot}"
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(home / "lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # an earlier task of this place may be dying
            try:
                line.send({"slot": slot, "attempt": context.attemptNumber(), "host": socket.gethostname()})
                _Task(ticket, slot, home, key, line, _devices(context)).run(batches)
            except HopError as error:
                # It would fail again, so the driver is told, and Spark does not try.
                line.send({"failed": {"kind": type(error).__name__, "text": str(error)}})
    finally:
        line.close()
    shutil.rmtree(home, ignore_errors=True)
    yield pa.RecordBatch.from_arrays([pa.array([slot], pa.int32())], ["slot"])


def _home(ticket: Ticket) -> Path:
    """A folder that later executors of this node find again. SPARK_LOCAL_DIRS is not one: in a Python task it is the
    block manager's, and goes with the executor."""
    if ticket.scratch:
        return Path(ticket.scratch) / "hopscotch"
    places: List[str] = []
    for name in ("SPARK_EXECUTOR_DIRS", "LOCAL_DIRS"):
        places += [each for each in os.environ.get(name, "").split(",") if each]
    for place in places:
        if os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK):
            return Path(place) / "hopscotch"
    return Path.cwd() / "hopscotch"


def _devices(context: Any) -> Optional[str]:
    """The GPUs that Spark gave this task, as CUDA_VISIBLE_DEVICES."""
    resource = context.resources().get("gpu")
    if resource is None:
        return None
    visible = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
    return ",".join(visible[int(i)] if i.isdigit() and int(i) < len(visible) else i for i in resource.addresses)


class _Task:
    def __init__(self, ticket: Ticket, slot: int, home: Path, key: bytes, line: Line, devices: Optional[str]) -> None:
        self._ticket, self._slot, self._home, self._line, self._devices = ticket, slot, home, line, devices
        self._data = home / "data"
        self._share: Optional[Share] = None
        self._child: Optional["subprocess.Popen[bytes]"] = None
        self._starts = 0
        self._news: "queue.Queue[Tuple[str, Any]]" = queue.Queue()
        self._key_file = home / "key"
        with open(os.open(self._key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(key)  # the copy that Spark ships may be read by others

    def run(self, batches: Iterator[Any]) -> None:
        try:
            self._offer(batches)
            threading.Thread(target=self._listen, daemon=True).start()
            while self._react(*self._news.get()):
                pass
        finally:
            self._stop()

    # ---- rows

    def _offer(self, batches: Iterator[Any]) -> None:
        """Tells the driver which rows this task has. An earlier task of this place may have written them."""
        written = self._home / "written.json"
        if written.is_file():
            for _ in batches:  # Spark's side ends in order
                pass
            self._line.send({"written": json.loads(written.read_text())})
            return
        shutil.rmtree(self._data, ignore_errors=True)
        self._share = Share(self._data, self._ticket.schema)
        for batch in batches:
            _append(self._share, batch, self._ticket)
        self._parts = self._share.measure()
        self._line.send({"measured": self._parts})

    def _write(self, digest: str) -> None:
        if self._share is None:
            return
        parts: Parts = self._share.write(self._parts, digest)
        self._share.close()
        self._share = None
        _write_whole(self._home / "written.json", json.dumps(parts))
        self._line.send({"written": parts})

    # ---- the worker

    def _react(self, kind: str, what: Any) -> bool:
        """False when the work is done."""
        if kind == "broken":
            raise RuntimeError(f"the driver of the run is gone: {what}")
        if kind == "ended":
            return self._ended(what)
        if "write" in what:
            self._write(what["write"])
        elif "serve" in what:
            self._serve(**what["serve"])
        return "over" not in what

    def _serve(self, address: str, manifest: str) -> None:
        _write_whole(self._data / "manifest.json", manifest)
        _write_whole(self._data / "worker", f"{self._slot}\n")
        self._words = [program(), "worker", "--connect", address, "--key-file", str(self._key_file)]
        self._words += ["--data", str(self._data), "--node", str(self._home / "node"), "--wait", str(self._ticket.wait)]
        self._words.append("--end-with-stdin")
        self._words += ["--ports", self._ticket.ports] if self._ticket.ports else []
        self._start()

    def _start(self) -> None:
        """From the task's main thread: the child dies with the thread that started it."""
        environment = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
        environment.update({name: value for name, value in os.environ.items() if name.startswith("HOP_")})
        if self._devices is not None:
            environment["CUDA_VISIBLE_DEVICES"] = self._devices
        with open(self._home / "worker.log", "wb") as log:
            self._child = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,  # its end tells the worker, too, that this task is gone
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=environment,
                start_new_session=True,  # Spark's daemon sends signals to its group
                preexec_fn=_die_with_parent(),
            )
        self._starts += 1
        threading.Thread(target=self._wait, args=(self._child,), daemon=True).start()

    def _ended(self, code: int) -> bool:
        if code == 0:
            self._line.send({"done": self._slot})
            return False
        said = error_text((self._home / "worker.log").read_text(errors="replace"))
        if self._starts >= _STARTS:
            raise RuntimeError(f"hop worker of place {self._slot} ended with code {code}: {said}")
        time.sleep(_PAUSE)
        self._start()
        return True

    def _wait(self, child: "subprocess.Popen[bytes]") -> None:
        self._news.put(("ended", child.wait()))

    def _listen(self) -> None:
        try:
            while True:
                self._news.put(("heard", self._line.receive()))
        except Broken as error:
            self._news.put(("broken", str(error)))

    def _stop(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self._key_file.unlink(missing_ok=True)


def _die_with_parent() -> Callable[[], None]:
    """For the child, before it becomes the worker: SIGKILL when its parent dies (prctl(2), PR_SET_PDEATHSIG)."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return prepare


# ---- Arrow to arrays, without pandas


def _append(share: Share, batch: Any, ticket: Ticket) -> None:
    """Hands a batch over, partition by partition: its rows are sorted by them."""
    if batch.num_rows == 0:
        return
    schema = ticket.schema
    columns = dict(zip(batch.schema.names, batch.columns))
    parts = _numbers(columns["q"], np.int32)
    x = _rows_of(columns["x"], schema, ticket.features)
    y = _numbers(columns["y"], np.float32 if "numbers" in schema else np.int64)
    w = _numbers(columns["w"], np.float32) if "w" in columns else None
    ends = np.append(np.flatnonzero(np.diff(parts)) + 1, len(parts))
    first = 0
    for end in ends.tolist():
        share.append(int(parts[first]), x[first:end], y[first:end], None if w is None else w[first:end])
        first = end


def _numbers(column: Any, dtype: Any) -> np.ndarray:
    if column.null_count:
        raise RuntimeError("expected no nulls after the checks of the driver: the rows of the DataFrame have changed")
    values = np.frombuffer(column.buffers()[1], dtype, count=len(column) + column.offset)
    return values[column.offset :]


def _rows_of(column: Any, schema: Dict[str, Any], name: str) -> np.ndarray:
    """(rows, elements) of a column of lists or bytes of one length."""
    is_bytes = schema["dtype"] == "u8"
    wide = str(column.type).startswith("large_")
    buffers = column.buffers()
    offsets = np.frombuffer(buffers[1], np.int64 if wide else np.int32, count=column.offset + len(column) + 1)
    offsets = offsets[column.offset :]
    size = int(np.prod(schema["shape"]))
    lengths = np.diff(offsets)
    if np.any(lengths != size):
        wrong = int(lengths[np.flatnonzero(lengths != size)[0]])
        what = "bytes" if is_bytes else "numbers"
        raise DataError(f'[features] column "{name}": expected {size} {what} in each row, got {wrong}')
    if is_bytes:
        values = np.frombuffer(buffers[2], np.uint8, count=int(offsets[-1]))
    else:
        values = _numbers(column.values, np.float32)
    return values[offsets[0] : offsets[-1]].reshape(len(lengths), size)


def _write_whole(path: Path, text: str) -> None:
    other = path.with_name(path.name + ".partial")
    other.write_text(text, encoding="utf-8")
    os.replace(other, path)


__all__ = ["Ticket", "work"]
