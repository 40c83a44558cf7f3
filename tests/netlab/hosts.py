"""Hosts on one machine: a network namespace each, joined by a bridge in a namespace of its own. Needs root and iproute2.

    with Hosts(3, rate="1gbit") as hosts:          # 10.77.0.1 to 10.77.0.3
        subprocess.run(hosts.on(2) + ["hostname"])
        hosts.unplug(2)

Nothing routes out of such a network, and nothing of it is left when the block ends.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from cable import Cable

PREFIX = "hoplab"  # the number of our process follows, so several labs may stand side by side


class HostsError(Exception):
    """This machine could not make or change a namespace, a link or a rate."""


def command(*words):
    """Its own session: Ctrl-C at the terminal reaches only us."""
    done = subprocess.run(words, capture_output=True, text=True, start_new_session=True)
    if done.returncode != 0:
        raise HostsError(f"{' '.join(words)}: {done.stderr.strip()}")


def ip(*words):
    command("ip", *words)


def why_impossible():
    """Why this machine cannot make such hosts, or None if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"{own_name()}-probe"
    try:
        ip("netns", "add", name)
        try:
            ip("-n", name, "link", "add", "one", "type", "veth", "peer", "name", "two")
            ip("-n", name, "link", "add", "bridge", "type", "bridge")
        finally:
            ip("netns", "del", name)
    except FileNotFoundError:
        return "the program ip (iproute2) is not there"
    except HostsError as error:
        return f"network namespaces cannot be made here: {error}"
    return None


def own_name():
    """What the names of all that this process makes begin with."""
    return f"{PREFIX}-{os.getpid()}"


def leftovers(folder):
    """What processes that are gone left in a folder."""
    for path in folder.iterdir() if folder.is_dir() else []:
        name = re.fullmatch(rf"{PREFIX}-(\d+)-\w+", path.name)
        if name and not os.path.exists(f"/proc/{name[1]}"):
            yield path


def remove_leftovers():
    """Of labs that were killed by SIGKILL, which lets nobody tidy up."""
    for path in leftovers(pathlib.Path("/run/netns")):
        ip("netns", "del", path.name)
    for path in leftovers(pathlib.Path(tempfile.gettempdir())):
        shutil.rmtree(path, ignore_errors=True)


class Hosts:
    """`count` hosts, 10.77.0.1 and so on. `rate` is the speed of each link in both directions, as tc writes it. A host
    in `far` hangs at the end of a cable that delays and loses frames (cable.py)."""

    def __init__(self, count, rate="1gbit", far=()):
        self.count, self.start_rate, self.far = count, rate, far
        self.lab = own_name()
        self.switch = f"{self.lab}-switch"
        self.made, self.cables = [], []

    def __enter__(self):
        try:
            self._add(self.switch)
            ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
            ip("-n", self.switch, "link", "set", "bridge", "up")
            for host in range(1, self.count + 1):
                self._connect(host)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for cable in self.cables:
            cable.close()
        for name in reversed(self.made):
            try:
                ip("netns", "del", name)
            except HostsError:  # it was not made
                pass
        self.made, self.cables = [], []

    def name(self, host):
        return f"{self.lab}-h{host}"

    def address(self, host):
        return f"10.77.0.{host}"

    def on(self, host):
        """The words before a command that make it run on a host. The process that is started becomes the command."""
        return ["ip", "netns", "exec", self.name(host)]

    def set_rate(self, host, rate):
        """The speed of the link of a host, in both directions. The bucket takes a whole large segment (64 KiB)."""
        for namespace, device in (self.name(host), "uplink"), (self.switch, f"port{host}"):
            command("tc", "-n", namespace, "qdisc", "replace", "dev", device, "root", "tbf", "rate", rate, "burst", "128kb",
                    "latency", "50ms")

    def unplug(self, host):
        """The cable is out: frames vanish in both directions. No connection is told."""
        ip("-n", self.switch, "link", "set", f"port{host}", "down")

    def plug(self, host):
        ip("-n", self.switch, "link", "set", f"port{host}", "up")

    def set_apart(self, *hosts):
        """These hosts cannot reach each other, but all other hosts."""
        for host in hosts:
            ip("-n", self.switch, "link", "set", f"port{host}", "type", "bridge_slave", "isolated", "on")

    def _add(self, name):
        self.made.append(name)  # first: a signal may come between the two
        ip("netns", "add", name)

    def _connect(self, host):
        name, port = self.name(host), f"port{host}"
        self._add(name)
        if host in self.far:
            self.cables.append(Cable((name, "uplink"), (self.switch, port)))
        else:
            ip("link", "add", "uplink", "netns", name, "type", "veth", "peer", "name", port, "netns", self.switch)
        ip("-n", name, "addr", "add", f"{self.address(host)}/24", "dev", "uplink")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "set", "uplink", "up")
        ip("-n", self.switch, "link", "set", port, "master", "bridge", "up")
        if host not in self.far:
            self.set_rate(host, self.start_rate)
