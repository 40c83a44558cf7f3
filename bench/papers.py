"""The comparing figures of the papers on model hopping, redrawn: what hop simulate says beside what was published.

    python bench/papers.py build/cli/hop [FOLDER]

Reads examples/papers/*.toml, writes FOLDER/papers.md and FOLDER/papers/NAME.svg (FOLDER: docs). Needs nothing but Python.
Each file has a [job], which hop simulate reads, and one or more [[figure]], which are read here:

    name, unit     of the picture and the table
    measure        a number of hop simulate --json, or one of MEASURES below
    divide_by      from that number to the unit
    x, x_name, at  the places on the axis; for each, the overrides that it sets (--set)
    series         name, strategy, policy, set (overrides), paper (the published values), input (ours was made from them)
"""
import json
import math
import pathlib
import subprocess
import sys
import tomllib
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOP = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build/cli/hop"
FOLDER = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs"

RUN = ("hop_bytes", "gradient_bytes", "read_bytes")  # what is sent while the models train


def bound_of(row, job):
    """No schedule is shorter than all work shared by all workers, nor than the work of the longest model."""
    epochs = job.get("epochs", 1)
    seconds = [model["epoch_seconds"] * epochs for model in job["models"] for _ in range(model.get("count", 1))]
    return max(sum(seconds) / row["workers"], max(seconds))


def rate_of(job):
    """Bytes a second of a network such as "10Gbit,0.05ms"."""
    return float(job["network"].split("Gbit")[0]) * 125e6


# Of a line of hop simulate, the first line of its series and the job.
MEASURES = {
    "run_bytes": lambda row, first, job: sum(row[name] for name in RUN),
    "moved_bytes": lambda row, first, job: sum(row[name] for name in RUN) + row["copied_bytes"],
    "hop_share": lambda row, first, job: row["hop_bytes"] / rate_of(job) / (row["workers"] * row["seconds"]),
    "speedup": lambda row, first, job: first["seconds"] / row["seconds"],
    "bound_ratio": lambda row, first, job: row["seconds"] / bound_of(row, job),
}


def simulate(path, series, overrides):
    command = [HOP, "simulate", path, "--json", "--strategies", series["strategy"]]
    if "policy" in series:
        command += ["--policies", series["policy"]]
    for override in overrides:
        command += ["--set", override]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"papers: {path.name}: {' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout)[0]


def job_with(job, overrides):
    """The [job] of a file after its overrides: as far as bound_of reads it."""
    for override in overrides:
        key, value = override.removeprefix("job.").split("=", 1)
        job = {**job, key: tomllib.loads(f"value = {value}")["value"] if value[:1] in "[0123456789" else value}
    return job


def values_of(path, job, figure, series):
    """Ours, one value for each place on the axis."""
    at = figure.get("at", [[] for _ in figure["x"]])
    rows, values = [], []
    for overrides in at:
        overrides = overrides + series.get("set", [])
        rows.append(simulate(path, series, overrides))
        measure = MEASURES.get(figure["measure"], lambda row, first, job: row[figure["measure"]])
        values.append(measure(rows[-1], rows[0], job_with(job, overrides)) / figure.get("divide_by", 1))
    return values


def shown(value):
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(ours, paper, is_input):
    difference = f"{100 * (ours / paper - 1):+.0f} %"
    return f"input, {difference}" if is_input else difference


# ---- pictures: bars, ours filled and the paper's hollow

STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #24292f } .title { font-weight: bold } .small { font-size: 11px; fill: #6e7781 }
.ours { fill: #0969da } .input { fill: #8c959f } .paper { fill: none; stroke: #bc4c00; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .ours { fill: #4493f8 } .paper { stroke: #f0883e }
  rect.page { fill: #0d1117 }
}
</style>
"""
BARS, LONGEST, ROW, WIDTH = 410, 360, 17, 860


def text(x, y, words, kind="", anchor="start"):
    return f"<text class='{kind}' x='{x:.0f}' y='{y:.0f}' text-anchor='{anchor}'>{escape(words)}</text>\n"


def bar(kind, y, length, value):
    height = 11 if kind != "paper" else 10
    return (f"<rect class='{kind}' x='{BARS}' y='{y:.1f}' width='{max(length, 1):.1f}' height='{height}'/>\n"
            + text(BARS + max(length, 1) + 6, y + 10, shown(value), "small"))


def panel(figure, y):
    """The bars of a figure from y down: SVG, and where it ends."""
    everything = [v for series in figure["series"] for v in series["ours"] + series.get("paper", []) if v > 0]
    most, logarithmic = max(everything, default=1), figure.get("logarithmic", False)
    least = min(everything, default=1) / 3

    def length(value):
        if value <= 0:
            return 0
        return LONGEST * (math.log(value / least) / math.log(most / least) if logarithmic else value / most)
    scale = ", logarithmic" if logarithmic else ""
    svg = text(14, y, f"{figure['name']}, {figure['unit']}{scale}", "title")
    y += 8
    for series in figure["series"]:
        for i, place in enumerate(figure["x"]):
            words = [series["name"], f"{figure.get('x_name', '')} {place}".strip()] if i == 0 else [place]
            svg += text(BARS - 8, y + 12, ", ".join(filter(None, words)), anchor="end")
            svg += bar("input" if series.get("input") else "ours", y + 1, length(series["ours"][i]), series["ours"][i])
            y += ROW
            if "paper" in series:
                svg += bar("paper", y - 2, length(series["paper"][i]), series["paper"][i])
                y += ROW - 2
        y += 5
    return svg, y + 18


def picture(document):
    y, body = 66, ""
    for figure in document["figure"]:
        svg, y = panel(figure, y)
        body += svg
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {y - 10:.0f}'>\n{STYLE}"
    head += "<rect class='page' width='100%' height='100%' fill='#ffffff'/>\n"
    head += text(14, 22, document["title"], "title")
    head += text(14, 40, "Filled: hop simulate (grey: made from the paper's value). Outlined: the paper.", "small")
    return head + body + "</svg>\n"


# ---- the page

HEAD = """# The papers' figures, redrawn

Made by `./dev papers` from `examples/papers/`; nothing on this page is written by hand. Each figure of the papers on model
hopping that compares systems by time, bytes or room stands here: what `hop simulate` says, beside what was published.

Papers: DEEM 2019 (Kumar et al., "Cerebro: Efficient and Reproducible Model Selection on Deep Learning Systems"), VLDB 2020
(Nakandala et al., "Cerebro: A Data System for Optimized Deep Learning Model Selection", with its erratum), VLDB 2021 (Zhang
et al., "Distributed Deep Learning on Data Systems: A Comparative Analysis of Approaches"). The second was read with the
appendices of its technical report, the third as the technical report of 2021-05-07; the last printed version was not compared.

**How ours is made.** Hopping and tasks are simulated: the real coordinator, policy and worker machines, with virtual time
instead of training. Strategies with replicas go by formula: the models one after the other, each on all workers
([strategies.md](strategies.md)). Sizes, rows and the network are those of the paper. How long a pass takes must come from
somewhere: one series of a figure is the *input*. What it differs by is what the schedule and the hops add to the work. The
other series follow from it.

**What the model leaves out**, everywhere: the start of a run, validation, disks, memory, links that several hops share,
the overlap of exchange and backward, and what the systems of that time cost beside their algorithm. A figure adds what else
it leaves out.

**Not redrawn.** Learning curves (DEEM 2019 Figure 2, right; VLDB 2020 Figures 7B, 9B, 12, 13, 18 to 21; VLDB 2021 Figure
9A) need training: `hop compare FILE` draws them for data that are here. Failures (VLDB 2020 Figure 8B) need a run:
`./dev chaos`. VLDB 2021 Figures 11 and 16 compare hopping with a hopping in lockstep, which is not a strategy here. Its
Figures 9B and 9C split hours by parts of a data base, and its Table 7 counts reads of local disks. Utilisation counts other things there than here.

"""


def table(figure):
    rows = [f"| {figure['name']}, {figure['unit']} | {figure.get('x_name', '')} | ours | paper | difference |",
            "| --- | --- | --- | --- | --- |"]
    for series in figure["series"]:
        for i, place in enumerate(figure["x"]):
            paper = series["paper"][i] if "paper" in series else None
            difference = percent(series["ours"][i], paper, series.get("input")) if paper is not None else ""
            name = series["name"] if i == 0 else ""
            rows.append(f"| {name} | {place} | {shown(series['ours'][i])} | {shown(paper)} | {difference} |")
    return "\n".join(rows) + "\n"


def main():
    pictures = FOLDER / "papers"
    pictures.mkdir(parents=True, exist_ok=True)
    page = HEAD
    for path in sorted((ROOT / "examples/papers").glob("*.toml")):
        document = tomllib.loads(path.read_text())
        for figure in document["figure"]:
            for series in figure["series"]:
                series["ours"] = values_of(path, document["job"], figure, series)
        (pictures / f"{path.stem}.svg").write_text(picture(document))
        page += f"## {document['title']}\n\n![{document['title']}](papers/{path.stem}.svg)\n\n"
        page += f"{document['note']}\nThe paper's values: {document['read']}. File: `examples/papers/{path.name}`.\n\n"
        page += "\n".join(table(figure) for figure in document["figure"]) + "\n"
        print(f"{path.stem}: {sum(len(figure['series']) for figure in document['figure'])} series")
    (FOLDER / "papers.md").write_text(page.rstrip() + "\n")


if __name__ == "__main__":
    main()
