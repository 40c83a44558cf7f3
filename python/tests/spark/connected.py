"""What the scripts of test_connect.py use: a session of Spark Connect, and the runs and harms of the other tests."""

import hopscotch
from hopscotch.spark import HopClassificationModel, HopClassifier

from .conftest import configured, hashes, points
from .harm import At, kill_a_task, long_run
from .test_fit import LAYERS, TRAINED, accuracy


def connect(master):
    """The server runs in a JVM of this process, over the master."""
    return configured(master, connect=True).getOrCreate()


__all__ = [
    "At",
    "HopClassificationModel",
    "HopClassifier",
    "LAYERS",
    "TRAINED",
    "accuracy",
    "connect",
    "hashes",
    "hopscotch",
    "kill_a_task",
    "long_run",
    "points",
]
