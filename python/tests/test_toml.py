"""Experiments as text."""

import numpy as np
import pytest

import hopscotch
from hopscotch import Experiment, _toml


def test_values_are_written_as_toml_reads_them():
    tomllib = pytest.importorskip("tomllib")
    values = {
        "truth": True,
        "whole": -3,
        "fraction": 1e-05,
        "one": 1.0,
        "text": 'a "quote", a \\ and a \u0001 \x7f ü',
        "list": [1, "x", [0.5]],
        "table": {"a.b": {"c d": "e"}, "empty": {}},
        "array": np.array([0.25, 2.0]),
        "scalar": np.int64(7),
    }
    text = "".join(f"{_toml.key(name)} = {_toml.value(value)}\n" for name, value in values.items())
    read = tomllib.loads(text)
    assert read == {**values, "array": [0.25, 2.0], "scalar": 7}
    assert isinstance(read["one"], float) and isinstance(read["scalar"], int)


def test_an_experiment_is_the_same_after_another_trip(tmp_path):
    pytest.importorskip("tomllib")
    made = Experiment(
        name="digits",
        seed=7,
        data={"columns": {"zip code": "category"}},
        model={"layers": ["linear $h"], "loss": "mse"},
        search={
            "epochs": 3,
            "space": {
                "lr": hopscotch.loguniform(1e-4, 1e-2),
                "h": hopscotch.integers(8, 64),
                "d": hopscotch.choice(0.0, 0.5),
            },
        },
    )
    made.save(tmp_path / "e.toml")
    assert Experiment.from_file(tmp_path / "e.toml") == made
    assert "[search.space]\nlr = { min = 0.0001, max = 0.01, scale = \"log\" }" in made.to_toml()


def test_a_key_that_no_experiment_has_is_named():
    with pytest.raises(hopscotch.ConfigError, match="got 'serach'"):
        Experiment.from_dict({"serach": {}})
    with pytest.raises(hopscotch.ConfigError, match=r"\[model\] expected a dictionary"):
        Experiment.from_dict({"model": "mlp"})
    with pytest.raises(hopscotch.ConfigError, match="expected a number"):
        Experiment(data={"source": object()}).to_toml()
