"""Shares of a core: a process gets so much processor time and no more, whoever else computes. Linux control groups, as root."""
import os
import pathlib

V1, V2 = pathlib.Path("/sys/fs/cgroup/cpu"), pathlib.Path("/sys/fs/cgroup")
QUOTA = 1000  # microseconds: the least that Linux gives out at a time, so that nobody computes ahead in bursts


def why_impossible(has_training=False):
    """Why no share can be given here; empty if one can."""
    try:
        Shares("try", 1, 2, has_training).close()
    except OSError as error:
        return f"no share of a core can be given to a process: {error}"
    return ""


def remove_leftovers(name):
    """Groups of programs that were killed."""
    for folder in [*V1.glob(f"hop-{name}-*"), *V2.glob(f"hop-{name}-*")]:
        if not pathlib.Path(f"/proc/{folder.name.split('-')[2]}").exists():
            try:
                folder.rmdir()
            except OSError:  # its processes are ending
                pass


class Shares:
    """A group for each of `count` processes, each with 1 / `parts` of a core. With has_training, each has a second group of
    the same size, for the threads that train."""

    def __init__(self, name, count, parts, has_training=False):
        self.folders, self.training = [], []
        period = round(QUOTA * max(1, parts))
        is_v1 = (V1 / "cpu.cfs_quota_us").exists()
        if has_training and not is_v1:
            raise OSError("threads of one process have shares of their own here with version 1 of control groups alone")
        if not is_v1:
            (V2 / "cgroup.subtree_control").write_text("+cpu")
        try:
            for i in range(count):
                self.folders.append(self._group(f"{name}-{os.getpid()}-{i}", period, is_v1))
                if has_training:
                    self.training.append(self._group(f"{name}-{os.getpid()}-{i}-training", period, is_v1))
        except OSError:
            self.close()
            raise

    def _group(self, name, period, is_v1):
        folder = (V1 if is_v1 else V2) / f"hop-{name}"
        folder.mkdir()
        if is_v1:
            (folder / "cpu.cfs_period_us").write_text(str(period))
            (folder / "cpu.cfs_quota_us").write_text(str(QUOTA))
        else:
            (folder / "cpu.max").write_text(f"{QUOTA} {period}")
        return folder

    def set_training_apart(self, i, pid):
        """Whether process `pid`, the i-th one, has a thread that trains already; it goes to its own group."""
        try:
            for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
                if (thread / "comm").read_text().strip() == "hop-train":
                    (self.training[i] / "tasks").write_text(thread.name)
                    return True
        except (FileNotFoundError, ProcessLookupError):  # a thread, or the process, has ended
            pass
        return False

    def of(self, i):
        """The words before a command that give it its share."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', self.folders[i] / "cgroup.procs"]

    def close(self):
        for folder in self.folders + self.training:
            try:
                folder.rmdir()  # its processes have ended
            except OSError:
                pass
        self.folders, self.training = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
