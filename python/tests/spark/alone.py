"""The rows of a DataFrame as a data set of this machine, and what `hop run` makes of them without Spark."""

import json

import numpy as np

import hopscotch
from hopscotch._share import Share, digest, manifest
from hopscotch.spark import _rows

from .conftest import hashes


def data_set_of(rows, folder):
    """The rows of a prepared DataFrame, collected and written on this machine."""
    with_places = rows.frame.rdd.mapPartitionsWithIndex(lambda i, it: [(i, tuple(row)) for row in it]).collect()
    share = Share(folder, rows.schema)
    seen = {}
    for place, (q, x, y, *w) in with_places:
        seen.setdefault((q, place if q < 0 else 0), []).append((x, y, *w))
    for (q, place), found in sorted(seen.items()):
        if q < 0 and place > 0:  # each worker has the validation rows
            assert found == seen[(-1, 0)]
            continue
        x = np.array([row[0] for row in found], np.float32)
        y = np.array([row[1] for row in found], np.float32 if "numbers" in rows.schema else np.int64)
        w = np.array([row[2] for row in found], np.float32) if "weights" in rows.schema else None
        share.append(q, x, y, w)
    measured = share.measure()
    text = manifest(rows.schema, share.write(measured, digest(rows.schema, measured)))
    (folder / "manifest.json").write_text(text)
    return json.loads(text)


def prepared(frame, workers, **changes):
    columns = _rows.Columns("x", "label")
    return _rows.prepare(frame, columns, _rows.Plan(is_class=True, partitions=4, workers=workers, seed=3, **changes))


def hashes_alone(frame, sections, folder):
    """The SHA-256 of the models that `hop run` trains on the rows, with one worker of this machine."""
    data_set_of(prepared(frame, workers=1), folder / "rows")
    sections = {name: section for name, section in sections.items() if name != "data"}
    result = hopscotch.run(sections, data=str(folder / "rows"), workers=1, run_dir=str(folder / "run"), progress=False)
    return hashes(result)
