"""Is hopping as exact as one machine? Trains the models of an experiment with several seeds, over eight partitions that hop
between two workers, and over one partition on one worker, and prints a table of both.

    python bench/seeds.py build/cli/hop [EXPERIMENT] [--seeds N] [--set KEY=VALUE]...

A model that hops sees all rows once in each epoch, as on one machine, but the rows of one partition behind each other. Needs
nothing but Python.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WAYS = {"hopping, 8 partitions": (8, 2), "one machine": (1, 1)}


def scores(hop, experiment, seed, partitions, workers, settings):
    """The validation accuracy of each model, by its settings."""
    with tempfile.TemporaryDirectory() as folder:
        run = f"{folder}/run"
        own = [f"seed={seed}", f"data.partitions={partitions}", f"run.workers={workers}"]
        subprocess.run([hop, "run", experiment, "--run-dir", run, *(word for each in (*own, *settings) for word in ("--set", each))],
                       check=True, capture_output=True, cwd=ROOT)
        models = json.loads(pathlib.Path(run, "results.json").read_text())["models"]
    return {", ".join(f"{key} {value}" for key, value in model["config"].items()): model["valid_accuracy"] for model in models}


def varying(names):
    """The parts of the names that are not the same in all."""
    parts = [name.split(", ") for name in names]
    shared = set(parts[0]).intersection(*parts)
    return {name: ", ".join(part for part in name.split(", ") if part not in shared) for name in names}


def table(runs):
    """`runs`: of each way, a list over seeds of {model: score}."""
    names = varying(list(runs["one machine"][0]))
    page = "| model | " + " | ".join(f"{way}: mean, deviation" for way in runs) + " | difference | of its standard error |\n"
    page += "| --- |" + " --- |" * (len(runs) + 2) + "\n"
    for model, name in names.items():
        hopping, alone = ([seed[model] for seed in seeds] for seeds in runs.values())
        error = math.sqrt((statistics.variance(hopping) + statistics.variance(alone)) / len(alone))
        difference = statistics.mean(hopping) - statistics.mean(alone)
        page += f"| {name} | " + " | ".join(f"{statistics.mean(x):.4f}, {statistics.stdev(x):.4f}" for x in (hopping, alone))
        page += f" | {difference:+.4f} | {difference / error if error else 0:+.1f} |\n"
    return page


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hop", type=pathlib.Path)
    parser.add_argument("experiment", nargs="?", default="examples/mnist_mlp.toml")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    arguments = parser.parse_args()
    print(table({way: [scores(arguments.hop.resolve(), arguments.experiment, seed, *how, arguments.settings)
                       for seed in range(1, arguments.seeds + 1)] for way, how in WAYS.items()}), end="")


if __name__ == "__main__":
    main()
