"""What the samples of opinfo.py showed: a table for people, and docs/parity.md."""

import collections
import math
import re

import halves_page
import torch
from opinfo_reasons import REASONS
from opinfo_table import FAMILIES, RANDOM
from page_words import code, words

INTRO = """# Parity with PyTorch, operation by operation

This page is written by a run of `tests/parity/opinfo.py`, which lets PyTorch judge our operations. PyTorch's own tests
describe each operation by samples: inputs of many shapes, and arguments. The script calls PyTorch {torch} with each
sample, in f64 on the CPU, and writes inputs, results, incoming gradients and the gradients of all inputs to files.
`tests/parity/judge.cpp` calls the function of Hopscotch that stands for the operation, with the arguments that differ
from PyTorch's defaults, and compares results and gradients: twice, with contiguous tensors and with strided ones. A
layer gets the parameters of PyTorch's layer by name, and fractional pooling the random numbers that PyTorch's had. The
samples [in bf16 and f16](#in-bf16-and-f16) are counted apart.

Two numbers agree if they differ by at most 1e-9 of the larger of PyTorch's number and a thousandth of the largest number
in its tensor, plus 1e-12. Shapes and dtypes must be equal, and so must NaN and infinities.

    cmake --build build --target hop_parity
    python tests/parity/opinfo.py --judge build/tests/hop_parity --page docs/parity.md

A sample can have one of four outcomes:

- it **agrees**;
- it is **not there**: it uses an argument, or a kind of argument, that our function does not have;
- it is **refused**: our function throws an error where PyTorch computes;
- it **differs**.

The run fails if a sample is refused or differs without a reason. The reasons are listed below.
"""


def explain(sample, result):
    text = f"{sample['dtype']} {result['outcome']}: {result['detail']} for {sample['said']}"
    for index, (names, pattern, _) in enumerate(REASONS):
        if re.fullmatch(names, sample["name"]) and re.search(pattern, text):
            return index
    return None


class Grouped:
    """Samples with their results, by PyTorch's name, by the reason, and those that nobody explains."""

    def __init__(self, pairs):
        self.counts = collections.defaultdict(collections.Counter)  # name -> outcomes
        self.missing = collections.defaultdict(collections.Counter)  # name -> arguments that are not there
        self.reasons, self.unexplained, self.ours = collections.defaultdict(list), [], {}
        for sample, result in pairs:
            name, outcome = sample["name"], result["outcome"]
            self.ours[name] = sample["operation"]
            self.counts[name][outcome] += 1
            if outcome == "not_there" and result["detail"] != "the function":
                self.missing[name].update(result["detail"].split(", "))
            elif outcome not in ("agrees", "rounds"):
                reason = explain(sample, result)
                (self.unexplained if reason is None else self.reasons[reason]).append((sample, result))


def family(name):
    return next((what for start, what in FAMILIES.items() if name.startswith(start)), None)


def page(in_f64, halves, skipped, names):
    counts, missing, reasons, ours = in_f64.counts, in_f64.missing, in_f64.reasons, in_f64.ours
    total = collections.Counter()
    for outcomes in counts.values():
        total.update(outcomes)
    n = sum(total.values())
    explained = total["differs"] + total["refused"]
    operations, modules = names
    judged = [name for name in operations if name in counts], [name for name in modules if name in counts]
    whole = sum(1 for outcomes in counts.values() if set(outcomes) == {"agrees"})
    lines = [INTRO.format(torch=torch.__version__.split("+")[0])]
    lines += [
        f"**{len(judged[0])} of PyTorch's {len(operations)} operations and {len(judged[1])} of its {len(modules)} modules "
        f"are judged, with {n:,} samples: {total['agrees']:,} agree, {total['not_there']:,} use arguments that are not "
        f"there, {total['refused']:,} are refused and {total['differs']:,} differ, each for a reason below. "
        f"All samples of {whole} operations and modules agree.**", ""]
    if skipped:
        lines += [f"{len(skipped)} samples were left out, because PyTorch itself fails or a file cannot hold them: "
                  + words({name for name, _, _ in skipped}) + ".", ""]
    lines += ["## Operation by operation", "",
              "| PyTorch | here | samples | agree | not there | refused | differ | arguments that are not there |",
              "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    for name in sorted(counts, key=lambda name: (name.startswith("nn."), name.lower())):
        c = counts[name]
        row = [code(name), code(ours[name]), sum(c.values())]
        row += [c[outcome] or "" for outcome in ("agrees", "not_there", "refused", "differs")]
        lines.append("| " + " | ".join(map(str, [*row, words(missing[name])])) + " |")
    if explained:
        lines += ["", "## What is refused, what differs, and why", "", "| operations | samples | reason |",
                  "| --- | ---: | --- |"]
        for index in sorted(reasons):
            found = reasons[index]
            lines.append(f"| {words({s['name'] for s, _ in found})} | {len(found)} | {REASONS[index][2]} |")
    if halves:
        lines += halves_page.section(halves, Grouped(halves), counts)
    rest = [name for name in operations if name not in counts]
    lines += ["", "## What is not judged", "", "Operations of these families have no counterpart here:", ""]
    families = collections.Counter(family(name) for name in rest)
    lines += [f"- {what}: {families[what]}" for what in dict.fromkeys(FAMILIES.values()) if families[what]]
    random = [name for name in rest if family(name) is None and is_random(name)]
    others = [name for name in rest if family(name) is None and not is_random(name)]
    lines += ["", "The results of these are random, or have no values: " + words(random) + ".", "",
              "All others of PyTorch's operations. Hopscotch lacks them, or the script has no row for them: "
              + words(others) + ".", "", "And of its modules: "
              + words(name for name in modules if name not in counts) + "."]
    return "\n".join(lines) + "\n"


def is_random(name):
    return any(name == r or name.startswith(r + ".") for r in RANDOM)


def report(samples, results, skipped, names, path, whole):
    """Prints what was found, writes the page, and returns the exit code."""
    pairs = list(zip(samples, results, strict=True))
    everything = Grouped(pairs)
    for dtype in sorted({sample["dtype"] for sample in samples}):
        mine = Grouped(pair for pair in pairs if pair[0]["dtype"] == dtype)
        total = sum(mine.counts.values(), collections.Counter())
        print(f"{dtype}: " + ", ".join(f"{number} {outcome}" for outcome, number in total.items())
              + f" ({len(mine.counts)} operations)")
    for sample, result in everything.unexplained:
        difference = math.inf if result["difference"] is None else result["difference"]
        print(f"no reason: {sample['name']}({sample['said']}) {sample['dtype']} {result['outcome']}: {result['detail']}"
              + (f" ({difference:.2g} of what is allowed)" if result["outcome"] == "differs" else ""))
    if whole:
        for index in sorted(set(range(len(REASONS))) - set(everything.reasons)):
            print(f"opinfo_reasons.py: nothing needs the reason {REASONS[index][2]!r}")
    if path is not None:
        if not whole:
            print("the page needs all samples: leave out --only and --samples")
            return 2
        halves = [pair for pair in pairs if pair[0]["dtype"] in halves_page.DTYPES]
        in_f64 = Grouped(pair for pair in pairs if pair[0]["dtype"] not in halves_page.DTYPES)
        path.write_text(page(in_f64, halves, skipped, names))
    return 1 if everything.unexplained else 0
