"""Judges our operations by PyTorch's own samples: the OpInfo and ModuleInfo of PyTorch's tests, on the CPU, in f64, bf16
and f16.

    python tests/parity/opinfo.py --judge build/tests/hop_parity --page docs/parity.md    # all samples, and the page
    python tests/parity/opinfo.py --judge build/tests/hop_parity --samples 8              # as the suite does
    python tests/parity/opinfo.py --judge build/tests/hop_parity --only 'softmax|nn.GRU'
    python tests/parity/opinfo.py --folder FOLDER                                         # writes the samples, no more

Needs torch and numpy. PyTorch's values and gradients are written to FOLDER; hop_parity (judge.cpp) calls our functions
with the same arguments and compares. A difference or a refusal without a reason in opinfo_reasons.py makes the run fail.
"""

import argparse
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import warnings

import numpy
from halves import HALVES, Widened, is_equal, rounded_like
from ours import elementwise_rows
from samples import OUR_DTYPES, Encoder, TensorFile, Unwritable, bind, flat, said, signature

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db

import opinfo_page
from opinfo_table import DRAWN, IGNORED, MODULES, ONE, OPERATIONS, RANDOM, TWO

ROOT = pathlib.Path(__file__).resolve().parents[2]
torch.set_num_threads(1)  # the tensors are small
F64 = torch.float64


def full_name(op):
    return op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")


def operations():
    """PyTorch's name -> our row. The rows of kernels/elementwise.def have the plain parameters."""
    table = {name: (*row, {}) if len(row) == 2 else row for name, row in OPERATIONS.items()}
    names = {full_name(op) for op in op_db}
    for kind, name in elementwise_rows():
        theirs = next((n for n in (name, f"nn.functional.{name}") if n in names), None)
        if theirs is not None and kind != "TERNARY":
            table.setdefault(theirs, (name, ONE if kind in ("UNARY", "PREDICATE") else TWO, {}))
    unknown = sorted(set(table) - names)
    if unknown:
        sys.exit(f"opinfo.py: this PyTorch has no samples of {', '.join(unknown)}")
    return table


def modules():
    """The names of the rows of modules, "nn.Linear"."""
    text = "".join(path.read_text() for path in (ROOT / "tests/parity").glob("*.cpp"))
    return set(re.findall(r'"(nn\.\w+)"', text))


def seed():
    torch.manual_seed(2026)
    random.seed(2026)
    numpy.random.seed(2026)


def run(function, args, kwargs, leaves, incoming=None):
    """Results, the gradients that come in for them, and those of the leaves. None comes in for a result without one."""
    seed()
    outputs = flat(function(*args, **kwargs))
    used = [i for i, y in enumerate(outputs) if leaves and y.requires_grad]
    if incoming is None:
        incoming = [torch.randn_like(y) if i in used else None for i, y in enumerate(outputs)]
    if not used:
        return outputs, incoming, []
    found = torch.autograd.grad([outputs[i] for i in used], leaves, [incoming[i] for i in used], allow_unused=True)
    return outputs, incoming, [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, found)]


class Writer:
    def __init__(self, folder, limit):
        self.folder, self.limit = folder, limit
        self.lines = (folder / "samples.jsonl").open("w")
        self.skipped = []  # (name, dtype, why)

    def operation(self, op, row, dtype):
        name, ours, text, renamed = full_name(op), *row
        parameters = signature(text, op.op)
        has_gradients = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
        seed()

        def calls():
            for sample in op.sample_inputs("cpu", dtype, requires_grad=has_gradients):
                args, kwargs = (sample.input, *sample.args), dict(sample.kwargs)
                if name in DRAWN:
                    shape = (*sample.input.shape[:2], DRAWN[name])
                    kwargs.setdefault("_random_samples", torch.rand(shape, dtype=dtype))
                yield args, kwargs, op.op

        self.samples(name, calls(), lambda args, kwargs: self.arguments(parameters, args, kwargs, renamed), ours, dtype)

    def module(self, info, training, dtype):
        constructor_text, forward_text = MODULES.get(info.name, (None, None))
        cls = info.module_cls
        constructor = signature(constructor_text, cls.__init__)
        forward = signature(forward_text, cls.forward)
        self_of = lambda text: () if text is not None else (None,)
        seed()

        def calls():
            inputs = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training)
            for sample in inputs:
                made, call = sample.constructor_input, sample.forward_input
                if call is None:
                    continue
                module = cls(*made.args, **made.kwargs).to(dtype).train(training)
                args = bind(constructor, (*self_of(constructor_text), *made.args), dict(made.kwargs), IGNORED | {"self"})
                yield (args, *call.args), dict(call.kwargs), module

        def arguments(args, kwargs):
            made = {k: v for k, v in args[0].items() if k != "dtype"}
            rest = bind(forward, (*self_of(forward_text), *args[1:]), dict(kwargs), IGNORED | {"self"})
            if made.keys() & rest.keys():
                sys.exit(f"opinfo.py: {info.name} has {made.keys() & rest.keys()} twice: see MODULES")
            return made | rest

        self.samples(info.name, calls(), arguments, info.name, dtype, training)

    def arguments(self, parameters, args, kwargs, renamed):
        given = bind(parameters, args, kwargs, IGNORED)
        of_a_tensor = isinstance(args[0], torch.Tensor)
        if of_a_tensor and given.get("dtype") is args[0].dtype:
            given.pop("dtype")  # it has this dtype
        return {renamed.get(name, name): value for name, value in given.items()}

    def samples(self, name, calls, arguments, ours, dtype, training=False):
        word = OUR_DTYPES[dtype]
        file, path = TensorFile(), f"{name}{'.train' if training else ''}.{word}.safetensors"
        count = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for args, kwargs, call in calls:
                if self.limit and count == self.limit:
                    break
                mark = file.mark()
                try:
                    line = self.sample(file, count, arguments(args, kwargs), args, kwargs, call, training, dtype)
                except TypeError as error:
                    sys.exit(f"opinfo.py: the parameters of {name}: {error}")
                except (Unwritable, RuntimeError, NotImplementedError) as error:
                    file.back_to(mark)
                    self.skipped.append((name, word, str(error).splitlines()[0]))
                    continue
                head = {"name": name, "operation": ours, "file": path, "dtype": word}
                self.lines.write(json.dumps(head | line) + "\n")
                count += 1
        file.write(self.folder / path)

    def sample(self, file, index, given, args, kwargs, call, training, dtype):
        encoder = Encoder(file, str(index))
        encoded = {name: encoder.encode(value, name) for name, value in given.items()}
        is_module = isinstance(call, torch.nn.Module)
        has_state = is_module and not type(call).__name__.endswith("Loss")
        args = args[1:] if is_module else args

        def leaves_of(function, widened):
            leaves = {name: widened.of(x) if widened else x for name, x in encoder.tensors if x.requires_grad}
            return leaves | {f"state.{n}": p for n, p in function.named_parameters()} if has_state else leaves

        state = {n: file.add(f"{index}.state.{n}", x) for n, x in call.state_dict().items()} if has_state else {}
        leaves = leaves_of(call, None)
        # The widened arguments first: some functions change theirs.
        wide = Widened() if dtype in HALVES else None
        in_f32 = wide.of((call, args, kwargs)) if wide else None
        own_outputs, incoming, own_gradients = run(call, args, kwargs, list(leaves.values()))
        outputs, found = own_outputs, own_gradients
        if wide:
            wide_leaves = list(leaves_of(in_f32[0], wide).values())
            outputs, _, found = run(*in_f32, wide_leaves, [None if g is None else g.float() for g in incoming])
            outputs, found = rounded_like(outputs, own_outputs), rounded_like(found, own_gradients)

        own = {}  # PyTorch's own result in 16 bits, by the name of the judging one, if it is another one

        def add(what, value, of_16_bits):
            name = file.add(f"{index}.{what}", value)
            if value.dtype in HALVES and not is_equal(value, of_16_bits):
                own[name] = file.add(f"{index}.own.{what}", of_16_bits)
            return name

        results = [add(f"y{i}", y, of_16) for i, (y, of_16) in enumerate(zip(outputs, own_outputs))]
        gradients = {name: add(f"d.{name}", g, of_16) for name, g, of_16 in zip(leaves, found, own_gradients)}
        buffers = call.named_buffers() if has_state else ()
        words = ", ".join(f"{name}={said(value, dtype if wide else F64)}" for name, value in given.items())
        return {"arguments": encoded, "inputs": [name for name, _ in encoder.tensors], "names": encoder.names,
                "outputs": results, "incoming": [None if g is None else file.add(f"{index}.g{i}", g)
                                                 for i, g in enumerate(incoming)],
                "gradients": gradients, "own": own, "state": state,
                "buffers": {f"state.{n}": file.add(f"{index}.buffer.{n}", x) for n, x in buffers},
                "training": training, "said": words}


def write(folder, only, limit):
    writer = Writer(folder, limit)
    table, rows = operations(), modules()
    wanted = lambda name: only is None or re.fullmatch(only, name)
    for op in op_db:
        if full_name(op) in table and op.name not in RANDOM and wanted(full_name(op)):
            first = F64 if op.supports_dtype(F64, "cpu") else torch.int64
            for dtype in (first, *(half for half in HALVES if op.supports_dtype(half, "cpu"))):
                writer.operation(op, table[full_name(op)], dtype)
    for info in module_db:
        if info.name in rows and wanted(info.name):
            for dtype in (F64, *(half for half in HALVES if half in info.dtypes)):
                for training in (True, False) if info.train_and_eval_differ else (False,):
                    writer.module(info, training, dtype)
    writer.lines.close()
    return writer.skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", help="the program hop_parity")
    parser.add_argument("--folder", type=pathlib.Path, help="for the samples; by default a temporary one")
    parser.add_argument("--page", type=pathlib.Path, help="docs/parity.md")
    parser.add_argument("--only", help="a regular expression of PyTorch's names")
    parser.add_argument("--samples", type=int, help="at most so many of each operation")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        skipped = write(folder, options.only, options.samples)
        samples = [json.loads(line) for line in (folder / "samples.jsonl").open()]
        print(f"{len(samples)} samples of {len({s['name'] for s in samples})} operations, {len(skipped)} not written")
        if options.judge is None:
            return 0
        subprocess.run([options.judge, str(folder)], check=True)
        results = [json.loads(line) for line in (folder / "results.jsonl").open()]
    whole = options.only is None and options.samples is None
    names = [full_name(op) for op in op_db], [info.name for info in module_db]
    return opinfo_page.report(samples, results, skipped, names, options.page, whole)


if __name__ == "__main__":
    sys.exit(main())
