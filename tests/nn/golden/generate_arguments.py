"""Writes arguments.safetensors: what PyTorch computes for arguments that few calls give.

    pip install torch safetensors
    python tests/nn/golden/generate_arguments.py
"""

import math

import torch
import torch.nn.functional as F
from cases import case, rand, save
from torch import nn

inf, nan = math.inf, math.nan
f32, i32 = torch.float32, torch.int32


def ints(*values):
    return torch.tensor(values, dtype=torch.int64)


# ---- numbers for lists of dimensions
ties = torch.tensor([[2.0, -1.0, 2.0], [0.5, nan, 3.0], [-4.0, -4.0, -5.0]])
case("max_dim", lambda x: torch.max(x, 1), ties)
case("max_dim_values", lambda x: torch.max(x, 1).values, ties)
case("min_dim_values", lambda x: torch.min(x, 0, keepdim=True).values, rand(3, 2))
case("min_dim", lambda x: torch.min(x, 0, keepdim=True), ties)
case("max_scalar", lambda x: torch.max(x, 0), torch.tensor(-1.5))
case("min_integers", lambda x: torch.min(x, -1), ints([3, -2, -2], [7, 7, 9]))
case("squeeze_all", lambda x: torch.squeeze(x), rand(1, 3, 1, 2))
case("squeeze_dims", lambda x: torch.squeeze(x, (0, -1, 1)), rand(1, 3, 1, 1))
case("layer_norm_number", lambda x: nn.LayerNorm(4)(x), rand(2, 3, 4))
case("rms_norm_number", lambda x: nn.RMSNorm(4)(x), rand(2, 3, 4))

# ---- GELU by tanh
far = torch.tensor([-40.0, -9.0, -3.0, -0.7, -1e-3, 0.0, 0.4, 1.0, 2.5, 8.0, 40.0])
case("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), far)
case("gelu_module", nn.GELU("tanh"), rand(3, 2))
case("encoder_layer", nn.TransformerEncoderLayer(4, 2, 6, 0.0, nn.GELU("tanh"), batch_first=True), rand(2, 3, 4))

# ---- alpha
case("add_alpha", lambda a, b: torch.add(a, b, alpha=-1.5), rand(2, 3), rand(3))
case("sub_alpha", lambda a, b: torch.sub(a, b, alpha=2), rand(2, 3), rand(2, 1))
case("add_alpha_number", lambda a: torch.add(a, 3, alpha=0.5), rand(2, 3))
case("add_alpha_integers", lambda a, b: torch.add(a, b, alpha=3), ints(1, -2, 5), ints(4, 4, -1))
case("sub_alpha_mixed", lambda a, b: torch.sub(a, b, alpha=0.5), rand(3), ints(4, 4, -1))
case("add_alpha_singles", lambda a, b: torch.add(a, b, alpha=0.75), rand(3), rand(3).to(f32))

# ---- einsum with an ellipsis
case("einsum_matmul", lambda a, b: torch.einsum("...ij,...jk->...ik", a, b), rand(2, 1, 3, 2), rand(4, 2, 3))
case("einsum_transposed", lambda a: torch.einsum("i...j->j...i", a), rand(2, 3, 1, 4))
case("einsum_implicit", lambda a, b: torch.einsum("b...,a...", a, b), rand(2, 3), rand(4, 3))
case("einsum_summed", lambda a: torch.einsum("...i->i", a), rand(2, 3, 4))
case("einsum_nothing", lambda a, b: torch.einsum("...i,i...->...", a, b), rand(3), rand(3))
case("einsum_one_has_it", lambda a, b: torch.einsum("...i,ij->...j", a, b), rand(2, 5, 3), rand(3, 2))
case("einsum_ones", lambda a, b: torch.einsum("...,...->...", a, b), rand(2, 1, 3), rand(4, 1))
case("einsum_diagonal", lambda a: torch.einsum("...ii->...i", a), rand(2, 3, 3))
case("einsum_three", lambda a, b, c: torch.einsum("...i,...ij,...j->...", a, b, c), rand(2, 3), rand(3, 4), rand(2, 4))

# ---- tensors of shape ()
one = torch.tensor(0.75)
case("gather_scalar", lambda x, i: torch.gather(x, 0, i), one, ints(0, 0))
case("gather_scalar_index", lambda x, i: torch.gather(x, 0, i), rand(4), torch.tensor(2))
case("index_select_scalar", lambda x, i: torch.index_select(x, 0, i), one, ints(0))
case("index_select_scalar_index", lambda x, i: torch.index_select(x, 1, i), rand(2, 3), torch.tensor(2))
case("scatter_scalar", lambda x, i, v: torch.scatter(x, 0, i, v), one, ints(0), rand(1))
case("scatter_scalar_index", lambda x, i: torch.scatter(x, 0, i, 5.0), rand(3), torch.tensor(1))
case("scatter_add_scalar", lambda x, i, v: torch.scatter_add(x, 0, i, v), one, ints(0, 0), rand(2))
case("index_add_scalar", lambda x, i, v: torch.index_add(x, 0, i, v, alpha=2), one, torch.tensor(0), rand())
case("index_copy_scalar", lambda x, i, v: torch.index_copy(x, 0, i, v), one, torch.tensor(0), rand())
case("index_copy_scalar_index", lambda x, i, v: torch.index_copy(x, 0, i, v), rand(3), torch.tensor(1), rand())
case("index_fill_scalar", lambda x, i: torch.index_fill(x, 0, i, 2.0), one, torch.tensor(0))
case("index_fill_scalar_index", lambda x, i: torch.index_fill(x, 1, i, 2.0), rand(2, 3), torch.tensor(1))
case("index_fill_tensor", lambda x, i, v: torch.index_fill(x, 0, i, v), rand(3, 2), ints(0, 2, 0), rand())
case("index_fill_no_positions", lambda x, i, v: torch.index_fill(x, 0, i, v), rand(3), ints(), rand())

# ---- repeats of each element
case("repeats", lambda x, r: torch.repeat_interleave(x, r, 1), rand(2, 3), ints(2, 0, 3))
case("repeats_flat", lambda x, r: torch.repeat_interleave(x, r), rand(2, 2), ints(1, 0, 2, 1).to(i32))
case("repeats_one", lambda x, r: torch.repeat_interleave(x, r, 0), rand(2, 3), ints(2))
case("repeats_number", lambda x, r: torch.repeat_interleave(x, r, -1), rand(2, 3), torch.tensor(2))
case("repeats_none", lambda x, r: torch.repeat_interleave(x, r, 0), rand(0, 3), ints())

# ---- positions, different values
case("where_one", lambda x: torch.where(x), ints([0, 3, 0], [1, 0, -2]))
case("where_scalar", lambda x: torch.where(x), torch.tensor(5))


def unique(x, **options):
    return torch.unique(x, return_inverse=True, return_counts=True, **options)


def consecutive(x, **options):
    return torch.unique_consecutive(x, return_inverse=True, return_counts=True, **options)


rows = ints([2, 1, 1], [0, 5, 5], [2, 1, 1], [0, 5, 4])
cube = ints([[1, 1, 0], [2, 2, 9]], [[3, 3, 0], [1, 1, 7]])
case("unique_rows", lambda x: unique(x, dim=0), rows)
case("unique_columns", lambda x: unique(x, dim=1), rows)
case("unique_last", lambda x: unique(x, dim=-1), cube)
case("unique_vector", lambda x: unique(x, dim=0), ints(4, -1, 4, 4))
case("unique_no_rows", lambda x: unique(x, dim=0), torch.empty(0, 2))
case("consecutive", consecutive, ints([1, 1, 2], [2, 1, 1]))
case("consecutive_scalar", consecutive, torch.tensor(3.0))
case("consecutive_rows", lambda x: consecutive(x, dim=0), ints([1, 2], [1, 2], [0, 2], [1, 2]))
case("consecutive_columns", lambda x: consecutive(x, dim=1), ints([1, 1, 2, 1], [5, 5, 5, 5]))
case("consecutive_none", consecutive, torch.empty(0))

# ---- dtype
case("sum_dtype", lambda x: torch.sum(x, 1, dtype=torch.float64), rand(2, 3).to(f32))
case("sum_dtype_whole", lambda x: torch.sum(x.detach(), dtype=i32), torch.tensor([1.7, 2.9, -0.5]))
case("sum_dtype_integers", lambda x: torch.sum(x, 0, True, dtype=f32), ints([1, 2], [3, 4]))
case("mean_dtype", lambda x: torch.mean(x, 0, dtype=f32), ints([1, 2], [3, 5]))
case("prod_dtype", lambda x: torch.prod(x, 1, dtype=torch.float64), rand(2, 3).to(f32))
case("prod_dtype_all", lambda x: torch.prod(x, dtype=torch.float64), ints(2, 3, 5))
case("cumsum_dtype", lambda x: torch.cumsum(x, 0, dtype=f32), ints([1, 2], [3, 5]))
case("cumprod_dtype", lambda x: torch.cumprod(x, 1, dtype=i32), ints([1, 2, -4], [3, 5, 2]))
case("softmax_dtype", lambda x: torch.softmax(x, 1, dtype=torch.float64), rand(2, 3).to(f32))
case("log_softmax_dtype", lambda x: torch.log_softmax(x, 0, dtype=f32), ints([1, 2], [3, 5]))

# ---- correction
case("var_fraction", lambda x: torch.var(x, 1, correction=0.5), rand(3, 4))
case("std_fraction", lambda x: torch.std(x, (0, 1), correction=1.75, keepdim=True), rand(3, 4))
case("var_beyond", lambda x: torch.var(x.detach(), 1, correction=4.5), rand(2, 4))
case("var_negative", lambda x: torch.var(x, correction=-0.25), rand(5))

# ---- Gaussian NLL of shapes that broadcast
case("gaussian_nll_broadcast", lambda x, y, v: F.gaussian_nll_loss(x, y, v), rand(4, 3), rand(3), rand(4, 3).abs() + 0.1)
case("gaussian_nll_wider", lambda x, y, v: F.gaussian_nll_loss(x, y, v, reduction="none"), rand(3), rand(2, 3),
     rand(3).abs() + 0.1)
case("gaussian_nll_number", lambda x, y: F.gaussian_nll_loss(x, y, 0.5, full=True), rand(4, 3), rand(4, 3))

save("arguments.safetensors")
