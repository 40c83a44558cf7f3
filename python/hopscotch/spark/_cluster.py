"""What a run needs of a session: where its driver is reached, files for executors, jobs. A classic session has the
context of its application for all of it. A session of Spark Connect is a client of a server and has no context."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import tempfile
import weakref
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Set, Tuple

from ..errors import ConfigError

_LOCAL = re.compile(r"local(?:\[(\d+|\*)(?:\s*,\s*\d+)?\])?")
_BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"
_LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")

Job = Callable[[], None]  # runs a job to its end; raises what Spark raises


class Classic:
    """A session that has the context of its application."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark
        self._context = spark.sparkContext

    @property
    def owner(self) -> Any:
        """The object that lives as long as the files that executors got."""
        return self._context

    @property
    def is_local(self) -> bool:
        """Whether tasks are processes of this machine that see its files: local[2], but not local-cluster."""
        return _LOCAL.fullmatch(self._context.master) is not None

    @property
    def slots(self) -> Optional[int]:
        """How many tasks run at once; None if only the wait tells."""
        return _slots(self._context.master)

    def addresses(self) -> Tuple[str, str]:
        """The host that tasks dial to reach this process, and the address to listen at."""
        conf = self._context.getConf()
        host = conf.get("spark.driver.host", "127.0.0.1")
        return host, conf.get("spark.driver.bindAddress", host)

    def add_python(self, path: Path) -> None:
        self._context.addPyFile(str(path))

    def add_archive(self, path: Path, name: str) -> None:
        self._context.addArchive(f"{path}#{name}")

    def add_file(self, path: Path) -> None:
        self._context.addFile(str(path))
        if not self.is_local:  # the driver gets a copy of its own
            close_to_others(path.name)

    def shared(self, content: bytes) -> Callable[[], bytes]:
        """A function that gives the content in a task."""
        return _Broadcast(self._context.broadcast(content))

    @contextlib.contextmanager
    def jobs(self, frame: Any, task: Any, workers: int, run: str, batch: int) -> Iterator[List[Tuple[str, Job]]]:
        """A job of one task for each worker. One job with all workers would start living tasks a second time when a
        shuffle block is lost; a barrier stage would end with its first task."""
        with _batches(self._spark, batch):
            rdd = frame.mapInArrow(task, "slot int").rdd

        def job_of(slot: int, what: str) -> Job:
            def job() -> None:
                self._context.setJobGroup(run, what, interruptOnCancel=True)
                self._context.runJob(rdd, list, [slot])

            return job

        names = [f"hop worker {slot + 1} of {workers}" for slot in range(workers)]
        yield [(name, job_of(slot, name)) for slot, name in enumerate(names)]

    def thread(self, target: Callable[..., None], *args: Any) -> Any:
        from pyspark import InheritableThread

        return InheritableThread(target=target, args=args)

    def cancel(self, run: str) -> None:
        self._context.cancelJobGroup(run)


class Connect:
    """A session of Spark Connect. It runs no job on one partition, so the tasks of a run are one job. Its executors
    must reach this process."""

    def __init__(self, spark: Any) -> None:
        from pyspark import __version__

        if int(__version__.split(".")[0]) < 4:
            raise ConfigError(
                "[spark] expected pyspark 4 for a session of Spark Connect, got pyspark "
                f"{__version__}, whose client has no vector_to_array: take pyspark 4, or a classic session, "
                "SparkSession.builder.master(...) or spark-submit"
            )
        self._spark = spark
        self._master = str(spark.conf.get("spark.master", ""))
        self._host = str(spark.client.host)

    @property
    def owner(self) -> Any:
        return self._spark

    @property
    def is_local(self) -> bool:
        return _LOCAL.fullmatch(self._master) is not None and self._host in _LOOPBACK

    @property
    def slots(self) -> Optional[int]:
        return _slots(self._master)

    def addresses(self) -> Tuple[str, str]:
        """If the server is on this machine, executors reach it where they reach the server. Else at the address that
        leads to the server."""
        if self._host in _LOOPBACK:
            host = str(self._spark.conf.get("spark.driver.host", "127.0.0.1"))
            return host, str(self._spark.conf.get("spark.driver.bindAddress", host))
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((self._host, 9))  # sends nothing
                host = probe.getsockname()[0]
        except OSError as error:
            raise ConfigError(
                f"[spark] expected an IPv4 address of this machine that the executors behind {self._host} can dial, "
                f"got none ({error.strerror}): run the program on a machine of the cluster's network, or take a "
                "classic session"
            ) from error
        return host, host

    def add_python(self, path: Path) -> None:
        self._spark.addArtifacts(str(path), pyfile=True)

    def add_archive(self, path: Path, name: str) -> None:
        self._spark.addArtifacts(f"{path}#{name}", archive=True)

    def add_file(self, path: Path) -> None:
        self._spark.addArtifacts(str(path), file=True)

    def shared(self, content: bytes) -> Callable[[], bytes]:
        """As a file of the session, since there is no broadcast."""
        name = f"hopscotch-{hashlib.sha256(content).hexdigest()[:32]}"
        sent = _sent.setdefault(self._spark, set())
        if name not in sent:
            with tempfile.TemporaryDirectory(prefix="hopscotch-") as folder:
                path = Path(folder) / name
                path.write_bytes(content)
                self.add_file(path)
            sent.add(name)
        return _File(name)

    @contextlib.contextmanager
    def jobs(self, frame: Any, task: Any, workers: int, run: str, batch: int) -> Iterator[List[Tuple[str, Job]]]:
        def job() -> None:
            self._spark.addTag(run)  # of this thread
            frame.mapInArrow(task, "slot int").collect()

        with _batches(self._spark, batch):  # the server plans a job when it is asked for rows
            yield [(f"{workers} hop workers", job)]

    def thread(self, target: Callable[..., None], *args: Any) -> Any:
        from pyspark import InheritableThread

        return InheritableThread(target=target, args=args, session=self._spark)

    def cancel(self, run: str) -> None:
        self._spark.interruptTag(run)


def cluster_of(spark: Any) -> Any:
    """Raises ConfigError for a session that can run nothing."""
    return Connect(spark) if type(spark).__module__.startswith("pyspark.sql.connect") else Classic(spark)


def close_to_others(name: str) -> Path:
    """Of a file that was shipped, this process's copy: Spark gives it mode 0755. Returns its path."""
    from pyspark import SparkFiles

    path = Path(SparkFiles.get(name))
    with contextlib.suppress(OSError):  # it may be another user's
        path.chmod(0o600)
    return path


class _Broadcast:
    def __init__(self, variable: Any) -> None:
        self._variable = variable

    def __call__(self) -> bytes:
        return self._variable.value


class _File:
    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self) -> bytes:
        from pyspark import SparkFiles

        return Path(SparkFiles.get(self._name)).read_bytes()


_sent: "weakref.WeakKeyDictionary[Any, Set[str]]" = weakref.WeakKeyDictionary()


def _slots(master: str) -> Optional[int]:
    found = _LOCAL.fullmatch(master)
    if found is None or found.group(1) == "*":
        return None
    return int(found.group(1) or 1)


@contextlib.contextmanager
def _batches(spark: Any, wanted: int) -> Iterator[None]:
    """A batch of Arrow has so many rows, whatever a row weighs."""
    before = spark.conf.get(_BATCH)
    if 0 < int(before) <= wanted:
        yield
        return
    spark.conf.set(_BATCH, str(wanted))
    try:
        yield
    finally:
        spark.conf.set(_BATCH, before)


__all__ = ["Classic", "Connect", "Job", "cluster_of"]
