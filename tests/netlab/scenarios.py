"""What happens to the runs: a row per scenario. docs/netlab.md describes them for readers."""
import dataclasses
import time
from typing import Callable, Optional

from trial import RESERVE, Trial

APART = r"cannot reach worker \d+: states go through the coordinator"
LOST = r"worker \d+ was lost"


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    harm: Callable[[Trial], None]
    notice: Optional[str] = None  # the line by which somebody says that something is wrong; None: nobody should say a word
    by_worker: bool = False       # a worker says it, not the coordinator
    rate: str = "1gbit"           # of all links
    far: tuple = ()               # hosts behind a long cable
    apart: tuple = ()             # hosts that cannot reach each other
    most_lost: Optional[float] = None  # seconds that the run may take longer than the calm one; None: any


def calm(trial):
    pass


def slow_link(trial):
    trial.hosts.set_rate(3, "20mbit")


def unplugged_for_a_while(trial):
    trial.reach(0.3)
    trial.fault()
    trial.hosts.unplug(3)
    time.sleep(8)
    trial.hosts.plug(3)


def unplugged_for_good(trial):
    """Nothing tells the coordinator but silence. Another host with the same rows takes the place."""
    trial.reach(0.4)
    trial.fault()
    trial.hosts.unplug(3)
    trial.wait_for(LOST)
    trial.work(RESERVE, part=3)
    trial.harmed.add(3)


def killed(trial):
    trial.reach(0.3)
    trial.fault()
    trial.kill(3)
    trial.work(3)


def disk_lost(trial):
    trial.reach(0.4)
    trial.fault()
    trial.kill(3)
    trial.lose_disk(3)
    trial.work(3)


def two_disks_lost(trial):
    trial.reach(0.4)
    trial.fault()
    trial.kill(3, 4)
    trial.lose_disk(3, 4)
    trial.work(3)
    trial.work(4)


def coordinator_restarted(trial):
    """The host loses power: first no frame leaves it, then its process is gone."""
    trial.reach(0.3)
    trial.fault()
    trial.hosts.unplug(1)
    trial.coordinator.kill()
    time.sleep(3)
    trial.hosts.plug(1)
    trial.resume()


def asked_to_leave(trial):
    """A worker hands its states over and goes; another host with the same rows takes the place."""
    trial.reach(0.4)
    trial.fault()
    trial.ask_to_leave(3)
    trial.work(RESERVE, part=3)


def apart(trial):
    """From the start on; the clock begins when all are there."""
    trial.wait_until_all_joined()
    trial.fault()


def apart_later(trial):
    """A state may be on its way between the two."""
    trial.reach(0.3)
    trial.fault()
    trial.hosts.set_apart(3, 4)


SCENARIOS = {scenario.name: scenario for scenario in (
    Scenario("calm", calm),
    Scenario("slow-link", slow_link),
    Scenario("far", calm, far=(3,)),
    Scenario("unplugged", unplugged_for_a_while, LOST),
    Scenario("unplugged-for-good", unplugged_for_good, LOST, most_lost=20),
    Scenario("killed", killed, LOST),
    Scenario("disk-lost", disk_lost, LOST),
    Scenario("two-disks-lost", two_disks_lost, LOST),
    Scenario("coordinator", coordinator_restarted, r"waits for the run", by_worker=True),
    Scenario("leave", asked_to_leave, r"was asked to end"),
    Scenario("apart", apart, APART, apart=(3, 4)),
    Scenario("apart-later", apart_later, APART, most_lost=20),
)}
