"""docs/crossing.md: the link rate at which all-reduce is as quick as hopping, by hop simulate and, where it was measured,
by real runs over hosts of network namespaces (tests/netlab/crossing).

    python bench/crossing.py build/cli/hop [FOLDER]

Writes FOLDER/crossing.md and FOLDER/papers/crossing.svg (FOLDER: docs). Reads FOLDER/crossing.json, which the measurement
leaves there, if it exists. Needs nothing but Python.
"""
import json
import math
import subprocess
import sys
import tempfile
import tomllib
from xml.sax.saxutils import escape

from papers import FOLDER, HOP, ROOT, STYLE, shown, text

JOBS = {"desks": "a table and models of 12 MB (`examples/jobs/desks.toml`)",
        "images": "ResNet50 on 150 GB of images (`examples/jobs/images.toml`)"}
WORKERS = (4, 8)
HIDDEN = 2 / 3  # of the computation: the exchange of early buckets beside the rest of backward
SLOWEST, FASTEST = 1e-4, 1e4  # Gbit/s
EXACT = 1.02  # a crossing is known to one percent


def toml_of(job):
    """A [job] as a file; its values are numbers and texts."""
    lines = lambda table: "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items() if name != "models")
    return "[job]\n" + lines(job) + "".join("[[job.models]]\n" + lines(models) for models in job["models"])


class Simulator:
    def __init__(self, folder):
        self.path = f"{folder}/job.toml"

    def seconds(self, job, gbit, *strategies):
        job = {**job, "network": f"{gbit:.9f}Gbit,{job['network'].split(',')[1]}"}
        with open(self.path, "w") as file:
            file.write(toml_of(job))
        done = subprocess.run([HOP, "simulate", self.path, "--json", "--strategies", ",".join(strategies)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"crossing: hop simulate: {done.stderr}")
        return [row["seconds"] for row in json.loads(done.stdout)]

    def is_hopping_quicker(self, job, gbit):
        hopping, allreduce = self.seconds(job, gbit, "hopping", "allreduce")
        return hopping < allreduce

    def crossing(self, job):
        """Gbit/s; None where hopping is the quicker one on every network."""
        low, high = SLOWEST, FASTEST
        if self.is_hopping_quicker(job, high):
            return None
        while high / low > EXACT:
            middle = math.sqrt(low * high)
            if self.is_hopping_quicker(job, middle):
                low = middle
            else:
                high = middle
        return math.sqrt(low * high)


def with_models(job, count, workers, **more):
    return {**job, "workers": workers, "models": [{**job["models"][0], "count": count}], "jitter": 0, **more}


def lines_of(simulator, job):
    """Of one job: a line for each number of workers, without and with overlap; its crossing for each number of models."""
    return [{"workers": workers, "overlap": overlap,
             "rates": [simulator.crossing(with_models(job, models, workers, overlap=overlap)) for models in range(1, workers + 1)]}
            for workers in WORKERS for overlap in (0, HIDDEN)]


# ---- what was measured: cells of {"workers", "models", "strategy", "gbit", "seconds"}, and the job of one worker alone

def measured_crossings(cells):
    """(workers, models): the rate between two measured ones at which all-reduce takes as long as hopping, on a line of
    logarithms; only where both were measured on both sides of it."""
    seconds = {(c["workers"], c["models"], c["strategy"], c["gbit"]): c["seconds"] for c in cells}
    found = {}
    for workers, models in sorted({(c["workers"], c["models"]) for c in cells}):
        rates = sorted({c["gbit"] for c in cells})
        ratios = [(math.log(rate), math.log(seconds[workers, models, "allreduce", rate] / seconds[workers, models, "hopping", rate]))
                  for rate in rates if {(workers, models, name, rate) for name in ("hopping", "allreduce")} <= seconds.keys()]
        for (x0, y0), (x1, y1) in zip(ratios, ratios[1:]):
            if y0 > 0 >= y1:
                found[workers, models] = math.exp(x0 + (x1 - x0) * y0 / (y0 - y1))
    return found


def beyond_computation(measured):
    """How much longer than its computation hopping takes on the quickest links: from the least to the most."""
    cells, model = measured["cells"], measured["job"]["models"][0]
    quickest = max(cell["gbit"] for cell in cells)
    beyond = [cell["seconds"] - measured["job"]["epochs"] * model["epoch_seconds"] * max(1, cell["models"] / cell["workers"])
              for cell in cells if cell["strategy"] == "hopping" and cell["gbit"] == quickest]
    return f"{shown(min(beyond))} to {shown(max(beyond))}"


def cell_table(simulator, measured):
    page = ("| workers | models | strategy | Gbit/s | measured s | simulated s | difference |\n"
            "| --- | --- | --- | --- | --- | --- | --- |\n")
    for cell in measured["cells"]:
        job = with_models(measured["job"], cell["models"], cell["workers"])
        simulated, = simulator.seconds(job, cell["gbit"], cell["strategy"])
        page += (f"| {cell['workers']} | {cell['models']} | `{cell['strategy']}` | {shown(cell['gbit'])} | {shown(cell['seconds'])} | "
                 f"{shown(simulated)} | {100 * (simulated / cell['seconds'] - 1):+.0f} % |\n")
    return page


def plural(count, word):
    return f"{count} {word}{'' if count == 1 else 's'}"


def crossing_table(lines, dots):
    page = "| workers | models | crossing, measured, Gbit/s | simulated, nothing hidden | difference |\n| --- | --- | --- | --- | --- |\n"
    for (workers, models), rate in dots.items():
        simulated = next(line["rates"][models - 1] for line in lines if line["workers"] == workers and line["overlap"] == 0)
        page += (f"| {workers} | {models} | {shown(rate)} | {shown(simulated) if simulated else '-'} | "
                 f"{f'{100 * (simulated / rate - 1):+.0f} %' if simulated else ''} |\n")
    return page


def cores_of(measured):
    return measured["cells"][0].get("cores", 1)


def shape_of(measured):
    """One comparison of the papers at our scale."""
    first, *rest = measured["cells"]
    cores = "two cores, of which one trains" if cores_of(measured) == 2 else "one core"
    shared = ", which all replicas of `allreduce` share" if any(cell["strategy"] == "allreduce" for cell in measured["cells"]) else ""
    page = (f"### {measured['title'][0].upper()}{measured['title'][1:]}, workers of {cores}\n\n"
            f"{first['models']} models on {first['workers']} workers, "
            f"{shown(first['gbit'])} Gbit/s, {plural(measured['job']['epochs'], 'epoch')}; batches of 32 rows{shared}. "
            f"{measured['machine']}\n\n"
            "| strategy | time, s | of hopping's | sent between workers, MB | of hopping's | rows on a worker, MB | memory of a worker, MB "
            "| best accuracy | bits |\n" + "| --- |" * 1 + " --- |" * 8 + "\n")
    sent = lambda cell: cell["hop_bytes"] + cell["gradient_bytes"] + cell.get("data_bytes", 0)
    for cell in (first, *rest):
        page += (f"| `{cell['strategy']}` | {shown(cell['seconds'])} | {shown(cell['seconds'] / first['seconds'])} | {shown(sent(cell) / 1e6)} | "
                 f"{shown(sent(cell) / sent(first))} | {shown(cell['data_bytes_per_worker'] / 1e6)} | {shown(cell['peak_rss_bytes'] / 1e6)} | "
                 f"{cell['valid_accuracy']:.4f} | {'the same' if cell['state_sha256'] == first['state_sha256'] else 'other ones'} |\n")
    return page


# ---- the picture: for each job a panel, models to the right, rates upwards

LEFT, PANEL, HEIGHT, TOP = 62, 330, 300, 70
COLOURS = {4: "four", 8: "eight"}
LINES = """<style>
.four { stroke: #0969da; fill: #0969da } .eight { stroke: #bc4c00; fill: #bc4c00 } polyline { fill: none !important; stroke-width: 2 }
.hidden { stroke-dasharray: 5 4 } .grid { stroke: #d0d7de } .words { stroke: none }
@media (prefers-color-scheme: dark) { .four { stroke: #4493f8; fill: #4493f8 } .eight { stroke: #f0883e; fill: #f0883e } .grid { stroke: #30363d } }
</style>
"""


def panel(left, name, lines, dots, low, high):
    x = lambda models: left + LEFT + (PANEL - LEFT - 26) * (models - 1) / (max(WORKERS) - 1)
    y = lambda rate: TOP + HEIGHT - HEIGHT * math.log(rate / low) / math.log(high / low)
    svg = text(left + LEFT, TOP - 14, name, "title")
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        at = y(10.0 ** power)
        svg += f"<line class='grid' x1='{x(1):.0f}' x2='{x(max(WORKERS)):.0f}' y1='{at:.1f}' y2='{at:.1f}'/>\n"
        svg += text(x(1) - 8, at + 4, f"{10.0 ** power:g}", "small", "end")
    for models in range(1, max(WORKERS) + 1):
        svg += text(x(models), TOP + HEIGHT + 18, str(models), "small", "middle")
    svg += text((x(1) + x(max(WORKERS))) / 2, TOP + HEIGHT + 36, "models", "small", "middle")
    for line in lines:
        points = [(x(i + 1), y(rate)) for i, rate in enumerate(line["rates"]) if rate is not None]
        hidden = " hidden" if line["overlap"] else ""
        svg += f"<polyline class='{COLOURS[line['workers']]}{hidden}' points='{' '.join(f'{a:.1f},{b:.1f}' for a, b in points)}'/>\n"
        if points and not hidden:
            svg += (f"<text class='{COLOURS[line['workers']]} words' x='{points[-1][0] + 6:.0f}' y='{points[-1][1]:.0f}'>"
                    f"{line['workers']} workers</text>\n")
    for (workers, models), rate in dots.items():
        svg += f"<circle class='{COLOURS[workers]}' cx='{x(models):.1f}' cy='{y(rate):.1f}' r='4'/>\n"
    return svg


def picture(panels):
    known = [rate for _, lines, dots in panels for rate in [r for line in lines for r in line["rates"] if r] + list(dots.values())]
    low, high = 10.0 ** math.floor(math.log10(min(known))), 10.0 ** math.ceil(math.log10(max(known)))
    width, height = len(panels) * PANEL + 40, TOP + HEIGHT + 50
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'>\n{STYLE}{LINES}"
    svg += "<rect class='page' width='100%' height='100%' fill='#ffffff'/>\n"
    svg += text(14, 22, "Gbit/s at which all-reduce is as quick as hopping: above a line it is quicker, below hopping is", "title")
    has_dots = any(dots for _, _, dots in panels)
    svg += text(14, 40, "Lines: simulated; dashed: exchange beside backward" + ("; dots: measured" if has_dots else ""), "small")
    return svg + "".join(panel(i * PANEL, *each, low, high) for i, each in enumerate(panels)) + "</svg>\n"


# ---- the page

HEAD = """# Where all-reduce crosses hopping

Made by `./dev papers`; the text stands in `bench/crossing.py`, and every number is one that hop said.

With at least as many models as workers, hopping has work for all workers and sends a state where all-reduce sends gradients
in every step: nothing is left to gain for all-reduce. With fewer models than workers, hopping leaves workers idle, and
all-reduce does not: on a fast enough network all-reduce is quicker. The picture and the tables say how fast the network has
to be.

![The link rate at which both take the same time](papers/crossing.svg)

**How.** `hop simulate` of the same job with both strategies, at rates that close in on the one at which both take the same
time. Hopping moves states (weights and optimizer, with Adam three times the weights), all-reduce gradients, as in
[strategies.md](strategies.md). All-reduce stands there twice: with nothing hidden, and with its exchange hidden behind two
thirds of the computation, which is as much as backward can hide. The batch is that of one replica: all-reduce makes one
update where hopping makes as many as there are workers. Its learning rate is then often scaled, and its scores are others:
[compare.md](compare.md). `-` means that hopping is quicker at every rate up to 10,000 Gbit/s. With as many models as workers,
an all-reduce whose exchange is hidden whole takes as long as hopping without its hops, which are less than 1 %: the last
number of such a row says from which rate on both are equal.

By hand: with S models on W workers, S < W, hopping takes c, the time of one model on one worker, and all-reduce S (c / W + x),
where x is the exchange of one model. They meet where x = c (1 / S - 1 / W).

"""

MEASURED = """The simulator is given the time of an epoch of one worker alone, the rate of the links and a latency of 0.05 ms. A real run
also starts, validates, writes its journal and makes states durable. (Hopping on the quickest links takes {extra} s longer than its
computation.) An exchange costs processor time at both ends, too, which is stretched like all computation; how much of the
difference that is was not measured. All simulated times are shorter than the measured ones, those of quick exchanges most of all,
and the simulated crossings are lower.

"""

SHAPES = """
## The comparison of the papers, at our scale

On a worker of one core, each byte that it sends, gets or saves delays its training. The nodes of the papers train on GPUs, beside
their processors: so a worker of two cores has one for its training, and one for the network, the disk and the encryption. The second
one has nothing to do where all rows lie on the worker from the start. [netlab.md](netlab.md) says how this is made on one machine, and
what is not stretched. All-reduce takes so long that it has one epoch. Times of different machines or epochs cannot be compared.

The sixteen models differ in the learning rate alone, and yet not all take as long: of those of the clicks on two cores, the slowest
takes 1.5 times the time of the fastest. A task stays where it is, so the worker that has the slowest ones ends last. Models that hop are
on all workers.

"""

NOT_MEASURED = """## Not measured yet

`tests/netlab/crossing build/cli/hop` measures the same with real runs over four and eight hosts of network namespaces, by time
dilation ([netlab.md](netlab.md)), and `./dev papers` then adds its dots and its table here. 
"""


def rate_table(lines):
    most = max(WORKERS)
    page = "| all-reduce | " + " | ".join(f"{models} models" if models > 1 else "1 model" for models in range(1, most + 1)) + " |\n"
    page += "| --- |" + " --- |" * most + "\n"
    for line in lines:
        how = "exchange beside backward" if line["overlap"] else "nothing hidden"
        cells = ["-" if rate is None else shown(rate) for rate in line["rates"]] + [""] * (most - len(line["rates"]))
        page += f"| {line['workers']} workers, {how} | " + " | ".join(cells) + " |\n"
    return page


def main():
    path = FOLDER / "crossing.json"
    measured = json.loads(path.read_text()) if path.exists() else None
    page, panels = HEAD, []
    with tempfile.TemporaryDirectory() as folder:
        simulator = Simulator(folder)
        for name, words in JOBS.items():
            lines = lines_of(simulator, tomllib.loads((ROOT / f"examples/jobs/{name}.toml").read_text())["job"])
            page += f"## Gbit/s, {words}\n\n{rate_table(lines)}\n"
            panels.append((name, lines, {}))
        if measured:
            lines, dots = lines_of(simulator, measured["job"]), measured_crossings(measured["cells"])
            page += f"## Gbit/s, the measured job: {measured['title']}\n\n{rate_table(lines)}\n"
            page += f"## Measured\n\n{measured['machine']}\n\n"
            if dots:
                page += crossing_table(lines, dots) + "\n"
            page += MEASURED.replace("{extra}", beyond_computation(measured)) + cell_table(simulator, measured)
            panels.append(("measured", lines, dots))
        else:
            page += NOT_MEASURED
    shapes = [json.loads(shape.read_text()) for shape in FOLDER.glob("papers_shape*.json")]
    if shapes:
        shapes.sort(key=lambda shape: (shape["title"], cores_of(shape)))
        page += SHAPES + "\n".join(map(shape_of, shapes))
    (FOLDER / "papers").mkdir(parents=True, exist_ok=True)
    (FOLDER / "papers/crossing.svg").write_text(picture(panels))
    (FOLDER / "crossing.md").write_text(page.rstrip() + "\n")


if __name__ == "__main__":
    main()
