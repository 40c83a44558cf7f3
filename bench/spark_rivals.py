"""Ways to choose a classifier on Spark, one after the other on the same two cores: docs/spark.md, "Against others".

    python bench/spark_rivals.py [--rows 30000] [--ingest-mb 250,500,1000] [--to FOLDER]

Each contestant is an application of its own on the same master. It reads the same file of rows, with the same folds and
the same test rows, and chooses among eight configurations: each is trained once per fold, and the best one once more on
all training rows. FOLDER gets spark-rivals.md and spark-rivals.json. A contestant that cannot run is named, with the
reason. Needs pyspark 3.5 or 4, Java, and Hopscotch (its wheel, or PYTHONPATH, HOP_PROGRAM and HOP_C_LIBRARY); for the
contestants that are made of them, PyTorch and xgboost.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from spark_contestants import BATCH, CLASSES, CONTESTANTS, NETS, RATES, WIDTH
from spark_watched import Watched, shuffled

CONTESTANT = str(Path(__file__).resolve().with_name("spark_contestants.py"))


def make_rows(folder, rows, folds):
    """Rows of normal numbers, their classes as a random net sees them, one label of twenty by chance. A fifth are test
    rows, whose fold is -1."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(7)
    x = random.standard_normal((rows, WIDTH)).astype(np.float32)
    hidden = np.tanh(x @ random.standard_normal((WIDTH, 32)) / np.sqrt(WIDTH))
    label = (hidden @ random.standard_normal((32, CLASSES))).argmax(1)
    label = np.where(random.random(rows) < 0.05, random.integers(0, CLASSES, rows), label)
    fold = np.where(np.arange(rows) % 5 == 0, -1, random.integers(0, folds, rows))
    columns = {
        "x": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), WIDTH).cast(pa.list_(pa.float32())),
        "label": pa.array(label.astype(np.float64)),
        "fold": pa.array(fold.astype(np.int32)),
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet", row_group_size=max(1, rows // 8))


def measured(name, job, folder):
    """The facts of a contestant: its own, and those that are seen from outside."""
    place = folder / name.replace(" ", "-")
    events = place / "events"
    events.mkdir(parents=True)
    job = {**job, "name": name.partition(" ")[0], "events": str(events), "answer": str(place / "answer.json")}
    (place / "job.json").write_text(json.dumps(job))
    print(f"spark_rivals: {name}", file=sys.stderr, flush=True)
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    with open(place / "log", "wb") as log, Watched(environment) as watched:
        words = [sys.executable, CONTESTANT, str(place / "job.json")]
        child = subprocess.Popen(words, cwd=place, env=watched.environment, stdout=log, stderr=log)
        watched.follow(child)
    if not (place / "answer.json").is_file():
        lines = [line for line in (place / "log").read_text(errors="replace").splitlines() if line.strip()]
        return {"missing": f"failed: {lines[-1][:300] if lines else 'no word'}"}
    facts = json.loads((place / "answer.json").read_text())
    return facts if "missing" in facts else {**facts, **watched.facts(), "shuffle_bytes": shuffled(events)}


# ---- the page


def page(job, facts):
    done = {name: found for name, found in facts["contestants"].items() if "missing" not in found}
    everyone = [*facts["contestants"].values(), *facts["ingest"].values()]
    busy = max((found["others"] for found in everyone if "others" in found), default=0)
    nets = ", ".join(f"{first}-{second}" for first, second in NETS[: job["nets"]])
    text = (
        f"{job['rows']} rows of {WIDTH} numbers in {CLASSES} classes, a fifth of them test rows; {job['folds']} folds; "
        f"nets of two hidden layers ({nets}; {job['activation']}), learning rates {RATES}, batches of {BATCH}, "
        f"{job['epochs']} epochs; {job['trees']} trees a class. Master `{job['master']}`, {facts['machine']}, "
        f"{facts['date']}. Other processes took at most {busy:.0%} of the machine"
        + (": **a busy machine, so these times are no result**" if busy > 0.1 else "")
        + ".\n\n| | s | processor s | accuracy on test rows | trainings | MB shuffled by Spark | MB over loopback | "
        "driver, peak MB | all processes, peak MB |\n| --- |" + " ---: |" * 8 + "\n"
    )
    for name, found in done.items():
        cells = [found["seconds"], found["processor_seconds"]]
        text += f"| {CONTESTANTS[name][0]} | " + " | ".join(f"{cell:.0f}" for cell in cells)
        text += f" | {found['accuracy']:.3f} | {found['trainings']} | "
        sizes = [found[key] / 1e6 for key in ("shuffle_bytes", "loopback_bytes", "driver_bytes", "all_bytes")]
        text += " | ".join(f"{size:.1f}" if size < 100 else f"{size:.0f}" for size in sizes) + " |\n"
    for name, found in facts["contestants"].items():
        if "missing" in found:
            text += f"\nNot run: {CONTESTANTS[name][0]}: {found['missing']}\n"
    if facts["ingest"]:
        text += "\n| rows of 784 f32 | s until all partitions are written | MB/s | MB/s per core | driver, peak MB |\n"
        text += "| ---: | ---: | ---: | ---: | ---: |\n"
    for size, found in facts["ingest"].items():
        if "missing" in found:
            text += f"| {size} MB | {found['missing']} | | | |\n"
            continue
        cells = [f"{found[key]:.1f}" for key in ("ingest_seconds", "megabytes_per_second", "per_core")]
        text += " | ".join([f"| {size} MB", *cells, f"{found['driver_bytes'] / 1e6:.0f} |\n"])
    return text


def write(job, facts, folder):
    """After each contestant: who stops the script keeps what is known."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spark-rivals.json").write_text(json.dumps(facts, indent=2) + "\n")
    (folder / "spark-rivals.md").write_text(page(job, facts))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(CONTESTANTS), help="of " + ",".join(CONTESTANTS) + '; "" for none')
    parser.add_argument("--rows", type=int, default=30000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--nets", type=int, choices=(1, 2, 4), default=4, help="of the four; few to try the script")
    parser.add_argument("--trees", type=int, default=100, help="rounds of boosting")
    parser.add_argument("--activation", choices=("sigmoid", "relu", "tanh"), default="sigmoid", help="Spark ML has one")
    parser.add_argument("--ingest-mb", default="250,500,1000", help='sizes of the ingest; "" for none')
    parser.add_argument("--master", default="local-cluster[2,1,1024]", help="with two task slots")
    parser.add_argument("--to", type=Path, default=Path("."))
    return parser.parse_args()


def main():
    given = arguments()
    names = [name for name in given.only.split(",") if name]
    unknown = sorted(set(names) - set(CONTESTANTS))
    if unknown:
        sys.exit(f"[--only] expected of {', '.join(CONTESTANTS)}, got {unknown[0]}")
    with tempfile.TemporaryDirectory(prefix="hopscotch-rivals-") as text:
        folder = Path(text)
        job = {key: getattr(given, key) for key in ("rows", "epochs", "folds", "nets", "trees", "activation", "master")}
        make_rows(folder, given.rows, given.folds)
        machine = f"{os.cpu_count()} cores, {platform.platform()}"
        facts = {"job": job, "date": time.strftime("%Y-%m-%d"), "machine": machine, "contestants": {}, "ingest": {}}
        job = {**job, "folder": text, "iterations": given.epochs}
        for name in names:
            facts["contestants"][name] = measured(name, {**job, **CONTESTANTS[name][2]}, folder)
            write(job, facts, given.to)
        for size in [int(size) for size in given.ingest_mb.split(",") if size]:
            facts["ingest"][size] = measured(f"ingest {size}", {**job, "megabytes": size}, folder)
            write(job, facts, given.to)
    print(page(job, facts))


if __name__ == "__main__":
    main()
