"""One run on hosts: host 1 coordinates, hosts 2 to 4 own the data, host 5 is in reserve."""
import json
import re
import shutil
import signal
import subprocess
import threading
import time

WORKERS = (2, 3, 4)
RESERVE = 5
PORT = 7878

EXPERIMENT = """
name = "netlab"
seed = 7
data = {DATA}
[model]
layers = ["flatten", "linear $width", "relu", "dropout 0.1", "linear 10"]
[search]
epochs = 4
[search.space]
width = [128, 256]
lr = [0.003, 0.001]
batch_size = 32
optimizer = "adam"
[run]
workers = 3
"""


class TrialError(Exception):
    """A run that did not do what its scenario expects."""


def finished(command, folder):
    """What a program wrote that has ended with code 0."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, start_new_session=True)
    if done.returncode != 0:
        raise TrialError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


class Process:
    """A program of ours, with the time at which it wrote each line. It ends with this one, however this one ends."""

    def __init__(self, command, log, folder):
        self.lines = []  # (time, text)
        self.changed = threading.Condition()
        # Its own session, so Ctrl-C at the terminal reaches only us; setpriv, so it does not outlive us.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)], cwd=folder,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, errors="replace", start_new_session=True)
        self.reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self.reader.start()

    def _read(self, log):
        with open(log, "a") as file:
            for line in self.process.stdout:
                with self.changed:
                    self.lines.append((time.monotonic(), line.rstrip()))
                    self.changed.notify_all()
                print(line, end="", file=file, flush=True)

    def find(self, pattern, since=0):
        """When it wrote a line that matches, or None."""
        return next((when for when, text in self.lines if when >= since and re.search(pattern, text)), None)

    def wait_line(self, pattern, since, until):
        with self.changed:
            while True:
                if (when := self.find(pattern, since)) is not None:
                    return when
                left = until - time.monotonic()
                if left <= 0 or not self.changed.wait(min(left, 0.2)) and self.process.poll() is not None:
                    raise TrialError(f"no line '{pattern}'")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def wait(self, until):
        """Its exit code."""
        try:
            code = self.process.wait(max(0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TrialError(f"process {self.process.pid} has not ended") from None
        self.reader.join()
        return code


class Bench:
    """What all trials share: the program, the folder, and the run on one machine whose bits all others must have."""

    def __init__(self, hop, folder):
        self.hop, self.folder = hop, folder
        self.journal_bytes = None  # of the calm run: how long a whole journal is

    def prepare(self):
        self._write("alone.toml", 'source = "glyphs", partitions = 6')
        self._hop("run", "alone.toml", "--run-dir", "alone")
        self._write("netlab.toml", 'source = "alone/data"')
        self._hop("data", "split", "alone/data", *(word for host in WORKERS for word in ("--out", f"part{host}")))
        self._hop("key", "new", "key")
        self.hashes = hashes_of(self.folder / "alone")

    def _write(self, name, data):
        (self.folder / name).write_text(EXPERIMENT.replace("DATA", data))

    def _hop(self, *words):
        finished([self.hop, *words], self.folder)


class Trial:
    """A run with its hosts. Use it in a `with` block: whatever still runs at its end is killed."""

    def __init__(self, bench, name, hosts, limit):
        self.bench, self.name, self.hosts = bench, name, hosts
        self.folder = bench.folder / name
        self.run_directory = self.folder / "run"
        self.workers = {}  # by host
        self.processes = []
        self.harmed = set()  # hosts whose worker need not end by itself with code 0
        self.fault_at = None
        self.limit = limit

    def __enter__(self):
        return self

    def start(self):
        self.folder.mkdir()
        self.until = time.monotonic() + self.limit
        self.began = time.monotonic()
        self.coordinate("run", "netlab.toml", "--run-dir", self.run_directory)
        for host in WORKERS:
            self.work(host)

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()

    def coordinate(self, *words):
        self.coordinator = self._start(1, "coordinator.log", *words, "--listen", f"{self.hosts.address(1)}:{PORT}",
                                       "--key-file", "key")

    def resume(self):
        self.coordinate("resume", self.run_directory)

    def work(self, host, part=None):
        """Starts the worker of a host, with its own part of the data or another one's, and with its own disk."""
        self.harmed.discard(host)
        self.workers[host] = self._start(host, f"worker{host}.log", "worker", "--connect", f"{self.hosts.address(1)}:{PORT}",
                                         "--key-file", "key", "--data", f"part{part or host}", "--node", self._disk(host),
                                         "--wait", "120")

    def _start(self, host, log, *words):
        process = Process([*self.hosts.on(host), self.bench.hop, *words], self.folder / log, self.bench.folder)
        self.processes.append(process)
        return process

    def _disk(self, host):
        return self.folder / f"disk{host}"

    def reach(self, share):
        """Waits until the journal has this share of its final length: somewhere in the middle of the run."""
        journal = self.run_directory / "journal"
        while not journal.exists() or journal.stat().st_size < share * self.bench.journal_bytes:
            if self.coordinator.process.poll() is not None or time.monotonic() > self.until:
                raise TrialError(f"the run did not reach {share:.0%} of its units")
            time.sleep(0.01)

    def fault(self):
        """The trouble begins now."""
        self.fault_at = time.monotonic()

    def kill(self, *hosts):
        for host in hosts:
            self.harmed.add(host)
            self.workers[host].kill()

    def lose_disk(self, *hosts):
        for host in hosts:
            shutil.rmtree(self._disk(host))

    def ask_to_leave(self, host):
        """Asks a worker to end and waits until it has. Its exit code must be 0."""
        self.workers[host].signal(signal.SIGTERM)
        if (code := self.workers[host].wait(self.until)) != 0:
            raise TrialError(f"the worker that was asked to leave ended with code {code}")

    def wait_until_all_joined(self):
        for worker in range(len(WORKERS)):
            self.coordinator.wait_line(f"worker {worker} has joined", 0, self.until)

    def wait_for(self, pattern):
        """Until the coordinator has written such a line after the fault."""
        return self.coordinator.wait_line(pattern, self.fault_at, self.until)

    def finish(self):
        """Waits for the end of all that shall end. All exit codes must be 0."""
        code = self.coordinator.wait(self.until)
        self.seconds = time.monotonic() - self.began
        if code != 0:
            raise TrialError(f"the coordinator ended with code {code}")
        for host, worker in self.workers.items():
            if host not in self.harmed and (code := worker.wait(self.until)) != 0:
                raise TrialError(f"the worker of host {host} ended with code {code}")
        if self.bench.journal_bytes is None:
            self.bench.journal_bytes = (self.run_directory / "journal").stat().st_size
        if hashes_of(self.run_directory) != self.bench.hashes:
            raise TrialError("the SHA-256 of the models DIFFER from those of the run on one machine")

    def results(self):
        return json.loads((self.run_directory / "results.json").read_text())

    def log(self):
        return (self.run_directory / "log").read_text()


def hashes_of(run_directory):
    models = json.loads((run_directory / "results.json").read_text())["models"]
    return {model["id"]: model["state_sha256"] for model in models}
