"""A run on a Spark cluster: each worker is a task, the coordinator runs beside the program that called fit."""

from __future__ import annotations

import contextlib
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
from typing import Any, Dict, List, Optional

from .. import _toml
from .._follow import OnEvent, follow
from ..errors import ConfigError, HopError, Interrupted, RunError, RunFailed
from ..result import Result
from ._cluster import Job, cluster_of
from ._meet import Door
from ._meeting import Meeting
from ._rows import Rows, batch_rows
from ._ship import ship
from ._task import Ticket

_ATTEMPTS = 3  # of a job whose task Spark has given up
_GOODBYE = 20.0  # seconds in which workers that were sent home may end
_LATE = 10.0  # seconds after which a worker that has ended well is missed
_CANCELLED_TEXT = "a job of the run was cancelled in Spark, so the run has stopped; its states were with the tasks"
_PYTHON_ERROR = re.compile(r"(RuntimeError|OSError|ModuleNotFoundError|hopscotch[.\w]*)[:.]")
_CANCELLED = re.compile(
    r"\b(Job|Stage) \d+ (was )?cancelled\b|\bSparkContext was shut down\b|\[OPERATION_CANCELED\]"  # the last: Connect
)
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


def train(
    spark: Any, rows: Rows, sections: Dict[str, Any], settings: Settings, on_event: Optional[OnEvent] = None
) -> Result:
    """Trains the experiment's models on the rows. Raises ConfigError, DataError, RunFailed, Interrupted."""
    cluster = cluster_of(spark)
    scratch = Path(tempfile.mkdtemp(prefix="hopscotch-spark-"))
    try:
        return _Run(cluster, rows, sections, settings, scratch, on_event).run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Run:
    def __init__(
        self,
        cluster: Any,
        rows: Rows,
        sections: Dict[str, Any],
        settings: Settings,
        scratch: Path,
        on_event: Optional[OnEvent],
    ) -> None:
        self._cluster, self._rows, self._sections = cluster, rows, sections
        self._settings, self._scratch, self._on_event = settings, scratch, on_event
        self._id = f"hopscotch-{secrets.token_hex(6)}"
        self._meeting = Meeting(rows.schema, settings.workers)
        self._child: Optional["subprocess.Popen[bytes]"] = None
        self._ended = threading.Event()
        self._check_slots()

    def run(self) -> Result:
        shipped = ship(self._cluster)
        key = Path(shipped.folder) / shipped.key
        host, bind = self._cluster.addresses()
        try:
            door = Door(bind, 0, key.read_bytes(), self._meeting.serve)
        except OSError as error:
            raise ConfigError(
                f"[spark] expected an address of this machine to listen at, got {bind} ({error.strerror}): executors "
                "must reach this program; spark.driver.host and spark.driver.bindAddress say where"
            ) from error
        ticket = Ticket(
            run=self._id,
            host=host,
            port=door.port,
            shipped=shipped,
            schema=self._rows.schema,
            features=self._rows.title,
            wait=self._settings.return_timeout,
            ports=self._settings.worker_ports,
            scratch=str(self._scratch) if self._cluster.is_local else "",
        )
        threads: List[threading.Thread] = []
        with contextlib.ExitStack() as stack:
            try:
                threads = self._submit(ticket, stack)
                manifest = self._meeting.await_manifest(self._settings.start_timeout, self._missing)
                return self._conduct(manifest, key, bind, host)
            finally:
                self._ended.set()
                is_calm = self._meeting.manifest is not None and self._meeting.error is None
                self._meeting.end(_GOODBYE if is_calm else 0)
                self._finish(threads)
                door.close()

    def _check_slots(self) -> None:
        slots = self._cluster.slots
        if slots is not None and slots < self._settings.workers:
            raise ConfigError(
                f"[spark] expected a task slot for each of {self._settings.workers} workers, got a master with "
                f"{slots}: take local[{self._settings.workers}], or numWorkers={slots}"
            )

    def _missing(self, joined: int) -> str:
        return (
            f"[spark] expected {self._settings.workers} tasks at once, a worker each, got {joined} in "
            f"{self._settings.start_timeout:g} s: give the application more executors (spark.executor.instances, "
            "spark.cores.max, spark.dynamicAllocation.maxExecutors), or take a smaller numWorkers; startTimeout says "
            "how long to wait"
        )

    # ---- jobs

    def _submit(self, ticket: Ticket, stack: contextlib.ExitStack) -> List[threading.Thread]:
        def task(batches: Any) -> Any:
            from hopscotch.spark import _task

            yield from _task.work(ticket, batches)

        batch = batch_rows(self._rows.schema)
        made = self._cluster.jobs(self._rows.frame, task, self._settings.workers, self._id, batch)
        threads = []
        for name, job in stack.enter_context(made):
            thread = self._cluster.thread(self._run_job, name, job)
            thread.daemon = True
            thread.start()
            threads.append(thread)
        return threads

    def _run_job(self, name: str, job: Job) -> None:
        """Spark tries a failed task again. When it has given up, the job is submitted anew: the worker comes back."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                job()
                if self._ended.wait(_LATE) or self._meeting.error is not None:
                    return  # else somebody has asked the worker to leave
            except Exception as error:  # noqa: BLE001: of py4j, of gRPC, of Spark
                if self._ended.is_set():
                    return
                if _CANCELLED.search(str(error)):
                    self._meeting.fail(Interrupted(f"{_CANCELLED_TEXT}: {_reason(error)}"))
                    return
                if attempt == _ATTEMPTS:
                    self._meeting.fail(RunFailed(f"[spark] the job of {name} failed: {_reason(error)}"))

    def _finish(self, threads: List[threading.Thread]) -> None:
        deadline = time.monotonic() + _GOODBYE
        for thread in threads:
            thread.join(0 if self._meeting.error is not None else max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            self._cluster.cancel(self._id)
            for thread in threads:
                thread.join(_GOODBYE)

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


__all__ = ["Settings", "train"]
