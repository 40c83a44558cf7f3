"""What the scripts of this folder know of PyTorch's samples: to find them, to write them, to say them."""

import inspect
import json
import math
import sys
import types
import unittest

# PyTorch's test utilities import a package for tests of texts, of which the samples use nothing.
if "expecttest" not in sys.modules:
    stand_in = types.ModuleType("expecttest")
    stand_in.TestCase = unittest.TestCase
    sys.modules["expecttest"] = stand_in

import torch

DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64",
          torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}
OUR_DTYPES = {torch.float64: "f64", torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16",
              torch.int64: "i64", torch.bool: "bool"}


class Unwritable(Exception):
    """A sample with something that the files cannot hold: a complex or sparse tensor."""


class TensorFile:
    """A safetensors file, written without the package."""

    def __init__(self):
        self.header, self.parts, self.size = {}, [], 0

    def add(self, name, tensor):
        if tensor.dtype not in DTYPES or tensor.layout is not torch.strided:
            raise Unwritable(f"a tensor of {tensor.dtype}, {tensor.layout}")
        values = tensor.detach().resolve_conj().resolve_neg().contiguous().cpu()
        if values.dtype is torch.bfloat16:
            values = values.view(torch.int16)  # numpy has no bf16
        part = values.numpy().tobytes()
        self.header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape),
                             "data_offsets": [self.size, self.size + len(part)]}
        self.parts.append(part)
        self.size += len(part)
        return name

    def mark(self):
        return dict(self.header), len(self.parts), self.size

    def back_to(self, mark):
        """Forgets what was added since mark()."""
        self.header, count, self.size = mark
        del self.parts[count:]

    def write(self, path):
        header = json.dumps(self.header).encode()
        header += b" " * (-len(header) % 8)
        path.write_bytes(len(header).to_bytes(8, "little") + header + b"".join(self.parts))


def signature(text, function):
    """Of the text of a parameter list, or of a Python function."""
    return inspect.signature(eval(f"lambda {text}: None") if text is not None else function)


def bind(parameters, args, kwargs, ignored):
    """The arguments by name, without those that have their default."""
    for name in [name for name in kwargs if name in ignored and name not in parameters.parameters]:
        kwargs.pop(name)
    given = {}
    for name, value in parameters.bind(*args, **kwargs).arguments.items():
        kind = parameters.parameters[name]
        if kind.kind is inspect.Parameter.VAR_POSITIONAL and len(value) == 1 and isinstance(value[0], (list, tuple)):
            value = value[0]
        is_nothing = value is None and kind.default in (None, inspect.Parameter.empty)
        if name not in ignored and not is_nothing and not same(value, kind.default):
            given[name] = value
    return given


def same(value, default):
    if isinstance(value, torch.Tensor) or isinstance(default, torch.Tensor):
        return value is default
    if callable(default) and callable(value):
        return value is default
    return type(value) in (type(default), int, float, bool) and value == default


def number(value):
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    return value


def flat(value):
    """The tensors of a result, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for part in value for tensor in flat(part)]
    if value is None:
        return []
    return [torch.tensor(value)]


def said(value, usual):
    """For people. The dtype of a tensor is said unless it is the `usual` one, that of the sample."""
    if isinstance(value, torch.Tensor):
        shape = "(" + ", ".join(map(str, value.shape)) + ")"
        return shape if value.dtype is usual else f"{OUR_DTYPES.get(value.dtype, value.dtype)} {shape}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(said(part, usual) for part in value) + "]"
    if isinstance(value, torch.dtype):
        return OUR_DTYPES.get(value, str(value))
    return getattr(value, "__name__", str(value))


class Encoder:
    """Turns arguments into JSON and tensors of a file. The same tensor has one name."""

    def __init__(self, file, prefix):
        self.file, self.prefix, self.names, self.tensors = file, prefix, {}, []

    def tensor(self, value, argument):
        for name, known in self.tensors:
            if known is value:
                return name
        name = self.file.add(f"{self.prefix}.x{len(self.tensors)}", value)
        self.tensors.append((name, value))
        self.names[name] = argument
        return name

    def encode(self, value, argument):
        if isinstance(value, torch.Tensor):
            return {"tensor": self.tensor(value, argument)}
        if isinstance(value, (list, tuple)):
            return [self.encode(part, argument) for part in value]
        if isinstance(value, complex):
            raise Unwritable("a complex number")
        if isinstance(value, torch.dtype):
            return OUR_DTYPES.get(value, str(value))
        if isinstance(value, (bool, int, float, str)):
            return number(value)
        return getattr(value, "__name__", str(value))
