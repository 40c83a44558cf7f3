"""Writes comfort.safetensors: what PyTorch computes for indices, sorting, counting, resizing and elementwise rows, and
what it prints.

    pip install torch safetensors
    python tests/nn/golden/generate_comfort.py

The test reads the file; it needs no Python. Of each case: the inputs <case>.0, <case>.1, ..., the outputs <case>.y0, ...,
the gradients of the outputs <case>.g0, ..., and the gradients of the inputs <case>.0.grad, ... (absent if there is none).
Outputs that are not floating have no gradient. Printed tensors are print.<name>, their texts the metadata of that name.
"""

import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(2026)
golden, texts = {}, {}
inf, nan = math.inf, math.nan
f64 = torch.float64


def case(name, f, *inputs):
    inputs = [x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs]
    outputs = f(*inputs)
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
    assert f"{name}.y0" not in golden, name
    for i, x in enumerate(inputs):
        golden[f"{name}.{i}"] = x.detach()
    for i, y in enumerate(outputs):
        golden[f"{name}.y{i}"] = y.detach()
    graded = [i for i, y in enumerate(outputs) if y.requires_grad]
    for i in graded:
        golden[f"{name}.g{i}"] = torch.randn_like(outputs[i])
    leaves = [i for i, x in enumerate(inputs) if x.is_floating_point()]
    if not graded or not leaves:
        return
    gradients = torch.autograd.grad([outputs[i] for i in graded], [inputs[i] for i in leaves],
                                    [golden[f"{name}.g{i}"] for i in graded], allow_unused=True)
    for i, g in zip(leaves, gradients):
        if g is not None:
            golden[f"{name}.{i}.grad"] = g


def rand(*shape):
    return torch.randn(shape, dtype=f64)


def ints(*values):
    return torch.tensor(values)


# ---- rows of the elementwise table
x = torch.tensor([[-0.9, -0.5, -0.0, 0.25], [0.5, 0.8, 1.5, -2.5], [2.5, -1.25, 3.0, 0.75]], dtype=f64)
for f in (torch.floor, torch.ceil, torch.trunc, torch.round, torch.tan, torch.asin, torch.acos, torch.atan, torch.sinh,
          torch.cosh):
    case(f.__name__, f, x.clamp(-0.9, 0.9) if f in (torch.asin, torch.acos) else x)
other = torch.tensor([[0.7, -0.6, 2.0, -1.5], [1.1, -0.4, 0.9, 2.2], [-0.8, 0.3, -1.7, 0.2]], dtype=f64)
for f in (torch.atan2, torch.hypot, torch.remainder, torch.fmod):
    case(f.__name__, f, x, other)
case("floor_divide", lambda a, b: torch.div(a, b, rounding_mode="floor"), x, other)
whole = torch.tensor([7, -7, 7, -7, 6, 0]), torch.tensor([3, 3, -3, -3, -3, 5])
for f in (torch.remainder, torch.fmod, torch.floor_divide):
    case(f"{f.__name__}_integers", f, *whole)
case("remainder_number", lambda x: torch.remainder(x, -0.6), x)
case("logaddexp", torch.logaddexp, torch.tensor([0.0, 700.0, 1.5, -3.0], dtype=f64),
     torch.tensor([-1.0, 1.0, 1.5, 800.0], dtype=f64))
bounds = torch.tensor([-0.5, -0.5, 0.0, 1.0], dtype=f64), torch.tensor([0.25, 0.5, 2.0, -1.0], dtype=f64)
case("clamp_tensors", torch.clamp, x + 0.01, *bounds)
case("clamp_min", lambda x, low: torch.clamp(x, min=low), x + 0.01, bounds[0])
case("clamp_max", lambda x, high: torch.clamp(x, max=high), x + 0.01, bounds[1])
case("cumprod", lambda x: torch.cumprod(x, 1), rand(2, 5, 3))
case("cumprod_zeros", lambda x: torch.cumprod(x, 0), torch.tensor([2.0, 0.0, 3.0, 0.0, 4.0], dtype=f64))
case("cumprod_integers", lambda x: torch.cumprod(x, -1), ints(1, -2, 3))

# ---- indices
a = rand(4, 3, 5)
i, j = ints(2, 0, -1), ints([1, -1], [0, 2])
mask = torch.tensor([[True, False, True], [False, False, True], [True, True, False], [False, False, False]])
case("index_number", lambda x: x[-1], a)
case("index_slices", lambda x: x[1:3, ..., ::2], a)
case("index_none", lambda x: x[0, None, :, -3:], a)
case("index_ellipsis", lambda x: x[..., 1], a)
case("index_tensor", lambda x, i: x[i], a, i)
case("index_tensor_last", lambda x, j: x[..., j], a, j)
case("index_two", lambda x, i, j: x[j, :, j + 1], a, i, j)
case("index_neighbours", lambda x, j: x[:, j, j], a, j)
case("index_number_and_tensors", lambda x, i: x[0, i, i], a, i)
case("index_broadcast", lambda x, i: x[i, i[:, None] % 3], a, i)
case("index_mask", lambda x, m: x[m], a, mask)
case("index_mask_behind", lambda x, m: x[:, m], rand(2, 4, 3), mask)
case("index_mask_and_tensor", lambda x, m: x[m, 2], a, mask)
case("index_mask_none", lambda x, m: x[m & False], a, mask)
case("index_scalar_tensor", lambda x: x[torch.tensor(1), :, torch.tensor(-1)], a)
case("index_empty", lambda x: x[torch.zeros(0, 2, dtype=torch.int64)], a)
case("index_integers", lambda x, i: x[i], torch.arange(12).reshape(4, 3), i)


def put(at, accumulate=False):
    def f(x, y):
        z = x.clone()
        if accumulate:
            return z.index_put(at, y, accumulate=True)
        z[at] = y
        return z
    return f


case("put_slice", put((0, slice(1, 3))), a, rand(2, 5))
case("put_broadcast", put((slice(None), 1)), a, rand(1, 1, 5))
case("put_tensor", put((i,)), a, rand(3, 3, 5))
case("put_mask", put((mask,)), a, rand(5))
case("put_pairs", put((i, ints(0, 1, 2))), a, rand(3, 5))
case("put_accumulate", put((ints(1, 1, 0),), True), a, rand(3, 3, 5))
case("put_accumulate_pairs", put((ints(1, 1, 0, 1), ints(2, 2, 0, 0)), True), a, rand(4, 5))

# ---- writing at positions
s = ints([0, 2, 1], [2, 0, 0])
case("scatter", lambda x, y: x.scatter(0, s, y), rand(4, 3), rand(2, 3))
case("scatter_large_values", lambda x, y: x.scatter(1, ints([3], [1]), y[:2, :1]), rand(3, 4), rand(3, 2))
case("scatter_number", lambda x: x.scatter(0, s, -1.5), rand(4, 3))
case("scatter_add", lambda x, y: x.scatter_add(0, s, y[:2, :3]), rand(4, 3), rand(3, 4))
case("index_add", lambda x, y: x.index_add(1, ints(0, 2, 0), y, alpha=-2), rand(2, 3, 2), rand(2, 3, 2))
case("index_copy", lambda x, y: x.index_copy(0, ints(3, 1), y), rand(4, 3), rand(2, 3))
case("index_fill", lambda x: x.index_fill(1, ints(2, 0), 0.5), rand(2, 3))

# ---- sorting
t = rand(3, 7, 2)
case("sort", lambda x: torch.sort(x, dim=1, stable=True), t)
case("sort_descending", lambda x: torch.sort(x, descending=True, stable=True), rand(2, 9))
case("sort_ties", lambda x: torch.sort(x, stable=True, descending=True), torch.tensor([2.0, 1.0, 2.0, 1.0, 2.0]))
case("sort_nan", lambda x: torch.sort(x, stable=True), torch.tensor([nan, 1.0, -inf, nan, inf]))
case("sort_nan_descending", lambda x: torch.sort(x, descending=True, stable=True), torch.tensor([1.0, nan, inf, nan]))
case("sort_bool", lambda x: torch.sort(x.flatten(), stable=True), mask)
case("sort_scalar", lambda x: torch.sort(x), torch.tensor(3.0))
case("sort_empty", lambda x: torch.sort(x, 1), torch.zeros(2, 0, 3))
case("argsort", lambda x: torch.argsort(x, dim=0, stable=True), rand(5, 2))
case("topk", lambda x: torch.topk(x, 3), rand(2, 7))
case("topk_smallest", lambda x: torch.topk(x, 2, 0, largest=False), rand(5, 3))
case("topk_nan", lambda x: torch.topk(x, 2), torch.tensor([1.0, nan, 3.0]))
case("kthvalue", lambda x: torch.kthvalue(x, 3, 1, keepdim=True), t)
case("median", torch.median, rand(4, 2))
case("median_dim", lambda x: torch.median(x, 1), t)
case("median_even", lambda x: torch.median(x, -1, keepdim=True), rand(3, 4))
case("median_nan", lambda x: torch.median(x, 1), torch.tensor([[1.0, nan, 0.0, nan], [4.0, 3.0, 2.0, 1.0]]))

# ---- counting
case("bincount", torch.bincount, ints(3, 0, 3, 1))
case("bincount_minlength", lambda x: torch.bincount(x, minlength=6), ints(3, 0))
case("bincount_weights", lambda x, w: torch.bincount(x, w.detach()), ints(3, 0, 3), torch.tensor([0.5, 1.0, -2.0]).to(f64))
case("bincount_empty", torch.bincount, torch.zeros(0, dtype=torch.int64))
h = torch.tensor([0.0, 1.0, 2.0, 2.5, 4.0, 5.0, nan, -1.0])
case("histc", lambda x: torch.histc(x.detach(), 4, 0, 4), h)
case("histc_own_bounds", lambda x: torch.histc(x[:6].detach(), 3), h)
case("histc_constant", lambda x: torch.histc(x.detach(), 4), torch.full((5,), 2.0))
u = torch.tensor([[3, 1, 3], [2, 1, 3]])
case("unique", lambda x: torch.unique(x.detach(), return_inverse=True, return_counts=True), u)
case("unique_floats", lambda x: torch.unique(x.detach(), return_inverse=True, return_counts=True), torch.tensor([0.5, -1.0, 0.5]))
case("unique_empty", lambda x: torch.unique(x.detach(), return_inverse=True, return_counts=True), torch.zeros(0, 2))

# ---- resizing
p = rand(2, 1, 3, 4)
case("nearest", lambda x: F.interpolate(x, size=(5, 3)), p)
case("nearest_factor", lambda x: F.interpolate(x, scale_factor=1.7), p)
case("nearest_row", lambda x: F.interpolate(x, size=7), rand(1, 2, 3))
case("nearest_volume", lambda x: F.interpolate(x, scale_factor=(2, 1.5, 0.5)), rand(1, 1, 2, 3, 4))
case("nearest_exact", lambda x: F.interpolate(x, size=(5, 2), mode="nearest-exact"), p)
case("linear", lambda x: F.interpolate(x, size=7, mode="linear"), rand(1, 2, 3))
case("bilinear", lambda x: F.interpolate(x, size=(5, 3), mode="bilinear"), p)
case("bilinear_align", lambda x: F.interpolate(x, size=(5, 1), mode="bilinear", align_corners=True), p)
case("bilinear_factor", lambda x: F.interpolate(x, scale_factor=(1.7, 0.6), mode="bilinear"), p)
case("bilinear_recomputed",
     lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True), p)
case("bilinear_same", lambda x: F.interpolate(x, scale_factor=(1.1, 2), mode="bilinear"), rand(1, 2, 3, 4))
case("trilinear", lambda x: F.interpolate(x, size=(3, 2, 5), mode="trilinear"), rand(1, 1, 2, 3, 4))

# ---- printing
printed = {
    "scalar": torch.tensor(1.5), "whole": torch.tensor([1.0, -20.0, 300.0]), "decimals": torch.tensor([[1.0, 2.5], [-0.125, 1000.0]]),
    "exponents": torch.tensor([1.0, 1e-5, -12345.678]), "large": torch.tensor([123456789.0, 3.0]),
    "special": torch.tensor([nan, inf, -inf, 1.0]), "special_decimals": torch.tensor([nan, -inf, 0.5]),
    "zeros": torch.zeros(2, 2), "negative_zero": torch.tensor([-0.0, 0.0]), "only_nan": torch.tensor([nan, inf]),
    "integers": torch.tensor([[1, -20], [300, 4]]), "bool": torch.tensor([True, False]), "bytes": torch.tensor([1, 200], dtype=torch.uint8),
    "i32": torch.tensor([-5, 7], dtype=torch.int32), "f64": torch.tensor([0.1, 2.0], dtype=f64), "largest": torch.tensor([2**63 - 1, -2**63]),
    "empty": torch.zeros(0), "empty_shape": torch.zeros(0, 3), "empty_integers": torch.zeros(2, 0, dtype=torch.int64),
    "cube": torch.arange(24.0).reshape(2, 3, 4) / 3, "long": torch.arange(40.0), "long_f64": torch.arange(15, dtype=f64) / 7,
    "summarised": torch.arange(1001.0), "summarised_matrix": torch.arange(2000.0).reshape(50, 40) / 8,
    "summarised_cube": torch.arange(1536).reshape(4, 8, 48), "thousand": torch.arange(1000).reshape(20, 50),
    "narrow": torch.arange(2002.0).reshape(1001, 2), "four": torch.arange(16.0).reshape(2, 2, 2, 2),
    "transposed": torch.arange(6.0).reshape(2, 3).t(), "wide_suffix": torch.arange(11, dtype=torch.int32) * 1000,
}
for name, tensor in printed.items():
    golden[f"print.{name}"] = tensor
    texts[f"print.{name}"] = str(tensor)
texts["print.requires_grad"] = str(torch.tensor([1.0, 2.0], requires_grad=True))

golden = {k: v.clone(memory_format=torch.contiguous_format) for k, v in golden.items()}
save_file(golden, pathlib.Path(__file__).parent / "comfort.safetensors", metadata={"torch": torch.__version__, **texts})
