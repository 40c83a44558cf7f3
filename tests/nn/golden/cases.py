"""What the generators beside this file share: cases, which become a file of golden tensors.

Of each case: the parameters <case>.p.<name>, the inputs <case>.0, <case>.1, ..., the outputs <case>.y0, ..., the
gradients of the outputs <case>.g0, ..., and the gradients of inputs and parameters <case>.0.grad, <case>.p.<name>.grad.
Without a gradient are integers, what an operation does not differentiate, and all if an output has none. The tests
read the files (golden_cases.h, golden_module_cases.h); they need no Python.
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(2026)
torch.set_default_dtype(torch.float64)
golden = {}


def flat(outputs):
    return [outputs] if isinstance(outputs, torch.Tensor) else [y for part in outputs for y in flat(part)]


def case(name, module, *inputs, call=None):
    """`module` is a module, or a function of the inputs."""
    assert f"{name}.y0" not in golden, name
    named = list(module.named_parameters()) if isinstance(module, nn.Module) else []
    with torch.no_grad():
        for key, p in named:
            p.copy_(torch.randn_like(p) * 0.5)
            golden[f"{name}.p.{key}"] = p.detach().clone()
    inputs = [x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs]
    outputs = flat(call(module, *inputs) if call else module(*inputs))
    for i, x in enumerate(inputs):
        golden[f"{name}.{i}"] = x.detach()
    for i, y in enumerate(outputs):
        golden[f"{name}.y{i}"] = y.detach()
    if not all(y.requires_grad for y in outputs):
        return
    gradients = [torch.randn_like(y) for y in outputs]
    for i, g in enumerate(gradients):
        golden[f"{name}.g{i}"] = g
    leaves = {f"{i}": x for i, x in enumerate(inputs) if x.requires_grad} | {f"p.{key}": p for key, p in named}
    for key, g in zip(leaves, torch.autograd.grad(outputs, list(leaves.values()), gradients, allow_unused=True)):
        if g is not None:
            golden[f"{name}.{key}.grad"] = g


def rand(*shape):
    return torch.randn(shape)


def save(name):
    tensors = {k: v.clone(memory_format=torch.contiguous_format) for k, v in golden.items()}
    save_file(tensors, pathlib.Path(__file__).parent / name, metadata={"torch": torch.__version__})
