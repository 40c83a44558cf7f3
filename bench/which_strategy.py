"""docs/which-strategy.md: which strategy for my job. Simulated for the jobs of examples/jobs, measured on the demo.

    python bench/which_strategy.py build/cli/hop [FOLDER]

The text stands here; every number of the page is one that hop said. Needs nothing but Python.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

from papers import FOLDER, HOP, ROOT, RUN, shown

SYSTEMS = ("hopping", "task_parallel", "remote_reads", "allreduce", "averaging", "parameter_server")
JOBS = ("desks", "images", "unequal", "two_models", "small_data", "large_models")

HEAD = """# Which strategy for my job

Made by `./dev papers`; the numbers are those of `hop simulate` and `hop compare`, and the text stands in
`bench/which_strategy.py`. [strategies.md](strategies.md) says what each strategy does.

| your job | take | because |
| --- | --- | --- |
| several models, the data lie on several nodes or do not fit on one | `hopping` | each node keeps its part; a state is small beside the data and hops while another model trains |
| several models, every node has room for all data and has them already | `task_parallel` | the same bits as hopping, and nothing moves |
| several models, small data | either | copying costs nothing; [below](#simulated) both take the same time |
| fewer models than half the workers | `allreduce`, on a fast network with large batches | hopping and tasks leave workers without work: a model trains on one worker at a time |
| one model is much longer than all others together on a worker | `allreduce`, on a fast network | a model that hops or stays is never quicker than on one worker ([`unequal`](#simulated)) |
| one model | `allreduce` | the same; on one machine `hopping` with one worker is plain training |
| a slow network, gradients do not get through | `hopping` | bytes do not grow with the number of batches |
| the result must be compared with Horovod, DistributedDataParallel, Spark or a parameter server | that strategy's name | the arithmetic is theirs; the scores are not those of hopping |

`averaging` is as quick as hopping with many models, and several times as quick with few or unequal ones, because it splits a model
over all workers. It can average after some steps, an epoch, or several passes (`average_every`, `average_passes`). The papers report lower scores for it: VLDB 2020,
Figure 7B, has errors of 70 % where hopping has 48 % (read by eye off the plot). Scores depend on the job, so try it:
`hop compare FILE` runs every strategy on your own data and writes a page with scores and costs.

Ask for your own job: put its sizes into a file like `examples/jobs/desks.toml` and run `hop simulate FILE`. Where a run exists
already, `hop simulate EXPERIMENT.toml --measured RUN --workers 2,8,100` takes times and sizes from it.

"""

SIMULATED = """## Simulated

`hop simulate FILE` for the files of `examples/jobs/`. Hours from the first unit to the last; the shortest is bold, and those within 2 % of it.
Replicas go by formula and hide no exchange, so with overlap they take less. What else is left out stands in
[papers.md](papers.md), with what that means for the times of the papers. Hours say nothing about scores: strategies with replicas train other models.

"""

MEASURED = """## Measured

`hop compare examples/demo.toml --strategies STRATEGIES`: eight models, five epochs, four partitions of generated images, two worker processes of one
machine. Times are not here: those of a job of seconds say nothing about large ones, and the page that the command writes has
them. What can be read here: whose bits are equal, whose scores are the best after as many epochs, what moves, and what a worker
holds.

"""


def hop(*arguments):
    done = subprocess.run([HOP, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"which_strategy: hop {' '.join(map(str, arguments))}\n{done.stderr}")
    return done.stdout


def simulated():
    head = "| job | " + " | ".join(f"`{name}`" for name in SYSTEMS) + " |\n| --- |" + " --- |" * len(SYSTEMS) + "\n"
    hours, sent, stored, words = head, head, head, ""
    for name in JOBS:
        path = ROOT / f"examples/jobs/{name}.toml"
        comment = path.read_text().splitlines()[0].removeprefix("# ").replace(" For docs/which-strategy.md and hop simulate.", "")
        words += f"- `{name}`: {comment[0].lower()}{comment[1:]}\n"
        rows = {row["strategy"]: row for row in json.loads(hop("simulate", path, "--json"))}
        best = min(rows[system]["seconds"] for system in SYSTEMS)
        cells = [shown(rows[system]["seconds"] / 3600) for system in SYSTEMS]
        bold = [f"**{cell}**" if rows[system]["seconds"] <= 1.02 * best else cell for cell, system in zip(cells, SYSTEMS)]
        hours += f"| `{name}` | " + " | ".join(bold) + " |\n"
        sent += f"| `{name}` | " + " | ".join(
            shown((sum(rows[system][kind] for kind in RUN) + rows[system]["copied_bytes"]) / 1e9) for system in SYSTEMS) + " |\n"
        stored += f"| `{name}` | " + " | ".join(shown(rows[system]["worker_bytes"] / 1e9) for system in SYSTEMS) + " |\n"
    return (words + "\nHours:\n\n" + hours + "\nGB sent between nodes, data that are copied before the run included:\n\n" + sent
            + "\nGB that a worker has to hold, data included, activations not:\n\n" + stored)


def measured():
    with tempfile.TemporaryDirectory() as folder:
        hop("compare", ROOT / "examples/demo.toml", "--to", pathlib.Path(folder) / "c")
        trials = json.loads((pathlib.Path(folder) / "c" / "compare.json").read_text())["trials"]
    page = MEASURED.replace("STRATEGIES", ",".join(trial["strategy"] for trial in trials))
    page += "| strategy | best accuracy | MB of states | MB of rows per worker | bits |\n"
    page += "| --- | --- | --- | --- | --- |\n"
    for trial in trials:
        bits = "the same" if trial["state_sha256"] == trials[0]["state_sha256"] else "other ones"
        page += (f"| `{trial['strategy']}` | {shown(trial['best_score'])} | "
                 f"{shown(trial['hop_bytes'] / 1e6)} | "
                 f"{shown(trial['data_bytes_per_worker'] / 1e6)} | {bits} |\n")
    return page


if __name__ == "__main__":
    (FOLDER / "which-strategy.md").write_text(HEAD + SIMULATED + simulated() + "\n" + measured())
