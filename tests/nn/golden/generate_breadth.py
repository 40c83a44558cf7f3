"""Writes breadth.safetensors: what PyTorch computes for the operations that are composed of others.

    pip install torch safetensors
    python tests/nn/golden/generate_breadth.py
"""

import math

import torch
import torch.nn.functional as F
from cases import case, rand, save

inf, nan = math.inf, math.nan

# ---- shapes
case("split", lambda x: torch.split(x, 2, -1), rand(3, 5))
case("split_sizes", lambda x: torch.split(x, [1, 0, 4], 1), rand(2, 5, 3))
case("split_empty", lambda x: torch.split(x, 3), rand(0, 2))
case("chunk", lambda x: torch.chunk(x, 4, 0), rand(7, 2))
case("chunk_few", lambda x: torch.chunk(x, 4, -2), rand(5, 2))
case("unbind", lambda x: torch.unbind(x, -1), rand(2, 3))
case("flip", lambda x: torch.flip(x, [0, -1]), rand(3, 2, 5))
case("roll", lambda x: torch.roll(x, [2, -4], [0, -1]), rand(3, 5))
case("roll_flat", lambda x: torch.roll(x, 4), rand(3, 5))
case("roll_far", lambda x: torch.roll(x, [-8], [1]), rand(2, 3))
case("repeat", lambda x: x.repeat(2, 1, 3), rand(2, 3))
case("repeat_none", lambda x: x.repeat(2, 0), rand(2, 3))
case("tile", lambda x: torch.tile(x, (3,)), rand(2, 3))
case("tile_more", lambda x: torch.tile(x, (2, 2, 2)), rand(2, 3))
case("repeat_interleave", lambda x: torch.repeat_interleave(x, 3, -2), rand(2, 3, 2))
case("repeat_interleave_flat", lambda x: torch.repeat_interleave(x, 2), rand(2, 3))
case("diagonal", lambda x: torch.diagonal(x), rand(3, 5))
case("diagonal_above", lambda x: torch.diagonal(x, 2), rand(3, 5))
case("diagonal_below", lambda x: torch.diagonal(x, -1), rand(3, 2))
case("diagonal_outside", lambda x: torch.diagonal(x, 7), rand(3, 2))
case("diagonal_dims", lambda x: torch.diagonal(x, 1, -1, 0), rand(4, 2, 3))
case("meshgrid", lambda x, y, z: torch.meshgrid(x, y, z, indexing="ij"), rand(2), rand(3), rand(4))
case("meshgrid_xy", lambda x, y, z: torch.meshgrid(x, y, z, indexing="xy"), rand(2), rand(3), rand(4))
case("pad", lambda x: F.pad(x, (1, 2, 0, 3), value=0.5), rand(2, 3, 4))
case("pad_cut", lambda x: F.pad(x, (-1, 2, 3, -2)), rand(2, 3, 4))
case("pad_empty", lambda x: F.pad(x, (1, 1, 2, 0), value=-1.0), rand(0, 3))
case("pad_integers", lambda x: F.pad(x, (1, 1), value=2.0), torch.arange(3))
case("pad_reflect", lambda x: F.pad(x, (3, 1, 1, 2), mode="reflect"), rand(2, 3, 4))
case("pad_reflect_cut", lambda x: F.pad(x, (-1, 2), mode="reflect"), rand(2, 3))
case("pad_replicate", lambda x: F.pad(x, (5, 1, 0, 2), mode="replicate"), rand(2, 3, 4))
case("pad_circular", lambda x: F.pad(x, (4, 2, 1, 0), mode="circular"), rand(2, 3, 4))

# ---- masks
mask = torch.tensor([[True, False, True], [False, False, True]])
case("masked_fill", lambda x, m: x.masked_fill(m, -2.5), rand(2, 3), mask)
case("masked_fill_tensor", lambda x, m, v: x.masked_fill(m, v), rand(4, 2, 3), mask, torch.tensor(0.75))
case("masked_fill_broadcast", lambda x, m: torch.where(m, -inf, x), rand(3), mask)
case("masked_select", lambda x, m: torch.masked_select(x, m), rand(2, 3), mask)
case("masked_select_broadcast", lambda x, m: torch.masked_select(x, m), rand(3), torch.tensor([[True], [False], [True]]))
case("masked_select_nothing", lambda x, m: torch.masked_select(x, m), rand(2, 3), torch.zeros(3, dtype=torch.bool))
case("nonzero", torch.nonzero, torch.tensor([[0, 3, 0], [1, 0, -2]]))
case("nonzero_scalar", torch.nonzero, torch.tensor(5))
case("tril", lambda x: torch.tril(x), rand(2, 3, 4))
case("tril_below", lambda x: torch.tril(x, -1), rand(4, 3))
case("triu", lambda x: torch.triu(x, 1), rand(4, 3))
case("triu_below", lambda x: torch.triu(x, -2), rand(4, 3))
special = torch.tensor([[nan, inf, -inf], [1.0, -0.0, -3.5]])
case("isinf", torch.isinf, special)
case("nan_to_num", lambda x: torch.nan_to_num(x), special)
case("nan_to_num_options", lambda x: torch.nan_to_num(x, 1.0, 2.0, -3.0), special)
zeros = torch.tensor([[0.0, 0.0, 0.0], [nan, 0.0, -2.0], [1.0, 2.0, 3.0]])
for f in (torch.any, torch.all):
    case(f.__name__, f, zeros)
    case(f"{f.__name__}_dim", lambda x: f(x, -1, keepdim=True), zeros)
    case(f"{f.__name__}_empty", lambda x: f(x, 0), torch.zeros(0, 2))
case("one_hot", lambda x: F.one_hot(x, 5), torch.tensor([[4, 0, 2], [1, 1, 3]]))
case("one_hot_inferred", lambda x: F.one_hot(x), torch.tensor([2, 0, 3]))

# ---- summaries
rows = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, -2.0], [0.5, -1.5, 3.0]])
full = torch.tensor([[1.0, 0.25, -2.0], [0.5, -1.5, 3.0]])
for name, p in {"0.5": 0.5, "1": 1, "1.5": 1.5, "2": 2, "3": 3, "inf": inf}.items():
    case(f"norm_{name}", lambda x: torch.linalg.vector_norm(x, p, dim=1), rows)
for name, p in {"-1": -1, "-2.5": -2.5, "-inf": -inf}.items():
    case(f"norm_{name}", lambda x: torch.linalg.vector_norm(x, p, dim=-1, keepdim=True), full)
case("norm_-1_zero", lambda x: torch.linalg.vector_norm(x, -1, dim=1), rows)
case("norm_0", lambda x: torch.linalg.vector_norm(x, 0, dim=0), rows)
case("norm_all", lambda x: torch.norm(x), rows)
case("norm_ties", lambda x: torch.linalg.vector_norm(x, inf), torch.tensor([2.0, -2.0, 1.0]))
case("norm_empty", lambda x: torch.linalg.vector_norm(x, 2, dim=1), torch.zeros(2, 0))
constant = torch.cat([rand(2, 4), torch.full((1, 4), 1.5)])
case("std", lambda x: torch.std(x, 1), constant)
case("std_options", lambda x: torch.std(x, (0, 2), correction=0, keepdim=True), rand(2, 3, 4))
case("logsumexp", lambda x: torch.logsumexp(x, (0, -1)), rand(2, 3, 4) * 300)
case("logsumexp_keepdim", lambda x: torch.logsumexp(x, 1, keepdim=True), rand(2, 3))
case("logsumexp_infinite", lambda x: torch.logsumexp(x, 1),
     torch.tensor([[-inf, -inf], [inf, 1.0], [-inf, 1.0], [nan, 1.0]]))
case("logsumexp_empty", lambda x: torch.logsumexp(x, 0), torch.zeros(0, 2))
case("argmin", torch.argmin, torch.tensor([[3.0, -1.0], [-1.0, 2.0]]))
case("argmin_nan", lambda x: torch.argmin(x, 1, keepdim=True), torch.tensor([[3.0, nan], [-inf, 2.0]]))
case("argmin_integers", lambda x: torch.argmin(x, 0), torch.tensor([[0, -2**63], [-1, 2**63 - 1]]))
case("argmin_u8", lambda x: torch.argmin(x), torch.tensor([1, 0, 255], dtype=torch.uint8))
case("prod", lambda x: torch.prod(x, 1), rand(2, 5, 3))
case("prod_one_zero", lambda x: torch.prod(x, 0, keepdim=True), torch.tensor([[2.0, 0.0], [0.0, 0.0], [3.0, 4.0]]))
case("prod_all", torch.prod, rand(2, 3))
case("prod_empty", lambda x: torch.prod(x, 0), torch.zeros(0, 2))
case("prod_integers", lambda x: torch.prod(x), torch.tensor([3, -4, 5], dtype=torch.int32))
case("cumsum", lambda x: torch.cumsum(x, 1), rand(2, 5, 3))
case("cumsum_last", lambda x: torch.cumsum(x, -1), rand(3, 8))
case("cumsum_empty", lambda x: torch.cumsum(x, 0), torch.zeros(0, 2))
case("cumsum_bool", lambda x: torch.cumsum(x, 1), mask)
case("cumsum_infinite", lambda x: torch.cumsum(x, 0), torch.tensor([1.0, inf, 2.0, -inf, 1.0]))

# ---- products
case("mm", torch.mm, rand(3, 4), rand(4, 2))
case("bmm", torch.bmm, rand(5, 3, 4), rand(5, 4, 2))
case("bmm_empty", torch.bmm, rand(2, 3, 0), rand(2, 0, 2))
case("mv", torch.mv, rand(3, 4), rand(4))
case("dot", torch.dot, rand(5), rand(5))
case("outer", torch.outer, rand(3), rand(2))
case("addmm", lambda x, a, b: torch.addmm(x, a, b, beta=0.5, alpha=-2), rand(2), rand(3, 4), rand(4, 2))
case("addmm_beta_0", lambda x, a, b: torch.addmm(x, a, b, beta=0), torch.full((3, 2), nan), rand(3, 4), rand(4, 2))
case("baddbmm", torch.baddbmm, rand(5, 1, 2), rand(5, 3, 4), rand(5, 4, 2))
near = rand(4, 3)
case("cdist", torch.cdist, near, torch.cat([rand(2, 3), near[1:2]]))
case("cdist_batch", torch.cdist, rand(2, 1, 4, 3), rand(3, 2, 3))
case("cdist_large", torch.cdist, rand(30, 3), rand(4, 3))
case("cdist_1", lambda a, b: torch.cdist(a, b, p=1), rand(4, 3), rand(2, 3))
case("cdist_inf", lambda a, b: torch.cdist(a, b, p=inf), rand(4, 3), rand(2, 3))
case("cdist_empty", torch.cdist, rand(0, 3), rand(2, 3))
case("cosine_similarity", F.cosine_similarity, rand(3, 4), rand(3, 4))
case("cosine_similarity_broadcast", lambda a, b: F.cosine_similarity(a, b, dim=-1), rand(3, 1, 4), rand(2, 4))
case("cosine_similarity_zero", F.cosine_similarity, rows, full[:1])
case("normalize", F.normalize, rows)
case("normalize_options", lambda x: F.normalize(x, p=3, dim=0, eps=0.1), rand(3, 4))

# ---- einsum
A, B, C = rand(2, 3), rand(3, 4), rand(4, 2)
for name, equation, operands in [
    ("matmul", "ij,jk->ik", (A, B)), ("implicit", "ij,jk", (A, B)), ("implicit_capital", "aB,BC", (A, B)),
    ("transpose", "ij->ji", (A,)), ("sum", "ij->", (A,)), ("row_sums", "ij->i", (A,)),
    ("trace", "ii", (rand(3, 3),)), ("diagonal", "ii->i", (rand(3, 3),)), ("diagonal_batch", "iji->ji", (rand(2, 3, 2),)),
    ("outer", "i,j->ji", (rand(2), rand(3))), ("inner", "i,i->", (rand(4), rand(4))),
    ("batch", "bij,bjk->bik", (rand(5, 2, 3), rand(5, 3, 4))),
    ("heads", "bqhd, bkhd -> bhqk", (rand(2, 3, 2, 4), rand(2, 5, 2, 4))),
    ("elementwise", "bi,bi->bi", (rand(2, 3), rand(2, 3))), ("bilinear", "bi,oij,bj->bo", (rand(4, 2), rand(5, 2, 3), rand(4, 3))),
    ("three", "ij,jk,kl->li", (A, B, C)), ("own_sums", "ij,kl->i", (A, B)), ("ones", "ij,jk->ik", (rand(2, 1), B)),
    ("empty", "ij,jk->ik", (rand(2, 0), rand(0, 3))),
]:
    case(f"einsum_{name}", lambda *operands: torch.einsum(equation, *operands), *operands)

# ---- new tensors
case("eye", lambda: torch.eye(3, dtype=torch.float32))
case("eye_wide", lambda: torch.eye(2, 4, dtype=torch.int64))
case("linspace", lambda: torch.linspace(-1, 2, 7, dtype=torch.float32))
case("linspace_one", lambda: torch.linspace(3, 9, 1))
case("linspace_integers", lambda: torch.linspace(0, 10, 4, dtype=torch.int64))
case("arange", lambda: torch.arange(2, 11, 3))
case("arange_down", lambda: torch.arange(5, -2, -2))
case("arange_floats", lambda: torch.arange(1, 2, 0.3, dtype=torch.float32))
case("arange_whole", lambda: torch.arange(0.5, 4, 1.0, dtype=torch.int64))
case("arange_none", lambda: torch.arange(3, 3))

# ---- activations, also at their kinks
kinks = torch.tensor([[-7.0, -3.0, -1.0, -0.5], [0.0, 0.5, 1.0, 3.0], [6.0, 25.0, 0.25, 2.0]])
for f in (F.hardtanh, F.relu6, F.hardswish, F.mish, F.selu, F.softsign):
    case(f.__name__, lambda x: f(x), kinks)
case("hardsigmoid", F.hardsigmoid, kinks.float())  # in f64 PyTorch's gradient has the 1 / 6 of f32
case("hardtanh_options", lambda x: F.hardtanh(x, -0.5, 3), kinks)
case("prelu", F.prelu, kinks, torch.tensor([0.2]))
case("prelu_channels", F.prelu, rand(2, 3, 4), torch.tensor([0.2, -0.5, 1.5]))
case("prelu_infinite", F.prelu, torch.tensor([inf, 1.0, -2.0]), torch.tensor([0.2]))
case("glu", F.glu, rand(3, 4))
case("glu_dim", lambda x: F.glu(x, 0), rand(4, 3))
case("logit", torch.logit, torch.rand(5))
case("logit_eps", lambda x: torch.logit(x, 0.1), torch.tensor([-1.0, 0.05, 0.3, 0.97, 2.0]))
case("lerp", lambda a, b: torch.lerp(a, b, 0.3), rand(3, 4), rand(3, 4))
case("lerp_tensor", torch.lerp, rand(3, 4), rand(4), torch.tensor([0.1, 0.6, -0.7, 0.5]))
case("addcmul", lambda x, a, b: torch.addcmul(x, a, b, value=-0.5), rand(3, 4), rand(4), rand(3, 1))
case("addcdiv", lambda x, a, b: torch.addcdiv(x, a, b, value=2), rand(3, 4), rand(4), rand(3, 1))

save("breadth.safetensors")
