"""Shares of a core: a process gets so much processor time and no more, whoever else computes. Linux control groups, as root."""
import os
import pathlib

V1, V2 = pathlib.Path("/sys/fs/cgroup/cpu"), pathlib.Path("/sys/fs/cgroup")
QUOTA = 1000  # microseconds: the least that Linux gives out at a time, so that nobody computes ahead in bursts


def why_impossible():
    """Why no share can be given here; empty if one can."""
    try:
        Shares("try", 1, 2).close()
    except OSError as error:
        return f"no share of a core can be given to a process: {error}"
    return ""


class Shares:
    """A group for each of `count` processes, each with 1 / `parts` of a core."""

    def __init__(self, name, count, parts):
        self.folders = []
        period = round(QUOTA * max(1, parts))
        is_v1 = (V1 / "cpu.cfs_quota_us").exists()
        if not is_v1:
            (V2 / "cgroup.subtree_control").write_text("+cpu")
        try:
            for i in range(count):
                folder = (V1 if is_v1 else V2) / f"hop-{name}-{os.getpid()}-{i}"
                folder.mkdir()
                self.folders.append(folder)
                if is_v1:
                    (folder / "cpu.cfs_period_us").write_text(str(period))
                    (folder / "cpu.cfs_quota_us").write_text(str(QUOTA))
                else:
                    (folder / "cpu.max").write_text(f"{QUOTA} {period}")
        except OSError:
            self.close()
            raise

    def of(self, i):
        """The words before a command that give it its share."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', self.folders[i] / "cgroup.procs"]

    def close(self):
        for folder in self.folders:
            try:
                folder.rmdir()  # its processes have ended
            except OSError:
                pass
        self.folders = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
