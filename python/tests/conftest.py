"""Tests of the package. They use the program that HOP_PROGRAM names and the library that HOP_C_LIBRARY names, or those
of the installed package. Rows are made by rules that a model learns in seconds."""

import math
from typing import Any, Dict

import numpy as np
import pytest

import hopscotch
from hopscotch import _program


def pytest_collection_modifyitems(items):
    """Without a program and a library, only the tests that need neither are left."""
    try:
        _program.program(), _program.library()
    except hopscotch.ConfigError as error:
        skip = pytest.mark.skip(reason=str(error))
        for item in items:
            if "folder" in getattr(item, "fixturenames", ()):
                item.add_marker(skip)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the test's own, in which hop is called."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def noise(i: int) -> float:
    return math.sin(12.9898 * i) * 43758.5453 % 1 - 0.5


def columns(rows: int, first: int = 0) -> Dict[str, Any]:
    """Classes that a number and a word tell apart, with missing values."""
    numbers = range(first, first + rows)
    return {
        "id": [f"row {i}" for i in numbers],
        "age": [None if i % 11 == 0 else 40 + (8 if i % 2 else -8) + 6 * noise(i) for i in numbers],
        "city": ["Kiel" if i % 2 else ("Bonn" if i % 4 else "Ulm, old") for i in numbers],
        "y": ["yes" if i % 2 else "no" for i in numbers],
    }


def experiment(**changes: Any) -> Dict[str, Any]:
    """Two models, one of which cannot learn."""
    sections: Dict[str, Any] = {
        "name": "toy",
        "seed": 3,
        "data": {"partitions": 2},
        "model": {"layers": ["flatten", "linear 8", "relu", "linear $outputs"]},
        "search": {"epochs": 6, "space": {"lr": [0.00001, 0.02], "batch_size": [16], "optimizer": "adam"}},
        "run": {"workers": 2},
    }
    for name, section in changes.items():
        sections[name] = {**sections[name], **section} if isinstance(section, dict) else section
    return sections


def points(rows: int, first: int = 0):
    """Two classes of points of the plane."""
    numbers = range(first, first + rows)
    x = np.array([[2 * (i % 2) + noise(i), noise(7 * i)] for i in numbers], np.float32)
    return x, np.array([i % 2 for i in numbers])
