#!/usr/bin/env python3
"""seen_by_others.py HOP: a run over TCP with a key, as another user of the machine could look at it.

While the run trains, the key must be in no command line and no environment, in no file that the run and its workers
write, and in nothing that they say. Its file and its owner's processes must be closed to another user (as root, the
script becomes one). The run listens where it was told, the workers at one port each, and nobody else."""

import base64
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

STRANGER = 65534  # nobody
EXPERIMENT = """
name = "seen"
seed = 3
data = { source = "data" }
[model]
layers = ["linear 16", "relu", "linear $outputs"]
[search]
epochs = 1000
[search.space]
lr = [0.001, 0.003]
batch_size = 16
optimizer = "adam"
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def spellings(key):
    """The key as bytes, and as people write bytes."""
    return [key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key).rstrip(b"=")]


def listening(pids):
    """The TCP ports at which these processes listen: {pid: {port}}."""
    ports = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:] if os.path.exists(table) else []:
            cells = line.split()
            if cells[3] == "0A":  # LISTEN
                ports[cells[9]] = int(cells[1].rpartition(":")[2], 16)
    found = {}
    for pid in pids:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        inodes = [match.group(1) for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))]
        found[pid] = {ports[inode] for inode in inodes if inode in ports}
    return found


def as_stranger(words):
    return subprocess.run(
        ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    ).returncode


def look(folder, key, pids, port):
    """What is wrong, as sentences."""
    wrong = []
    secrets = spellings(key)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            try:
                text = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
            except OSError:  # it has ended, or is another user's
                continue
            if any(secret in text for secret in secrets):
                wrong.append(f"the key stands in /proc/{pid}/{name}")
    for path in folder.rglob("*"):
        if path.is_file() and path != folder / "key" and any(secret in path.read_bytes() for secret in secrets):
            wrong.append(f"the key stands in {path.relative_to(folder)}")
        if path.is_socket() and path.stat().st_mode & 0o077:
            wrong.append(f"{path.relative_to(folder)} is a socket that others may open")
    if (folder / "key").stat().st_mode & 0o777 != 0o600:
        wrong.append("the key's file has another mode than 0600")

    ports = listening(pids)
    if ports[pids[0]] != {port}:
        wrong.append(f"expected the run to listen at {port} alone, got {sorted(ports[pids[0]])}")
    for pid in pids[1:]:
        if len(ports[pid]) != 1:
            wrong.append(f"expected a worker to listen at one port, got {sorted(ports[pid])}")

    if os.geteuid() == 0:
        for path in [folder / "key", *(f"/proc/{pid}/environ" for pid in pids), *(f"/proc/{pid}/mem" for pid in pids)]:
            if as_stranger(["head", "-c", "1", str(path)]) == 0:
                wrong.append(f"another user can read {path}")
    return wrong


def main():
    hop = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # another user may come as far as the run's own files
        rows = [f"{'left' if i % 2 else 'right'},{i % 2 + i % 7 / 7:.3f},{i % 5 / 5}" for i in range(200)]
        (folder / "table.csv").write_text("kind,a,b\n" + "\n".join(rows) + "\n")
        (folder / "exp.toml").write_text(EXPERIMENT)

        def call(*words):
            subprocess.run([hop, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)

        call("data", "import", "csv", "table.csv", "--label", "kind", "--partitions", "4", "--out", "data")
        call("data", "split", "data", "--out", "part-0", "--out", "part-1")
        call("key", "new", "key")
        key = (folder / "key").read_bytes()
        port = free_port()
        words = [["run", "exp.toml", "--run-dir", "run", "--workers", "2", "--listen", f"127.0.0.1:{port}"]]
        for i in (0, 1):
            words.append(["worker", "--connect", f"127.0.0.1:{port}", "--data", f"part-{i}", "--node", f"node-{i}"])
        processes = []
        try:
            for each in words:
                with open(folder / f"said-{len(processes)}", "wb") as said:
                    each = [hop, *each, "--key-file", "key"]
                    processes.append(subprocess.Popen(each, cwd=folder, stdout=said, stderr=said))
            deadline = time.monotonic() + 60
            log = folder / "run" / "log"
            while not log.exists() or log.read_text().count("has joined") < 2:
                if time.monotonic() > deadline or processes[0].poll() is not None:
                    sys.exit("the run did not begin:\n" + (folder / "said-0").read_text())
                time.sleep(0.05)
            time.sleep(0.5)  # states have hopped
            wrong = look(folder, key, [process.pid for process in processes], port)
            if processes[0].poll() is not None:
                wrong.append("the run was over before anybody looked")
        finally:
            for process in processes[:1]:
                process.terminate()
            for process in processes:
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
        wrong += [
            f"the key stands in {path.relative_to(folder)} after the run"
            for path in folder.rglob("*")
            if path.is_file() and path.name != "key" and any(secret in path.read_bytes() for secret in spellings(key))
        ]
    if wrong:
        sys.exit("\n".join(wrong))
    print(json.dumps({"looked": "as another user" if os.geteuid() == 0 else "as the same user", "wrong": 0}))


if __name__ == "__main__":
    main()
