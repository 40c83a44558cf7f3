"""A data set whose partitions are written on several machines."""

import json

import numpy as np
import pytest

import hopscotch
from conftest import points
from hopscotch._share import VALIDATION, Share, digest, manifest

SCHEMA = {"shape": [2], "classes": 2, "partitions": 3, "seed": 5}


def share(folder, places, schema=SCHEMA):
    """A share with 20 rows in each of these partitions, always the same ones, and 10 validation rows."""
    made = Share(folder, schema)
    for place in places:
        x, y = points(20, first=100 * (place + 1)) if place != VALIDATION else points(10, first=900)
        made.append(place, x[:7], y[:7])
        made.append(place, np.ascontiguousarray(x[7:]), np.ascontiguousarray(y[7:]))
    return made


def data_set(folder, *deal):
    """Written by so many machines; returns the text of the manifest."""
    shares = [share(folder, places) for places in deal]
    measured = [each.measure() for each in shares]
    found = digest(SCHEMA, sum(measured, []))
    written = [each.write(parts, found) for each, parts in zip(shares, measured)]
    text = manifest(SCHEMA, sum(written, []))
    (folder / "manifest.json").write_text(text)
    return text


def test_the_data_set_does_not_depend_on_who_wrote_what(folder):
    together = data_set(folder / "a", [0, 1, 2, VALIDATION])
    apart = data_set(folder / "b", [2, VALIDATION], [0, VALIDATION], [VALIDATION, 1])
    assert apart == together
    for name in ("part-00000.hopd", "part-00001.hopd", "part-00002.hopd", "valid.hopd"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()
    facts = json.loads(together)
    assert facts["rows"] == 60 and facts["validation"]["rows"] == 10
    rows = np.concatenate([points(20, first=100 * (q + 1))[0] for q in range(3)]).astype(np.float64)
    np.testing.assert_allclose([f["offset"] for f in facts["features"]], rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose([f["factor"] for f in facts["features"]], 1 / rows.std(0), rtol=1e-12)


def test_a_run_trains_over_it(folder):
    data_set(folder / "data", [0, VALIDATION], [1, 2])
    result = hopscotch.run(
        {
            "model": {"layers": ["linear 8", "relu", "linear $outputs"]},
            "search": {"epochs": 8, "space": {"lr": 0.03, "batch_size": 8, "optimizer": "adam"}},
        },
        data="data",
        progress=False,
    )
    x, y = points(100, first=5000)
    assert np.mean(result.predict(x) == y) > 0.9


def test_numbers_to_predict_and_weights(folder):
    schema = {"shape": [2], "numbers": ["price"], "weights": True, "partitions": 2}
    made = Share(folder / "data", schema)
    x, _ = points(12)
    y, w = (3 * x[:, 0] + 1).astype(np.float32), np.arange(12, dtype=np.float32)
    made.append(0, x[:5], y[:5], w[:5])
    made.append(1, np.ascontiguousarray(x[5:]), y[5:].copy(), w[5:].copy())
    measured = made.measure()
    facts = json.loads(manifest(schema, made.write(measured, digest(schema, measured))))
    target = facts["targets"][0]
    assert target["name"] == "price"
    assert [column["name"] for column in facts["columns"]] == ["x", "y", "w"]
    assert facts["validation"] is None


def test_what_does_not_fit_together_is_an_error(folder):
    made = share(folder / "data", [0, 2])
    with pytest.raises(hopscotch.DataError, match="got none in partition 1"):
        digest(SCHEMA, made.measure())
    other = Share(folder / "other", SCHEMA)
    for place in (0, 1):
        other.append(place, *points(20, first=7))
    with pytest.raises(hopscotch.DataError, match="partition 0 with one content"):
        digest(SCHEMA, made.measure() + other.measure())
    with pytest.raises(hopscotch.DataError, match="expected a partition below 3"):
        made.append(3, *points(1))
    with pytest.raises(hopscotch.DataError, match="labels from 0 to 1"):
        made.append(0, np.zeros((1, 2), np.float32), np.array([2]))
    with pytest.raises(hopscotch.DataError, match="the file of partition 0"):
        manifest({**SCHEMA, "partitions": 1}, share(folder / "c", [0], {**SCHEMA, "partitions": 1}).measure())
    with pytest.raises(hopscotch.DataError, match="parts of a data set as JSON"):
        digest(SCHEMA, [{"part": "zero"}])
