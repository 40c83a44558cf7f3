"""The names that Hopscotch has, read from its headers, so that the pages follow the code."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A declaration at the start of a line, behind `indent` spaces: its type, its name.
DECLARATION = r"^{indent}(?:inline |static |explicit )*(?:const )?[A-Za-z_][\w:]*(?:<[^()\n]*>)?[&*]? (\w+)\("


def text_of(path):
    """A header without its comments."""
    return re.sub(r"//.*", "", path.read_text())


def headers(root, folder):
    """Those that users see."""
    paths = sorted((root / folder).rglob("*.h"))
    return [p for p in paths if not p.name.endswith("_internal.h") and "detail" not in p.relative_to(root).parts]


def declared(text, indent=""):
    return set(re.findall(DECLARATION.format(indent=indent), text, re.MULTILINE)) - {"operator"}


def elementwise_rows(root=ROOT):
    """(kind, name) of each row of kernels/elementwise.def: ("UNARY", "exp")."""
    text = (root / "kernels/elementwise.def").read_text()
    return re.findall(r"^HOP_(UNARY|BINARY|TERNARY|PREDICATE|COMPARE)\((\w+),", text, re.MULTILINE)


def classes(text):
    names = set(re.findall(r"^(?:class|struct) (\w+)", text, re.MULTILINE))
    for macro in re.findall(r"^#define (HOP_\w+)\(Name\b", text, re.MULTILINE):  # class Name : public ..
        names |= set(re.findall(rf"^{macro}\((\w+)", text, re.MULTILINE))
    return names


class Ours:
    def __init__(self, root=ROOT):
        self.functions = {name for _, name in elementwise_rows(root)}
        for path in headers(root, "autograd"):
            text = text_of(path)
            if "namespace hop {" in text:
                self.functions |= declared(text)
        self.classes, self.functional = set(), set()
        for path in headers(root, "nn"):
            text = text_of(path)
            self.classes |= classes(text)
            for inner in re.findall(r"^namespace functional \{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
                self.functional |= declared(inner)
        text = text_of(root / "nn/functional.h")
        self.functional |= set(re.findall(r"^using hop::(\w+);", text, re.MULTILINE))
        self.init = declared(text_of(root / "nn/init.h"))
        self.nn_functions = set().union(*(declared(text_of(p)) for p in headers(root, "nn") if p.parent.name == "nn"))
        public = re.search(r"^class Tensor \{\n public:(.*?)^ private:", text_of(root / "tensor/tensor.h"),
                           re.MULTILINE | re.DOTALL).group(1)
        self.methods = declared(public, "  ")
        self.optimizers, self.schedules, self.averaging = set(), set(), set()
        for path in headers(root, "nn/optim"):
            text = text_of(path)
            self.optimizers |= set(re.findall(r"^using (\w+) = RuleOptimizer<", text, re.MULTILINE))
            self.optimizers |= set(re.findall(r"^class (\w+)(?: final)? : public Optimizer\b", text, re.MULTILINE))
            if path.name in ("lr_scheduler.h", "scheduler.h"):
                self.schedules |= classes(text)
            if path.name in ("averaged_model.h", "lr_scheduler.h", "update_bn.h"):
                self.averaging |= classes(text) | declared(text)
            if path.name == "optimizer.h":
                self.optimizers |= classes(text)

    def all(self):
        """Every name, to see whether an entry of a dictionary still stands for something."""
        return (self.functions | self.classes | self.functional | self.init | self.nn_functions | self.methods
                | self.optimizers | self.schedules | self.averaging)
