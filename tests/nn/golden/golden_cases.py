"""What the scripts share that write one file of functions of tensors: of each case the inputs <case>.0, <case>.1, ...,
the outputs <case>.y0, ..., the gradients of the outputs <case>.g0, ..., and the gradients of the inputs
<case>.0.grad, ... (absent if there is none). The tests read the files (golden_cases.h); they need no Python.
"""

import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(2026)
torch.set_default_dtype(torch.float64)
golden = {}


def case(name, f, *inputs):
    """Floating inputs get a gradient."""
    inputs = [x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs]
    outputs = f(*inputs)
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
    assert f"{name}.y0" not in golden, name
    for i, x in enumerate(inputs):
        golden[f"{name}.{i}"] = x.detach()
    for i, y in enumerate(outputs):
        golden[f"{name}.y{i}"] = y.detach()
    if not all(y.requires_grad for y in outputs):
        return
    gradients = [torch.randn_like(y) for y in outputs]
    for i, g in enumerate(gradients):
        golden[f"{name}.g{i}"] = g
    leaves = [i for i, x in enumerate(inputs) if x.is_floating_point()]
    for i, g in zip(leaves, torch.autograd.grad(outputs, [inputs[i] for i in leaves], gradients, allow_unused=True)):
        if g is not None:
            golden[f"{name}.{i}.grad"] = g


def rand(*shape):
    return torch.randn(shape)


def save(name):
    tensors = {k: v.clone(memory_format=torch.contiguous_format) for k, v in golden.items()}
    save_file(tensors, pathlib.Path(__file__).parent / name, metadata={"torch": torch.__version__})
