"""A standalone cluster of Spark on this machine: a Master, and two Workers at addresses of their own. To Spark each
Worker is a node with a disk of its own."""

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from pyspark.find_spark_home import _find_spark_home

from .conftest import BRIEF, PATIENCE, processes

HOSTS = ("127.0.0.2", "127.0.0.3")


class Standalone:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes = {}
        said = self._start("master.Master", "127.0.0.1", [], r"Starting Spark master at (spark://\S+)")
        self.url = said.group(1)
        for host in HOSTS:
            self.start_worker(host)

    def start_worker(self, host: str) -> None:
        words = ["--cores", "2", "--memory", "2g", "--work-dir", str(self._folder / f"work-{host}"), self.url]
        self._start("worker.Worker", host, words, r"Successfully registered with master")

    def kill_node(self, host: str) -> None:
        """The Worker and its executors, which do not come back at this node."""
        self._processes[host].kill()
        self._processes[host].wait()
        for pid in processes("CoarseGrainedExecutorBackend", f"--hostname {host} "):
            with contextlib.suppress(ProcessLookupError):  # it has noticed that its Worker is gone
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait()

    def _start(self, name, host, words, awaited):
        log = self._folder / f"{host}.log"
        disk = self._folder / f"disk-{host}"
        disk.mkdir(exist_ok=True)
        home = _find_spark_home()
        environment = {
            **os.environ,
            "SPARK_HOME": home,
            "SPARK_LOCAL_IP": host,
            "SPARK_LOCAL_DIRS": str(disk),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": BRIEF,
            "SPARK_NO_DAEMONIZE": "1",
        }
        with open(log, "wb") as file:
            command = [f"{home}/bin/spark-class", f"org.apache.spark.deploy.{name}", "--host", host]
            command += ["--port", "0", "--webui-port", "0", *words]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)
        self._processes[host] = process
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            found = re.search(awaited, log.read_text(errors="replace"))
            if found:
                return found
            time.sleep(0.1)
        self.close()
        raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
