"""Writes replicas.safetensors: what PyTorch computes for two replicas that share gradients or weights.

    pip install torch safetensors
    python tests/hopper/golden/generate_replicas.py

The test reads the file; it needs no Python. 13 rows lie in partitions of 6 and 7. Each replica has all its rows in one
batch, so a step is an epoch and the order of the rows does not matter. x (13, 5), y (13), the initial parameters p0 ..
p3, and for each case the parameters after six epochs, <case>.p0 .. <case>.p3.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(2026)
torch.set_num_threads(1)
EPOCHS = 6
x, y = torch.randn(13, 5), torch.arange(13) * 5 % 3
parts = [slice(0, 6), slice(6, 13)]
shares = [6 / 13, 7 / 13]


def network():
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


initial = [p.detach().clone() for p in network().parameters()]
golden = {"x": x, "y": y} | {f"p{i}": p for i, p in enumerate(initial)}
optimizers = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
}


def replica():
    module = network()
    with torch.no_grad():
        for p, value in zip(module.parameters(), initial):
            p.copy_(value)
    return module


def mean(tensors):
    return sum(share * t for share, t in zip(shares, tensors))


def gradients_shared(make):
    """As DistributedDataParallel, but weighted by rows: each replica has an optimizer, and all take the same step."""
    replicas = [replica() for _ in parts]
    steps = [make(r.parameters()) for r in replicas]
    for _ in range(EPOCHS):
        for r, rows in zip(replicas, parts):
            r.zero_grad()
            F.cross_entropy(r(x[rows]), y[rows]).backward()
        for group in zip(*(r.parameters() for r in replicas)):
            shared = mean([p.grad for p in group])
            for p in group:
                p.grad.copy_(shared)
        for s in steps:
            s.step()
    assert all(torch.equal(a, b) for a, b in zip(*(r.parameters() for r in replicas)))
    return replicas[0]


def weights_shared(make, state):
    replicas = [replica() for _ in parts]
    steps = [make(r.parameters()) for r in replicas]
    for _ in range(EPOCHS):
        for r, s, rows in zip(replicas, steps, parts):
            s.zero_grad()
            F.cross_entropy(r(x[rows]), y[rows]).backward()
            s.step()
        with torch.no_grad():
            for group in zip(*(r.parameters() for r in replicas)):
                shared = mean(group).clone()
                slots = [s.state[p] for s, p in zip(steps, group)]
                for name in ("momentum_buffer", "exp_avg", "exp_avg_sq") if state == "average" else ():
                    if name not in slots[0]:
                        continue
                    together = mean([slot[name] for slot in slots]).clone()
                    for slot in slots:
                        slot[name].copy_(together)
                for p in group:
                    p.copy_(shared)
        if state == "reset":
            steps = [make(r.parameters()) for r in replicas]
    return replicas[0]


for name, make in optimizers.items():
    results = {f"allreduce.{name}": gradients_shared(make)}
    for state in ("average", "reset"):
        results[f"averaging.{name}.{state}"] = weights_shared(make, state)
    for case, module in results.items():
        for i, p in enumerate(module.parameters()):
            assert p.isfinite().all(), case
            golden[f"{case}.p{i}"] = p.detach().clone()

path = pathlib.Path(__file__).with_name("replicas.safetensors")
save_file(golden, path, {"torch": torch.__version__})
print(f"{path}: {len(golden)} tensors")
