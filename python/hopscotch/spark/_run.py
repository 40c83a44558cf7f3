"""A run on a Spark cluster: each worker is a task, the coordinator runs beside the driver.

Every worker has a Spark job of its own, with one task. One job with all workers would start living tasks a second time
when a shuffle block is lost; a barrier stage would end with its first task.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Set

from .. import _share, _toml
from .._follow import OnEvent, follow
from ..errors import ConfigError, DataError, HopError, RunFailed, StateError
from ..result import Result
from ._meet import Broken, Door, Line
from ._rows import Rows, batch_rows
from ._ship import is_local, ship
from ._task import Ticket

_ATTEMPTS = 3  # of a job whose task Spark has given up
_GOODBYE = 20.0  # seconds in which workers that were sent home may end
_LISTENS = re.compile(r"listens at \S*:(\d+) ")
_KINDS = {kind.__name__: kind for kind in (ConfigError, DataError, StateError)}


@dataclass(frozen=True)
class Settings:
    """How a run uses the cluster."""

    workers: int = 2
    run_dir: Optional[str] = None
    progress: bool = True
    start_timeout: float = 120  # seconds until all workers have a task slot
    return_timeout: float = 600  # seconds that workers wait for the coordinator
    coordinator_port: int = 0  # 0: any
    worker_ports: str = ""  # "7900-7950"; "" for any


def classic(spark: Any) -> Any:
    """The SparkContext of a session. Raises ConfigError for Spark Connect, which has none."""
    if type(spark).__module__.startswith("pyspark.sql.connect"):
        raise ConfigError(
            "[spark] expected a classic session, got Spark Connect, which cannot run a job on one partition, ship a "
            "file to executors or cancel a job group: start the program with spark-submit, or with "
            'SparkSession.builder.master(...); on a notebook of the cluster, without .remote(...)'
        )
    return spark.sparkContext


class Meeting:
    """What the driver knows of its workers. Their tasks come, say which rows they have, and are told what to do."""

    def __init__(self, schema: Dict[str, Any], workers: int) -> None:
        self._schema = schema
        self._workers = workers
        self._changed = threading.Condition()
        self._lines: Dict[int, Line] = {}
        self._measured: Dict[int, _share.Parts] = {}
        self._written: Dict[int, _share.Parts] = {}
        self._digest: Optional[str] = None
        self._address: Optional[str] = None
        self._is_over = False
        self._done: Set[int] = set()
        self.joined: Set[int] = set()
        self.manifest: Optional[str] = None
        self.error: Optional[Exception] = None
        self.on_error: Callable[[], None] = lambda: None

    def serve(self, line: Line) -> None:
        """Talks to a task until it goes."""
        slot = int(line.receive()["slot"])
        with self._changed:
            before, self._lines[slot] = self._lines.get(slot), line
            self.joined.add(slot)
            self._changed.notify_all()
            is_over = self._is_over
        if before is not None:  # its executor is lost, or Spark started the task twice: the newer one stays
            _tell(before, {"over": True})
        if is_over:
            line.send({"over": True})
        try:
            while True:
                self._hear(slot, line, line.receive())
        finally:
            with self._changed:
                if self._lines.get(slot) is line:
                    del self._lines[slot]

    def fail(self, error: Exception) -> None:
        with self._changed:
            if self.error is None and not self._is_over:
                self.error = error
            self._changed.notify_all()
        self.on_error()

    def await_manifest(self, timeout: float, missing: Callable[[int], str]) -> str:
        """Waits until all rows are written. Only the wait for task slots has an end: reading rows may take long."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while self.manifest is None and self.error is None:
                is_late = len(self.joined) < self._workers and time.monotonic() > deadline
                if is_late:
                    self.error = RunFailed(missing(len(self.joined)))
                else:
                    self._changed.wait(0.5)
            if self.error is not None:
                raise self.error
            assert self.manifest is not None
            return self.manifest

    def listens(self, address: str) -> None:
        """The coordinator is there: the workers may start."""
        with self._changed:
            self._address = address
            lines = list(self._lines.values())
        for line in lines:
            _tell(line, self._order())

    def end(self, patience: float) -> None:
        """The run is over: tasks whose workers do not go home by themselves are told so."""
        deadline = time.monotonic() + patience
        with self._changed:
            self._is_over = True
            while self._lines and time.monotonic() < deadline:
                self._changed.wait(0.1)
            lines = list(self._lines.values())
        for line in lines:
            _tell(line, {"over": True})

    def _order(self) -> Dict[str, Any]:
        return {"serve": {"address": self._address, "manifest": self.manifest}}

    def _hear(self, slot: int, line: Line, said: Dict[str, Any]) -> None:
        try:
            if "measured" in said:
                self._measure(slot, line, said["measured"])
            elif "written" in said:
                self._write(slot, line, said["written"])
            elif "failed" in said:
                kind, text = said["failed"]["kind"], said["failed"]["text"]
                self.fail(_KINDS.get(kind, RunFailed)(text))
        except HopError as error:
            self.fail(error)

    def _measure(self, slot: int, line: Line, parts: _share.Parts) -> None:
        with self._changed:
            known = self._measured.setdefault(slot, parts)
            if self._digest is None and len(self._measured) == self._workers:
                self._digest = _share.digest(self._schema, _joined(self._measured))
                told = list(self._lines.values())
            else:
                if self._digest is not None and known != parts:  # says which partition has other rows
                    _share.digest(self._schema, _joined(self._measured) + parts)
                told = [line] if self._digest is not None else []
        for each in told:
            _tell(each, {"write": self._digest})

    def _write(self, slot: int, line: Line, parts: _share.Parts) -> None:
        with self._changed:
            self._written.setdefault(slot, parts)
            if self.manifest is None and len(self._written) == self._workers:
                self.manifest = _share.manifest(self._schema, _joined(self._written))
            elif self.manifest is not None:
                _share.manifest(self._schema, _joined(self._written) + parts)
            self._changed.notify_all()
            is_awaited = self._address is not None
        if is_awaited:
            line.send(self._order())


def _joined(parts: Mapping[int, _share.Parts]) -> _share.Parts:
    return [part for slot in sorted(parts) for part in parts[slot]]


def _tell(line: Line, message: Dict[str, Any]) -> None:
    try:
        line.send(message)
    except Broken:  # its thread notices, too
        pass


def train(
    spark: Any, rows: Rows, sections: Dict[str, Any], settings: Settings, on_event: Optional[OnEvent] = None
) -> Result:
    """Trains the experiment's models on the rows. Raises ConfigError, DataError, RunFailed, Interrupted."""
    context = classic(spark)
    scratch = Path(tempfile.mkdtemp(prefix="hopscotch-spark-"))
    try:
        return _Run(spark, context, rows, sections, settings, scratch, on_event).run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Run:
    def __init__(
        self,
        spark: Any,
        context: Any,
        rows: Rows,
        sections: Dict[str, Any],
        settings: Settings,
        scratch: Path,
        on_event: Optional[OnEvent],
    ) -> None:
        self._spark, self._context, self._rows, self._sections = spark, context, rows, sections
        self._settings, self._scratch, self._on_event = settings, scratch, on_event
        self._id = f"hopscotch-{secrets.token_hex(6)}"
        self._meeting = Meeting(rows.schema, settings.workers)
        self._child: Optional["subprocess.Popen[bytes]"] = None
        self._ended = threading.Event()
        self._check_slots()

    def run(self) -> Result:
        from pyspark import SparkFiles

        shipped = ship(self._context)
        key = self._scratch / "key"
        shutil.copyfile(SparkFiles.get(shipped.key), key)
        key.chmod(0o600)
        host = self._conf("spark.driver.host", "127.0.0.1")
        bind = self._conf("spark.driver.bindAddress", host)
        door = Door(bind, 0, key.read_bytes(), self._meeting.serve)
        ticket = Ticket(
            run=self._id,
            host=host,
            port=door.port,
            shipped=shipped,
            schema=self._rows.schema,
            features=self._rows.title,
            wait=self._settings.return_timeout,
            ports=self._settings.worker_ports,
            scratch=str(self._scratch) if is_local(self._context) else "",
        )
        jobs: List[threading.Thread] = []
        try:
            jobs = self._submit(ticket)
            manifest = self._meeting.await_manifest(self._settings.start_timeout, self._missing)
            return self._conduct(manifest, key, bind, host)
        finally:
            self._ended.set()
            self._meeting.end(_GOODBYE if self._meeting.manifest is not None and self._meeting.error is None else 0)
            self._finish(jobs)
            door.close()

    def _conf(self, name: str, default: str) -> str:
        return self._context.getConf().get(name, default)

    def _check_slots(self) -> None:
        slots = re.fullmatch(r"local(?:\[(\d+)(?:,\d+)?\])?", self._context.master)
        if slots and int(slots.group(1) or 1) < self._settings.workers:
            raise ConfigError(
                f"[spark] expected a task slot for each of {self._settings.workers} workers, got the master "
                f'"{self._context.master}": take local[{self._settings.workers}], or numWorkers={slots.group(1) or 1}'
            )

    def _missing(self, joined: int) -> str:
        return (
            f"[spark] expected {self._settings.workers} tasks at once, a worker each, got {joined} in "
            f"{self._settings.start_timeout:g} s: give the application more executors (spark.executor.instances, "
            "spark.cores.max, spark.dynamicAllocation.maxExecutors), or take a smaller numWorkers; startTimeout says "
            "how long to wait"
        )

    # ---- jobs

    def _submit(self, ticket: Ticket) -> List[threading.Thread]:
        from pyspark import InheritableThread

        def task(batches: Any) -> Any:
            from hopscotch.spark import _task

            yield from _task.work(ticket, batches)

        rdd = self._with_small_batches(lambda: self._rows.frame.mapInArrow(task, "slot int").rdd)
        jobs = []
        for slot in range(self._settings.workers):
            thread = InheritableThread(target=self._job, args=(rdd, slot))
            thread.daemon = True
            thread.start()
            jobs.append(thread)
        return jobs

    def _with_small_batches(self, make: Callable[[], Any]) -> Any:
        """A batch of Arrow has so many rows, whatever a row weighs."""
        name = "spark.sql.execution.arrow.maxRecordsPerBatch"
        before = self._spark.conf.get(name)
        wanted = batch_rows(self._rows.schema)
        if 0 < int(before) <= wanted:
            return make()
        self._spark.conf.set(name, str(wanted))
        try:
            return make()
        finally:
            self._spark.conf.set(name, before)

    def _job(self, rdd: Any, slot: int) -> None:
        """Spark tries a failed task again. When it has given up, the job is submitted anew: the worker comes back."""
        description = f"hop worker {slot + 1} of {self._settings.workers}"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._context.setJobGroup(self._id, description, interruptOnCancel=True)
                self._context.runJob(rdd, list, [slot])
                return
            except Exception as error:  # noqa: BLE001: of py4j, of Spark
                if self._ended.is_set():
                    return
                if attempt == _ATTEMPTS:
                    self._meeting.fail(RunFailed(f"[spark] the job of {description} failed: {_reason(error)}"))

    def _finish(self, jobs: List[threading.Thread]) -> None:
        deadline = time.monotonic() + _GOODBYE
        for job in jobs:
            job.join(0 if self._meeting.error is not None else max(0.0, deadline - time.monotonic()))
        if any(job.is_alive() for job in jobs):
            self._context.cancelJobGroup(self._id)
            for job in jobs:
                job.join(_GOODBYE)

    # ---- the coordinator

    def _conduct(self, manifest: str, key: Path, bind: str, host: str) -> Result:
        data = self._scratch / "data"
        data.mkdir()
        (data / "manifest.json").write_text(manifest, encoding="utf-8")
        sections = dict(self._sections)
        sections["data"] = {"source": str(data)}
        sections["run"] = {**sections.get("run", {}), "workers": self._settings.workers}
        experiment = self._scratch / "experiment.toml"
        experiment.write_text(_toml.dumps(sections), encoding="utf-8")
        words = ["run", str(experiment), "--listen", f"{bind}:{self._settings.coordinator_port}"]
        words += ["--key-file", str(key)]
        words += [] if self._settings.run_dir is None else ["--run-dir", os.path.abspath(self._settings.run_dir)]

        def hear(event: Dict[str, Any]) -> None:
            found = _LISTENS.search(event["text"]) if event["event"] == "notice" else None
            if found:
                self._meeting.listens(f"{host}:{found.group(1)}")
            if self._on_event is not None:
                self._on_event(event)

        self._meeting.on_error = self._stop
        try:
            return Result(follow(words, self._settings.progress, hear, self._started))
        except HopError as error:
            if self._meeting.error is not None:
                raise self._meeting.error from error
            raise

    def _started(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child
        if self._meeting.error is not None:
            self._stop()

    def _stop(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)


def _reason(error: Exception) -> str:
    """The line of a Python error inside Spark's, or the first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    own = [line for line in lines if re.match(r"(RuntimeError|OSError|Broken|hopscotch[.\w]*Error|ModuleNotFoundError)", line)]
    return (own or lines or [type(error).__name__])[-1 if own else 0][:500]


__all__ = ["Meeting", "Settings", "classic", "train"]
