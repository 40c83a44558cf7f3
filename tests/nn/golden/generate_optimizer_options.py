"""Writes optimizer_options.safetensors: trajectories of PyTorch's optimizers with amsgrad, with maximize and with a group
that comes later.

    pip install torch safetensors
    python tests/nn/golden/generate_optimizer_options.py

The tests read the file; they need no Python. Optimizers have two parameters, given gradients (start.<i>, gradients.<i>)
and the parameters after some of 30 steps (<case>.<i>). The second parameter of the cases add_<name> joins after 7 steps.
Slots that amsgrad keeps at the end are <case>.max_exp_avg_sq.<i>. All numbers are f64.
"""

import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(2030)
torch.set_default_dtype(torch.float64)  # NAdam keeps a product in the default dtype
golden = {}

STEPS, RECORDED, ADDED = 30, [1, 2, 10, 30], 7
SHAPES = [(3, 5), (7,)]
start = [torch.randn(s) for s in SHAPES]
# The gradients become small after ten steps, so that the largest second moment is one of the past.
gradients = [torch.randn((STEPS,) + s) * torch.where(torch.arange(STEPS) < 10, 1.0, 0.1).view(-1, *[1] * len(s))
             for s in SHAPES]
for i, (p, g) in enumerate(zip(start, gradients)):
    golden[f"start.{i}"], golden[f"gradients.{i}"] = p, g

O = torch.optim
OPTIMIZERS = {
    "amsgrad_adam": (O.Adam, dict(lr=0.02, amsgrad=True)),
    "amsgrad_adam_options": (
        O.Adam, dict(lr=0.03, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1, amsgrad=True, maximize=True)),
    "amsgrad_adamw": (O.AdamW, dict(lr=0.02, amsgrad=True)),
    "amsgrad_adamw_options": (
        O.AdamW, dict(lr=0.03, betas=(0.7, 0.95), eps=1e-4, weight_decay=0.3, amsgrad=True, maximize=True)),
    "maximize_sgd": (O.SGD, dict(lr=0.05, weight_decay=0.1, maximize=True)),
    "maximize_sgd_nesterov": (O.SGD, dict(lr=0.05, momentum=0.9, weight_decay=0.1, nesterov=True, maximize=True)),
    "maximize_adam": (O.Adam, dict(lr=0.02, weight_decay=0.1, maximize=True)),
    "maximize_adamw": (O.AdamW, dict(lr=0.02, weight_decay=0.1, maximize=True)),
    "maximize_rmsprop": (
        O.RMSprop, dict(lr=0.02, alpha=0.9, weight_decay=0.1, momentum=0.5, centered=True, maximize=True)),
    "maximize_adagrad": (O.Adagrad, dict(lr=0.1, lr_decay=0.05, weight_decay=0.1, maximize=True)),
    "maximize_adadelta": (O.Adadelta, dict(lr=0.5, rho=0.8, weight_decay=0.1, maximize=True)),
    "maximize_adamax": (O.Adamax, dict(lr=0.02, weight_decay=0.1, maximize=True)),
    "maximize_nadam": (O.NAdam, dict(lr=0.02, weight_decay=0.1, maximize=True)),
    "maximize_radam": (O.RAdam, dict(lr=0.02, betas=(0.8, 0.95), weight_decay=0.1, maximize=True)),
    "add_sgd": (O.SGD, dict(lr=0.05, momentum=0.9, weight_decay=0.1)),
    "add_rmsprop": (O.RMSprop, dict(lr=0.02, alpha=0.9)),
}
for name, (optimizer, options) in OPTIMIZERS.items():
    parameters = [torch.nn.Parameter(p.clone()) for p in start]
    added = name.startswith("add_")
    opt = optimizer(parameters[:1] if added else parameters, **options)
    recorded = [[] for _ in parameters]
    for step in range(STEPS):
        if added and step == ADDED:
            opt.param_groups[0]["lr"] = 0.04  # a schedule that came between
            opt.add_param_group(dict(params=parameters[1:], lr=0.01, weight_decay=0.2))
        for p, g in zip(parameters, gradients):
            p.grad = g[step].clone()
        opt.step()
        if step + 1 in RECORDED:
            for r, p in zip(recorded, parameters):
                r.append(p.detach().clone())
    for i, r in enumerate(recorded):
        golden[f"{name}.{i}"] = torch.stack(r)
        if options.get("amsgrad"):
            golden[f"{name}.max_exp_avg_sq.{i}"] = opt.state[parameters[i]]["max_exp_avg_sq"].clone()

save_file({k: v.contiguous() for k, v in golden.items()},
          pathlib.Path(__file__).parent / "optimizer_options.safetensors")
