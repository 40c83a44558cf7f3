#!/usr/bin/env python3
"""Writes docs/from-pytorch.md: what PyTorch's names are here.

    python3 tests/parity/names.py            # writes the page
    python3 tests/parity/names.py --check    # fails if the page is not what the script writes

Needs no package. PyTorch's names stand in torch_names.json; ours are read from the headers (ours.py); other names and
reasons stand in names_table.py.
"""

import json
import pathlib
import re
import sys

from names_table import EXCLUDED, EXCLUDED_FUNCTIONS, FALSE_FRIENDS, NOT_THERE, OTHER
from ours import ROOT, Ours

PAGE = ROOT / "docs/from-pytorch.md"
TORCH = json.loads((pathlib.Path(__file__).parent / "torch_names.json").read_text())
OURS = Ours()

SECTIONS = {
    "nn": ("torch.nn", "Modules and losses are classes of `hop::nn`, with PyTorch's names of parameters in files. "
                       "Keyword arguments are options: `nn::Conv2d(1, 8, 3, {.padding = 1})`."),
    "functional": ("torch.nn.functional", "Functions of `hop::nn::functional`, most of which are also those of `hop`. "
                                          "Options follow the tensors: `cross_entropy(x, y, {.label_smoothing = 0.1})`. "
                                          "A name in capitals is a class of `hop::nn`."),
    "optim": ("torch.optim", "Classes of `hop::optim`."),
    "lr_scheduler": ("torch.optim.lr_scheduler", "Functions of the step, in `hop::optim`."),
    "swa_utils": ("torch.optim.swa_utils", "Classes and functions of `hop::optim`. The groups of an optimizer keep the "
                                           "ratio of their learning rates under `SWALR`, as under every schedule."),
    "init": ("torch.nn.init", "Functions of `hop::nn::init`, which take the address of their random numbers."),
    "Tensor": ("torch.Tensor", "Methods speak of data only: shape, dtype, device, values, gradient. Mathematics is "
                               "functions: `x.relu()` is `relu(x)`, and `x.sum((0, 2))` is `sum(x, {0, 2})`."),
}


def own(section, name):
    """How a name that is ours, too, is written, or None."""
    if name in FALSE_FRIENDS.get(section, ()):
        return None
    if section == "Tensor":
        if name in OURS.methods:
            return f"`x.{name}()`"
        return f"`{name}(x)`" if name in OURS.functions else None
    if section == "functional":
        return "same" if name in OURS.functional | OURS.functions else None
    names = {"nn": OURS.classes, "optim": OURS.optimizers, "lr_scheduler": OURS.schedules,
             "swa_utils": OURS.averaging, "init": OURS.init}
    return "same" if name in names[section] else None


def other(section, name):
    if name in OTHER[section]:
        return OTHER[section][name]
    if section == "Tensor" and name.endswith("_"):
        there = own(section, name[:-1])
        if there is not None and "x." not in there:
            return f"`copy_(x, {name[:-1]}(..))`"
    return None


def reason(section, name):
    return next((why for names, why in NOT_THERE[section].items() if re.fullmatch(names, name)), None)


def used(name):
    """How one of the most used functions and methods is written, or None."""
    for section in ("Tensor", "functional"):
        if found := own(section, name):
            return found if found.startswith("`x.") else f"`{name}`"
        if found := other(section, name):
            return found
    return OTHER["most_used"].get(name)


def check_table():
    """Every other name begins with something that is there: a row does not outlive what it names."""
    known = OURS.all() | {"Tensor", "DType", "Device", "size_of", "is_floating", "x", "a"}
    known |= {"capture", "set_random_key", "register_parameter"}  # of kernels/capture.h and nn/module.h
    for section in OTHER:
        for name, text in OTHER[section].items():
            for code in re.findall(r"`([^`]+)`", text):
                first = re.match(r"(?:init::)?(\w+)", code).group(1)
                if first not in known and not re.search(rf"\b{first}\b", HEADERS):
                    sys.exit(f"names_table.py: {section}.{name} is `{code}`, but {first} is not there")


def cell(text):
    return text.replace("|", "\\|")


def section_lines(section):
    title, words = SECTIONS[section]
    rows, rest, there = [], [], 0
    for name in TORCH[section]:
        here = own(section, name) or other(section, name)
        why = reason(section, name)
        there += here is not None
        if here is None and why is None:
            rest.append(f"`{name}`")
        else:
            rows.append(f"| `{name}` | {cell(here or 'not there: ' + why)} |")
    lines = [f"## {title}", "", words, "", f"{there} of {len(TORCH[section])} are there.", ""]
    if rows:
        lines += ["| PyTorch | here |", "| --- | --- |", *rows, ""]
    if rest:
        lines += ["Not there: " + ", ".join(rest) + ".", ""]
    return lines


def share(names, there):
    count = sum(1 for name in names if there(name))
    return f"{count} of {len(names)} ({100 * count / len(names):.0f} %)"


def counted(all_names, excluded):
    return [n for n in all_names if not any(re.fullmatch(names, n) for names in excluded)]


def left_out(all_names, excluded):
    """What a share leaves out, in words."""
    found = {what: [n for n in all_names if re.fullmatch(names, n)] for names, what in excluded.items()}
    return "; ".join(f"{what} ({', '.join(f'`{n}`' for n in names)})" for what, names in found.items())


def page():
    modules = share(counted(TORCH["nn"], EXCLUDED), lambda name: own("nn", name) or other("nn", name))
    functions = share(counted(TORCH["most_used"], EXCLUDED_FUNCTIONS), used)
    lines = [
        "# From PyTorch", "",
        f"**Of PyTorch's names, {modules} modules of `torch.nn` and {functions} of the most used functions are there, "
        "under their own or another name.**", "",
        "This page says for each public name of PyTorch what it is here. `tests/parity/names.py` writes the page: "
        f"PyTorch's names are those of {TORCH['torch']}, ours are read from the headers. What the operations compute is "
        "judged by PyTorch's own samples: `tests/parity/opinfo.py`. [Nine whole programs](../examples/ports/README.md) "
        "stand beside their ports, with a table of how a port differs.", "",
        "The share of `torch.nn` leaves out " + left_out(TORCH["nn"], EXCLUDED)
        + ". Modules for quantization stand in other namespaces.", "",
        "The most used functions are the 150 functions of `torch` and methods of `Tensor` that occur in the largest "
        "number of files of three public repositories: pytorch/examples, karpathy/nanoGPT and "
        "huggingface/pytorch-image-models. Their share leaves out " + left_out(TORCH["most_used"], EXCLUDED_FUNCTIONS)
        + ", which Hopscotch does not have.", "",
    ]
    lines += ["## The 150 most used functions", "", "| PyTorch | here |", "| --- | --- |"]
    for name in TORCH["most_used"]:
        why = reason("most_used", name) or reason("Tensor", name)
        here = used(name) or "not there" + (f": {why}" if why else "")
        lines.append(f"| `{name}` | {cell(here)} |")
    lines.append("")
    for section in SECTIONS:
        lines += section_lines(section)
    return "\n".join(lines).rstrip() + "\n"


HEADERS = "".join(p.read_text() for folder in ("tensor", "kernels", "autograd", "nn") for p in (ROOT / folder).rglob("*.h"))


def main():
    check_table()
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
        return 0
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    print("docs/from-pytorch.md is not what tests/parity/names.py writes: run it, and look at what changed")
    return 1


if __name__ == "__main__":
    sys.exit(main())
