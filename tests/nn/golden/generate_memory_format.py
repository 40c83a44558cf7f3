"""Writes memory_format.safetensors: what PyTorch computes of images in torch.channels_last, and which results lie so.

    pip install torch safetensors
    python tests/nn/golden/generate_memory_format.py

The test reads the file; it needs no Python. cases.py says what stands in it. Values are those of contiguous images.
<case>.last is 1 if the result for images with channels last has channels last in PyTorch, else 0.
"""

import torch
from cases import case, golden, rand, save
from torch.nn import functional as F

LAST = torch.channels_last


def both(name, op, *inputs):
    case(name, op, *inputs)
    turned = [x.to(memory_format=LAST) if x.dim() == 4 else x for x in inputs]
    y = op(*turned)
    golden[f"{name}.last"] = torch.tensor([int(y.is_contiguous(memory_format=LAST))])


x, weight = rand(2, 6, 5, 4), rand(7, 6, 3, 3)
both("to", lambda t: t.to(memory_format=LAST), x)
both("contiguous", lambda t: t.contiguous(), x)
both("contiguous_last", lambda t: t.contiguous(memory_format=LAST), x)
both("clone", lambda t: t.clone(), x)
both("clone_planes", lambda t: t.clone(memory_format=torch.contiguous_format), x)
both("clone_part", lambda t: t[:, 1:4].clone(), x)
both("clone_window", lambda t: t[:, :, 1:4, ::2].clone(), x)
both("clone_transposed", lambda t: t.transpose(2, 3).clone(), x)
both("to_dtype", lambda t: t.float(), x)
both("zeros_like", lambda t: torch.zeros_like(t), x)
both("zeros_like_part", lambda t: torch.zeros_like(t[:, :2]), x)
both("ones_like_planes", lambda t: torch.ones_like(t, memory_format=torch.contiguous_format), x)
both("full_like", lambda t: torch.full_like(t, 3), x)
both("empty_like", lambda t: torch.empty_like(t).fill_(1), x)
both("mul", lambda t, u: t * u, x, rand(6, 1, 1))
both("cat", lambda t, u: torch.cat([t, u], 1), x, rand(2, 3, 5, 4))
both("cat_images", lambda t: torch.cat([t, t * 2], 0), x)
both("cat_columns", lambda t: torch.cat([t, t * 2], -1), x)
both("cat_mixed", lambda t: torch.cat([t, t.contiguous()], 1), x)
both("pad", lambda t: F.pad(t, (1, 2, 0, 1)), x)
both("pad_number", lambda t: F.pad(t, (1, -2, -1, 1), value=2.5), x)
both("reflect", lambda t: F.pad(t, (1, 2, 3, 1), mode="reflect"), x)
both("replicate", lambda t: F.pad(t, (1, 2, 3, 1), mode="replicate"), x)
both("nearest", lambda t: F.interpolate(t, (7, 9), mode="nearest"), x)
both("bilinear", lambda t: F.interpolate(t, (3, 9), mode="bilinear"), x)
both("bicubic", lambda t: F.interpolate(t, (8, 3), mode="bicubic"), x)
both("group_norm", lambda t: F.group_norm(t, 3), x)
both("batch_norm", lambda t: F.batch_norm(t, None, None, training=True), x)
both("max_pool2d", lambda t: F.max_pool2d(t, 2), x)
both("avg_pool2d", lambda t: F.avg_pool2d(t, 3, stride=1), x)
both("conv2d", lambda t, w: F.conv2d(t, w), x, weight)
both("conv_transpose2d", lambda t, w: F.conv_transpose2d(t, w), x, rand(6, 5, 3, 3))
both("reshape", lambda t: t.reshape(2, 6, 20, 1), x)
save("memory_format.safetensors")
print({k[:-5]: int(v) for k, v in golden.items() if k.endswith(".last")})
