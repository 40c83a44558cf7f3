"""docs/compare.md: every strategy on four experiments, by hop compare, as pictures and tables.

    python bench/compare_pages.py build/cli/hop DATA [FOLDER] [--only NAME] [--redraw]

DATA has the folders mnist and cifar10; the table of clicks is made. FOLDER (docs) receives compare.md and, in compare/,
NAME.json and NAME.svg for each experiment. `--redraw` makes page and pictures from the JSON that is there, without runs.
Needs nothing but Python.
"""
import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPLICAS = ("allreduce", "averaging", "parameter_server")
PREDICTED = ("hopping", "task_parallel")  # whose units have no exchange in their times
# Run beside the strategy as it is: (strategy, words, a setting). Scaled rates are tried beside those of the grid.
VARIANTS = (
    ("task_parallel", "replicate", "run.task_data=replicate"),
    ("task_parallel", "remote", "run.task_data=remote"),
    ("allreduce", "lr sqrt", "run.lr_scale=sqrt"),
    ("allreduce", "lr linear", "run.lr_scale=linear"),
)

# name: (experiment, what stands in DATA, words)
EXPERIMENTS = {
    "mnist_mlp": ("examples/mnist_mlp.toml", "mnist", "MNIST, eight perceptrons of one hidden layer"),
    "mnist_lenet": ("examples/mnist_lenet.toml", "mnist", "MNIST, eight LeNets"),
    "cifar10_resnet": ("examples/compare/cifar10_resnet.toml", "cifar10", "CIFAR-10, four ResNets of eight layers"),
    "clicks": ("examples/compare/clicks.toml", None, "a table of clicks with the shape of Criteo's, eight perceptrons"),
}


# ---- runs

def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    return {"machine": f"{model}, {cores()} cores", "cores": cores(), "load": round(os.getloadavg()[0], 1)}


def cores():
    return len(os.sched_getaffinity(0))


def compare(hop, experiment, source, folder, *options):
    command = [hop, "compare", ROOT / experiment, "--set", f"data.source={source}", "--to", folder, *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"compare_pages: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return json.loads((folder / "compare.json").read_text())


def predicted(hop, experiment, source, folder, trial):
    """What the simulator says of a run from the times of its units."""
    command = [hop, "simulate", ROOT / experiment, "--set", f"data.source={source}", "--strategies", trial["strategy"], "--workers", trial["workers"],
               "--measured", folder / f"{trial['strategy']}-{trial['workers']}", "--json"]
    line, = json.loads(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)
    return line["seconds"]


def run(hop, name, data, scratch):
    """Yields what is known after each step: first all strategies, then their variants."""
    experiment, part, _ = EXPERIMENTS[name]
    if part is None:
        source = scratch / f"{name}.csv"
        subprocess.run([sys.executable, ROOT / f"examples/compare/{name}.py", source], check=True)
    else:
        source = data / part
    result = compare(hop, experiment, source, scratch / name)
    result = {"date": time.strftime("%Y-%m-%d"), **machine(), **result}
    result["trials"] = [{**trial, "variant": ""} for trial in result["trials"]]
    for trial in result["trials"]:
        if trial["strategy"] in PREDICTED:
            trial["predicted_seconds"] = predicted(hop, experiment, source, scratch / name, trial)
    yield result
    for number, (strategy, variant, setting) in enumerate(VARIANTS):
        measured = compare(hop, experiment, source, scratch / f"{name}-{number}", "--strategies", strategy, "--set", setting)
        result["trials"] += [{**trial, "variant": variant} for trial in measured["trials"]]
        yield result


def read(file):
    """The trials of a file; older ones knew no variants but scaled rates."""
    result = json.loads(file.read_text())
    for trial in result["trials"]:
        scale = trial.get("lr_scale", "none")
        trial.setdefault("variant", "" if scale == "none" else f"lr {scale}")
    return result


# ---- words

def title(trial):
    return trial["strategy"] + (f", {trial['variant']}" if trial["variant"] else "")


def has_rates_of_the_grid(trial):
    return not trial["variant"].startswith("lr")


def capital(what):
    return what[0].upper() + what[1:]


def shown(value):
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def score(value):
    return "-" if value is None else f"{value:.4f}"


# Measured beside each other: (title, unit, of a trial). Less is better.
COSTS = (
    ("time", "s", lambda t: t["wall_seconds"]),
    ("processor time", "s", lambda t: t["cpu_seconds"]),
    ("sent between workers", "MB", lambda t: (t["hop_bytes"] + t["gradient_bytes"] + t["data_bytes"]) / 1e6),
    ("rows on a worker", "MB", lambda t: t["data_bytes_per_worker"] / 1e6),
    ("rows on all workers", "MB", lambda t: t["data_bytes_stored"] / 1e6),
    ("memory of a worker", "MB", lambda t: t["peak_rss_bytes"] / 1e6),
)


def table(result):
    trials = result["trials"]
    page = f"| strategy | best {result['objective']} | " + " | ".join(f"{name}, {unit}" for name, unit, _ in COSTS) + " | bits |\n"
    page += "| --- |" + " --- |" * (len(COSTS) + 2) + "\n"
    for trial in trials:
        bits = "the same" if trial["state_sha256"] == trials[0]["state_sha256"] else "other ones"
        cells = [shown(of(trial)) for _, _, of in COSTS]
        page += f"| `{trial['strategy']}`{title(trial).removeprefix(trial['strategy'])} | {score(trial['best_score'])} | " + " | ".join(cells) + f" | {bits} |\n"
    return page


def findings(result):
    """What is seen, sentence by sentence; a rival's win is said as plainly as ours."""
    hopping, *rivals = result["trials"]
    sign = 1 if result["higher_is_better"] else -1
    lines = []
    scored = [t for t in result["trials"] if t["best_score"] is not None]
    best = max(scored, key=lambda t: sign * t["best_score"])
    same = [title(t) for t in rivals if t["state_sha256"] == hopping["state_sha256"]]
    if sign * best["best_score"] > sign * hopping["best_score"]:
        lines.append(f"**A rival wins the score:** {title(best)} reaches {score(best['best_score'])}, hopping {score(hopping['best_score'])}.")
    else:
        lines.append(f"No rival scores better than hopping ({score(hopping['best_score'])})"
                     + (f"; {', '.join(same)} {'has' if len(same) == 1 else 'have'} the same bits." if same else "."))
    behind = [t for t in scored if has_rates_of_the_grid(t) and sign * t["best_score"] < sign * hopping["best_score"]]
    if behind:
        lines.append("Behind it, with the learning rates of the grid: " + ", ".join(f"{title(t)} {score(t['best_score'])}" for t in behind) + ".")
    told = [t for t in result["trials"] if "predicted_seconds" in t]
    if told:
        lines.append("`hop simulate`, from the times of the units, against the run: " + ", ".join(
            f"{title(t)} {shown(t['predicted_seconds'])} s, {100 * (t['predicted_seconds'] / t['wall_seconds'] - 1):+.1f} %" for t in told)
            + ". The start of the run is not predicted.")
    busy = result["load"] > result["cores"] + 1
    for name, unit, of in COSTS:
        if name == "time" and busy:
            lines.append(f"The machine was busy (load {result['load']:g} on {result['cores']} cores): times compare nothing here, processor time does.")
            continue
        fair = [t for t in rivals if has_rates_of_the_grid(t)]
        better = [f"{title(t)} {shown(of(t))}" for t in fair if of(t) < 0.97 * of(hopping)]
        if better:
            lines.append(f"**Less {name} than hopping** ({shown(of(hopping))} {unit}): {', '.join(better)}.")
    return "".join(f"- {line}\n" for line in lines)


# ---- the picture: the best score over time, then bars

COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#57606a", "#9a6700", "#0a7f8f", "#5b4636")
STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-weight: bold } .small { font-size: 11px; fill: #6e7781 }
polyline { fill: none; stroke-width: 2 } line { stroke: #d0d7de }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } rect.page { fill: #0d1117 } line { stroke: #30363d }
}
</style>
"""
WIDTH, LEFT, ROW = 880, 60, 19


def words(x, y, what, kind="", anchor="start"):
    return f"<text class='{kind}' x='{x:.0f}' y='{y:.0f}' text-anchor='{anchor}'>{escape(what)}</text>\n"


def staircases(result, top, height=230):
    trials = [t for t in result["trials"] if t["score_over_time"]]
    scores = sorted(value for t in trials for _, value in t["score_over_time"])
    # Most first scores are far below the rest: the axis begins at the lowest last one, with some room.
    ends = [t["score_over_time"][-1][1] for t in trials]
    low, high = min(ends), max(ends)
    margin = max(high - low, 1e-3)
    low, high = max(scores[0], low - margin), min(scores[-1], high + margin)
    last = max(t["wall_seconds"] for t in trials)
    x = lambda seconds: LEFT + (WIDTH - LEFT - 40) * seconds / last
    y = lambda value: top + height - height * (min(max(value, low), high) - low) / ((high - low) or 1)
    svg = words(14, top - 12, f"Best {result['objective']} over time, seconds", "title")
    for i in range(5):
        value, seconds = low + (high - low) * i / 4, last * i / 4
        svg += f"<line x1='{LEFT}' x2='{WIDTH - 40}' y1='{y(value):.1f}' y2='{y(value):.1f}'/>\n"
        svg += words(LEFT - 6, y(value) + 4, f"{value:.3f}", "small", "end") + words(x(seconds), top + height + 16, f"{seconds:.3g}", "small", "middle")
    for i, trial in enumerate(result["trials"]):
        moments = trial["score_over_time"] and trial["score_over_time"] + [[trial["wall_seconds"], trial["score_over_time"][-1][1]]]
        points = [f"{x(t):.1f},{y(v):.1f}" if k == 0 else f"{x(t):.1f},{y(moments[k - 1][1]):.1f} {x(t):.1f},{y(v):.1f}"
                  for k, (t, v) in enumerate(moments)]
        svg += f"<polyline stroke='{COLOURS[i % len(COLOURS)]}' points='{' '.join(points)}'/>\n"
    return svg, top + height + 44


def bars(result, top):
    svg, columns, column = "", 2, WIDTH // 2
    names, starts, longest = 150, 158, 190
    for index, (name, unit, of) in enumerate((("best " + result["objective"], "", lambda t: t["best_score"] or 0), *COSTS)):
        x, y = (index % columns) * column, top + (index // columns) * (ROW * len(result["trials"]) + 40)
        most = max(of(t) for t in result["trials"]) or 1
        svg += words(x + 14, y, f"{name}{', ' + unit if unit else ''}", "title")
        for i, trial in enumerate(result["trials"]):
            at, length = y + 8 + ROW * i, max(1, longest * of(trial) / most)
            svg += words(x + names, at + 12, title(trial), anchor="end")
            svg += f"<rect x='{x + starts}' y='{at + 2}' width='{length:.1f}' height='12' fill='{COLOURS[i % len(COLOURS)]}'/>\n"
            svg += words(x + starts + length + 6, at + 12, score(of(trial)) if index == 0 else shown(of(trial)), "small")
    rows = -(-(1 + len(COSTS)) // columns)
    return svg, top + rows * (ROW * len(result["trials"]) + 40)


def picture(result, what):
    lines, y = staircases(result, 76)
    below, y = bars(result, y + 10)
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {y + 10:.0f}'>\n{STYLE}"
    svg += "<rect class='page' width='100%' height='100%' fill='#ffffff'/>\n" + words(14, 24, what, "title")
    svg += words(14, 42, f"{result['date']}, {result['machine']}", "small")
    return svg + lines + below + "</svg>\n"


# ---- the page

HEAD = """# Every strategy on the same models

Made by `./dev compare` from runs of `hop compare`; the text stands in `bench/compare_pages.py`, and every number was measured.
[strategies.md](strategies.md) says what each strategy does, [rivals.md](rivals.md) has the real systems beside ours.

Each experiment has one grid, one seed, four partitions and two worker processes. All strategies train the same models over the
same rows for as many epochs. `batch_size` is that of one replica, as in Horovod and DistributedDataParallel: with four
replicas, `allreduce` makes a quarter of the updates. So it stands there three times, with the learning rates of the grid, and
with these times 2 and times 4 (`lr_scale = "sqrt"` and `"linear"`). `task_parallel` stands there three times, too: each worker
has all rows from the start, or only its own ones and copies the others first (`task_data = "replicate"`), or reads them for
each pass (`"remote"`).

"bits" compares the final states of all models with those of hopping. With small data hopping moves more bytes than it saves: a
state is a large part of a data set of a few megabytes, and `task_parallel` moves none if the rows are everywhere already.

Scores are of one seed, on 1,666 rows of MNIST, 2,000 of CIFAR-10 and 8,000 of the table: the standard error of an accuracy of
0.95 on 1,666 rows is 0.005, so less than that is no difference. Scaled rates widen the grid for `allreduce` alone. That
flatters it; leaving them out would flatter hopping, because many systems scale the rate by themselves.

"""


def missing(result, results):
    """What other experiments have and this one lacks: its runs were stopped early."""
    all_titles = dict.fromkeys(title(trial) for each in results.values() for trial in each["trials"])
    absent = [name for name in all_titles if name not in map(title, result["trials"])]
    return f"- Not run here: {'; '.join(absent)}.\n" if absent else ""


def page_of(results):
    page = HEAD
    for name, result in results.items():
        experiment, _, what = EXPERIMENTS[name]
        page += f"## {capital(what)}\n\n`hop compare {experiment}`, {result['date']}, {result['machine']}, load {result['load']:g}; "
        page += f"the file: [{name}.json](compare/{name}.json).\n\n![{what}](compare/{name}.svg)\n\n{findings(result)}{missing(result, results)}\n{table(result)}\n"
    return page.rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hop", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path, nargs="?", default=ROOT / "docs")
    parser.add_argument("--only", choices=EXPERIMENTS)
    parser.add_argument("--redraw", action="store_true")
    arguments = parser.parse_args()
    kept = arguments.folder / "compare"
    kept.mkdir(parents=True, exist_ok=True)
    if not arguments.redraw:
        with tempfile.TemporaryDirectory() as scratch:
            for name in [arguments.only] if arguments.only else EXPERIMENTS:
                for result in run(arguments.hop.resolve(), name, arguments.data.resolve(), pathlib.Path(scratch)):
                    (kept / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
                    print(f"{name}: {len(result['trials'])} trials", flush=True)
    results = {name: read(kept / f"{name}.json") for name in EXPERIMENTS if (kept / f"{name}.json").exists()}
    for name, result in results.items():
        (kept / f"{name}.svg").write_text(picture(result, capital(EXPERIMENTS[name][2])))
    (arguments.folder / "compare.md").write_text(page_of(results))


if __name__ == "__main__":
    main()
