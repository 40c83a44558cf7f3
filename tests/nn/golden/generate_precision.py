"""Writes precision.safetensors: what PyTorch does with 16-bit floating numbers, under autocast, and with a GradScaler.

    pip install torch numpy safetensors
    python tests/nn/golden/generate_precision.py

The tests read the file (tests/nn/golden_precision_test.cpp); they need no Python.

rounding.*    numbers of f32 and f64 as torch and numpy round them to f16 and bf16 (all NaN as one)
half.*        operations on tensors of 16 bits: half.<dtype>.<operation>
autocast.*    a net under torch.autocast("cpu", bfloat16): loss and gradients
scaler.*      torch.amp.GradScaler over steps of which some have infinite or NaN gradients
"""

import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

torch.manual_seed(2026)
golden = {}
HALVES = {"bf16": torch.bfloat16, "f16": torch.float16}

# ---- rounding: around every exponent of f16 and bf16, ties and their neighbours, denormals, infinities, NaN
patterns = [0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0x477FE000, 0x477FEFFF, 0x477FF000, 0x477FF001,
            0x7F7F0000, 0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0x33000000, 0x33000001, 0x32FFFFFF, 0, 1, 0x8000, 0x8001,
            0x7FFF, 0x18000]
for exponent in [1, 2, 64, 100, 101, 102, 103, 110, 111, 112, 113, 114, 126, 127, 128, 140, 141, 142, 143, 144, 200,
                 254]:
    for mantissa in [0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF, 0x2FFF, 0x3000, 0x3001, 0x7FFF, 0x8000, 0x8001, 0x17FFF,
                     0x18000, 0x18001, 0x7FEFFF, 0x7FF000, 0x7FF001, 0x7F7FFF, 0x7F8000, 0x7F8001, 0x7FFFFF]:
        patterns.append(exponent << 23 | mantissa)
patterns += [int(b) for b in np.random.default_rng(1).integers(0, 0x7F800000, 200)]
bits = np.array(patterns + [b | 0x80000000 for b in patterns], dtype=np.uint32)
f32 = torch.from_numpy(bits.view(np.float32).copy())
golden["rounding.f32"] = f32
for name, dtype in HALVES.items():
    rounded = f32.to(dtype)
    if name == "f16":  # two judges
        with np.errstate(over="ignore"):
            theirs = torch.from_numpy(f32.numpy().astype(np.float16))
        assert torch.equal(theirs.nan_to_num(nan=7.0), rounded.nan_to_num(nan=7.0))
    golden[f"rounding.{name}"] = rounded
f64 = torch.tensor([1 + 2**-8, 1 + 2**-8 + 2**-40, 1 + 2**-11 + 2**-40, 1e300, -1e300, 65519.999999999, 1e-320, 0.1])
near = torch.tensor([1 + 2**-8 + 2**-40, 1 + 2**-11 + 2**-40, 65519.999999999], dtype=torch.float64)
f64 = torch.cat([f64.double(), near])
golden["rounding.f64"] = f64
integers = torch.tensor([0, 1, -1, 255, 256, 257, 2049, 2051, 65504, 65519, 65520, 2**24 + 1, 2**31 - 1, -(2**31)])
golden["rounding.i32"] = integers.to(torch.int32)
for name, dtype in HALVES.items():
    golden[f"rounding.f64.{name}"] = f64.to(dtype)
    golden[f"rounding.i32.{name}"] = integers.to(torch.int32).to(dtype)

# ---- operations on 16 bits
for name, dtype in HALVES.items():
    a, b = torch.randn(5, 7).to(dtype), (torch.randn(5, 7).abs() + 0.5).to(dtype)
    row, matrix = torch.randn(7).to(dtype), torch.randn(7, 33).to(dtype)
    long = torch.rand(3, 1001).to(dtype)  # a sum in 16 bits would stand still
    put = lambda key, x: golden.__setitem__(f"half.{name}.{key}", x.detach().contiguous())
    for key, x in {"a": a, "b": b, "row": row, "matrix": matrix, "long": long}.items():
        put(key, x)
    put("add", a + b)
    put("sub", a - row)
    put("mul", a * b)
    put("div", a / b)
    put("add_number", (a.float() + 0.1).to(dtype))  # a + 0.1 on the CPU rounds 0.1 first
    put("maximum", torch.maximum(a, row))
    put("where", torch.where(a > 0, a, row))
    put("exp", torch.exp(a))
    put("tanh", torch.tanh(a))
    put("gelu", F.gelu(a))
    put("sum", long.sum(1))
    put("mean", long.mean(1))
    put("max", a.amax(1))
    put("argmax", a.argmax(1))
    put("var", a.float().var(1).to(dtype))
    put("matmul", a @ matrix)
    put("clone_t", a.t().contiguous())
    put("cumulative", a.flip(0)[1:, ::2].contiguous())
    put("embedding", F.embedding(torch.tensor([3, 0, 3]), a))
    # gradients: of a, weight and bias through linear, relu and a product with f32
    w, bias, scale = torch.randn(3, 7).to(dtype), torch.randn(3).to(dtype), torch.rand(5, 3)
    leaves = [x.clone().requires_grad_() for x in (a, w, bias, scale)]
    loss = (torch.relu(F.linear(*leaves[:3])) * leaves[3]).sum()
    loss.backward()
    put("linear.y", F.linear(a, w, bias))
    put("linear.w", w), put("linear.bias", bias), put("linear.scale", scale), put("linear.loss", loss)
    for key, leaf in zip(["a", "w", "bias", "scale"], leaves):
        put(f"linear.{key}.grad", leaf.grad)

# ---- autocast
net = nn.Sequential(nn.Linear(40, 64), nn.LayerNorm(64), nn.GELU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 5))
x, y = torch.randn(48, 40), torch.randint(0, 5, (48,))
golden |= {"autocast.x": x, "autocast.y": y}
golden |= {f"autocast.p.{k}": p.detach().clone() for k, p in net.named_parameters()}
for way in ["strict", "bf16"]:
    net.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=way == "bf16"):
        loss = F.cross_entropy(net(x), y)
    loss.backward()  # outside, as recommended
    golden[f"autocast.{way}.loss"] = loss.detach().float()
    golden |= {f"autocast.{way}.{k}.grad": p.grad.clone() for k, p in net.named_parameters()}

# ---- GradScaler: w <- w - lr (gradient of w . x); a step of kind 1 has an infinite gradient, of kind 2 a NaN
kinds = [0, 0, 0, 0, 1, 0, 2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
cases = {"plain": dict(init_scale=1024.0, growth_interval=3), "odd": dict(init_scale=3e38, growth_factor=1.7,
         backoff_factor=0.3, growth_interval=2), "quick": dict(init_scale=0.1, growth_factor=3.0, growth_interval=1)}
golden["scaler.kinds"] = torch.tensor(kinds)
golden["scaler.w"] = torch.randn(3)
golden["scaler.x"] = torch.randn(len(kinds), 3)
for name, options in cases.items():
    w = golden["scaler.w"].clone().requires_grad_()
    optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", **options)
    scales, trackers, weights, steps = [], [], [], []
    for i, kind in enumerate(kinds):
        optimizer.zero_grad()
        factor = {0: 1.0, 1: float("inf"), 2: float("nan")}[kind]
        scaler.scale((w * golden["scaler.x"][i]).sum() * 1e-3).backward()
        w.grad[i % 3] *= factor
        if i % 2:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        state = scaler.state_dict()
        scales.append(state["scale"]), trackers.append(state["_growth_tracker"]), weights.append(w.detach().clone())
    golden |= {f"scaler.{name}.scale": torch.tensor(scales, dtype=torch.float32),
               f"scaler.{name}.tracker": torch.tensor(trackers), f"scaler.{name}.weights": torch.stack(weights)}

save_file({k: v.contiguous() for k, v in golden.items()}, pathlib.Path(__file__).parent / "precision.safetensors",
          metadata={"torch": torch.__version__})
