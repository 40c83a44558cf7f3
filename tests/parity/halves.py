"""Samples in bf16 and f16, and what they are judged by: PyTorch's f32, for the same numbers of 16 bits.

Our operations compute in f32 and round once. PyTorch's round in between where they are made of others, so its own result
in 16 bits is no better a judge than ours. It only says how far rounding in between may lead.
"""

import copy

import torch

HALVES = (torch.bfloat16, torch.float16)


class Widened:
    """Arguments in f32: tensors of 16 bits become leaves of f32. The same tensor stays the same one."""

    def __init__(self):
        self.known = []

    def of(self, value):
        if isinstance(value, torch.Tensor):
            return self.tensor(value)
        if isinstance(value, torch.nn.Module):
            return copy.deepcopy(value).float()
        if isinstance(value, torch.dtype):
            return torch.float32 if value in HALVES else value
        if isinstance(value, (list, tuple)):
            return type(value)(map(self.of, value))
        if isinstance(value, dict):
            return {name: self.of(part) for name, part in value.items()}
        return value

    def tensor(self, value):
        if value.dtype not in HALVES:
            return value
        for narrow, wide in self.known:
            if narrow is value:
                return wide
        wide = value.detach().float().requires_grad_(value.requires_grad)
        self.known.append((value, wide))
        return wide


def rounded_like(wide, own):
    """The results of f32, rounded to the dtypes of PyTorch's results in 16 bits."""
    return [x.detach().to(y.dtype) for x, y in zip(wide, own, strict=True)]


def is_equal(a, b):
    return bool(((a == b) | (a.isnan() & b.isnan())).all())
