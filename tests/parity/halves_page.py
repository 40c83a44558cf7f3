"""The section of docs/parity.md on samples in bf16 and f16."""

import collections

from opinfo_reasons import REASONS
from page_words import code, words

DTYPES = ("bf16", "f16")
OUTCOMES = ("agrees", "rounds", "not_there", "refused", "differs")

INTRO = """
## In bf16 and f16

PyTorch's samples in 16 bits, of each operation and module that its tests run in 16 bits on the CPU, with gradients where
they have them. Our operations compute in f32 and round once ([devices.md](devices.md#tensors-of-16-bits)); PyTorch's may
round in between. So our results and gradients are compared with those of PyTorch in f32 for the same numbers, rounded to
16 bits.

Two numbers agree if they differ by at most 2^-7 (bf16) or 2^-10 (f16) of the larger of PyTorch's number and a thousandth
of the largest number in its tensor, plus 1e-12 (bf16) or 2^-24 (f16). That is one to two units in the last place: numbers
of f32 that differ in their last digits may be rounded to neighbours. A sample can have one more outcome: it **rounds in
between**, as PyTorch does. A number is further off then, by at most twice the largest difference of PyTorch's own result
in 16 bits.

| dtype | operations and modules | samples | agree | round in between | not there | refused | differ |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


def row(first, counts):
    numbers = [f"{counts[outcome]:,}" if counts[outcome] else "" for outcome in OUTCOMES]
    return "| " + " | ".join([*first, f"{sum(counts.values()):,}", *numbers]) + " |"


def section(pairs, grouped, judged):
    """Lines. `pairs` are the samples in 16 bits with their results; `judged` all names that f64 has."""
    counts, reasons = grouped.counts, grouped.reasons
    lines = [INTRO]
    for dtype in DTYPES:
        mine = [(sample, result) for sample, result in pairs if sample["dtype"] == dtype]
        names = {sample["name"] for sample, _ in mine}
        lines.append(row([dtype, str(len(names))], collections.Counter(result["outcome"] for _, result in mine)))
    others = [name for name in counts if set(counts[name]) != {"agrees"}]
    lines += ["", f"All samples of {len(counts) - len(others)} operations and modules agree. The others, both dtypes "
              "together:", "", "| PyTorch | samples | agree | round in between | not there | refused | differ |",
              "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    lines += [row([code(name)], counts[name]) for name in sorted(others, key=lambda n: (n.startswith("nn."), n.lower()))]
    if reasons:
        lines += ["", "What is refused, what differs, and why:", "", "| operations | samples | reason |",
                  "| --- | ---: | --- |"]
        lines += [f"| {words({s['name'] for s, _ in found})} | {len(found)} | {REASONS[index][2]} |"
                  for index, found in sorted(reasons.items())]
    rest = [name for name in judged if name not in counts]
    modules = [name for name in counts if name[:3] == "nn." and not name.startswith("nn.functional.")]
    lines += ["", "PyTorch's tests do not run these in 16 bits on the CPU: "
              + words(name for name in rest if name[:3] != "nn." or name.startswith("nn.functional."))
              + f", and no modules but {words(modules)}."]
    return lines
