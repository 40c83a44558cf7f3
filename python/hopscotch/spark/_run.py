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
from typing import Any, Callable, Dict, List, Optional

from .. import _toml
from .._follow import OnEvent, follow
from ..errors import ConfigError, HopError, Interrupted, RunError, RunFailed
from ..result import Result
from ._meet import Door
from ._meeting import Meeting
from ._rows import Rows, batch_rows
from ._ship import is_local, ship
from ._task import Ticket

_ATTEMPTS = 3  # of a job whose task Spark has given up
_GOODBYE = 20.0  # seconds in which workers that were sent home may end
_LATE = 10.0  # seconds after which a worker that has ended well is missed
_CANCELLED_TEXT = "a job of the run was cancelled in Spark, so the run has stopped; its states were with the tasks"
_PYTHON_ERROR = re.compile(r"(RuntimeError|OSError|ModuleNotFoundError|hopscotch[.\w]*)[:.]")
_CANCELLED = re.compile(r"\b(Job|Stage) \d+ (was )?cancelled\b|\bSparkContext was shut down\b")
_LISTENS = re.compile(r"listens at \S*:(\d+) ")


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
            "SparkSession.builder.master(...); on a notebook of the cluster, without .remote(...)"
        )
    return spark.sparkContext


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
                if self._ended.wait(_LATE) or self._meeting.error is not None:
                    return  # else somebody has asked the worker to leave
            except Exception as error:  # noqa: BLE001: of py4j, of Spark
                if self._ended.is_set():
                    return
                if _CANCELLED.search(str(error)):
                    self._meeting.fail(Interrupted(f"{_CANCELLED_TEXT}: {_reason(error)}"))
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
                if isinstance(self._meeting.error, RunError) and isinstance(error, RunError):
                    self._meeting.error.run_directory = error.run_directory
                raise self._meeting.error from error
            if isinstance(error, Interrupted):
                text = "the run was interrupted; its states were with the tasks of Spark, so it cannot go on"
                raise Interrupted(text, error.run_directory) from error
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
    own = [line for line in lines if _PYTHON_ERROR.match(line)]
    return (own or lines or [type(error).__name__])[-1 if own else 0][:500]


__all__ = ["Settings", "classic", "train"]
