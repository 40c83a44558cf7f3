"""Writes golden.safetensors: what PyTorch computes for optimizers, schedules and layers.

    pip install torch==2.2.2 'numpy<2' safetensors
    python tests/nn/golden/generate.py

The tests read the file; they need no Python. Names are <case>.<tensor>.
"""

import pathlib

import torch
from safetensors.torch import save_file

torch.manual_seed(2026)
golden = {}

# ---- optimizers: two parameters, given gradients, the parameters after some of 50 steps, in f64

STEPS, RECORDED = 50, [1, 2, 3, 10, 50]
SHAPES = [(3, 4), (5,)]
start = [torch.randn(s, dtype=torch.float64) for s in SHAPES]
gradients = [torch.randn((STEPS,) + s, dtype=torch.float64) for s in SHAPES]
for i, (p, g) in enumerate(zip(start, gradients)):
    golden[f"optim.start.{i}"], golden[f"optim.gradients.{i}"] = p, g

class Lion(torch.optim.Optimizer):
    """Algorithm 2 of "Symbolic discovery of optimization algorithms" (Chen et al., 2023); PyTorch has none."""

    def __init__(self, params, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (beta1, beta2), lr, decay = group["betas"], group["lr"], group["weight_decay"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                c = beta1 * m + (1 - beta1) * p.grad
                p.copy_(p - lr * (torch.sign(c) + decay * p))
                m.copy_(beta2 * m + (1 - beta2) * p.grad)


OPTIMIZERS = {
    "sgd": (torch.optim.SGD, dict(lr=0.1)),
    "sgd_weight_decay": (torch.optim.SGD, dict(lr=0.05, weight_decay=0.1)),
    "sgd_momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9)),
    "sgd_dampening": (torch.optim.SGD, dict(lr=0.1, momentum=0.8, dampening=0.3, weight_decay=0.01)),
    "sgd_nesterov": (torch.optim.SGD, dict(lr=0.03, momentum=0.9, nesterov=True, weight_decay=0.02)),
    "adam": (torch.optim.Adam, dict(lr=0.01)),
    "adam_options": (torch.optim.Adam, dict(lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
    "adamw": (torch.optim.AdamW, dict(lr=0.01)),
    "adamw_options": (torch.optim.AdamW, dict(lr=0.02, betas=(0.7, 0.9), eps=1e-6, weight_decay=0.3)),
    "rmsprop": (torch.optim.RMSprop, dict(lr=0.01)),
    "rmsprop_momentum": (torch.optim.RMSprop, dict(lr=0.02, alpha=0.9, eps=1e-4, weight_decay=0.1, momentum=0.8)),
    "rmsprop_centered": (torch.optim.RMSprop, dict(lr=0.02, alpha=0.8, centered=True)),
    "rmsprop_all": (torch.optim.RMSprop, dict(lr=0.01, alpha=0.95, weight_decay=0.05, momentum=0.5, centered=True)),
    "lion": (Lion, dict(lr=0.01)),
    "lion_options": (Lion, dict(lr=0.003, betas=(0.8, 0.95), weight_decay=0.2)),
}
for name, (optimizer, options) in OPTIMIZERS.items():
    parameters = [torch.nn.Parameter(p.clone()) for p in start]
    opt = optimizer(parameters, **options)
    recorded = [[] for _ in parameters]
    for step in range(STEPS):
        for p, g in zip(parameters, gradients):
            p.grad = g[step].clone()
        opt.step()
        if step + 1 in RECORDED:
            for r, p in zip(recorded, parameters):
                r.append(p.detach().clone())
    for i, r in enumerate(recorded):
        golden[f"{name}.{i}"] = torch.stack(r)

# ---- schedules: the learning rate at t = 0 .. 24

def schedule(make):
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    s = make(opt)
    rates = []
    for _ in range(25):
        rates.append(s.get_last_lr()[0])
        opt.step()
        s.step()
    return torch.tensor(rates, dtype=torch.float64)

golden["step_lr"] = schedule(lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=7, gamma=0.3))
golden["cosine_lr"] = schedule(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=24, eta_min=0.01))
golden["constant_lr"] = schedule(lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=0.25, total_iters=6))

# ---- layers: parameters, input, output, and the gradients for a given output gradient, in f32

def layer(name, module, x):
    for key, value in module.state_dict().items():
        golden[f"{name}.{key}"] = value.clone()
    x = x.clone()
    if x.is_floating_point():
        x.requires_grad_()
    module.zero_grad()
    y = module(x)
    g = torch.randn_like(y)
    y.backward(g)
    golden[f"{name}.x"], golden[f"{name}.y"], golden[f"{name}.g"] = x.detach(), y.detach(), g
    if x.is_floating_point():
        golden[f"{name}.x.grad"] = x.grad
    for key, value in module.named_parameters():
        golden[f"{name}.{key}.grad"] = value.grad.clone()
    for key, value in module.named_buffers():
        golden[f"{name}.after.{key}"] = value.clone()

nn = torch.nn
layer("linear", nn.Linear(5, 3), torch.randn(4, 5))
layer("linear_no_bias", nn.Linear(5, 3, bias=False), torch.randn(2, 4, 5))
layer("conv2d", nn.Conv2d(3, 4, 3), torch.randn(2, 3, 6, 7))
layer("conv2d_options", nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, bias=False),
      torch.randn(2, 4, 7, 6))
layer("batch_norm2d", nn.BatchNorm2d(3), torch.randn(4, 3, 3, 2))
layer("batch_norm1d", nn.BatchNorm1d(3, eps=1e-3, momentum=0.3), torch.randn(6, 3))
evaluated = nn.BatchNorm2d(3)
evaluated.running_mean.copy_(torch.randn(3))
evaluated.running_var.copy_(torch.rand(3) + 0.5)
with torch.no_grad():
    evaluated.weight.copy_(torch.randn(3))
    evaluated.bias.copy_(torch.randn(3))
layer("batch_norm2d_eval", evaluated.eval(), torch.randn(2, 3, 3, 2))
normalized = nn.LayerNorm((3, 4))
with torch.no_grad():
    normalized.weight.copy_(torch.randn(3, 4))
    normalized.bias.copy_(torch.randn(3, 4))
layer("layer_norm", normalized, torch.randn(2, 3, 4))
layer("embedding", nn.Embedding(6, 3), torch.tensor([[1, 5, 1], [0, 2, 2]]))
layer("max_pool2d", nn.MaxPool2d(3, stride=2, padding=1), torch.randn(2, 2, 7, 5))
layer("avg_pool2d", nn.AvgPool2d((2, 3), padding=(1, 1)), torch.randn(2, 2, 6, 5))
layer("global_avg_pool2d", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), torch.randn(2, 3, 4, 5))
for name, module in dict(relu=nn.ReLU(), leaky_relu=nn.LeakyReLU(0.2), sigmoid=nn.Sigmoid(), tanh=nn.Tanh(),
                         gelu=nn.GELU(), silu=nn.SiLU(), softmax=nn.Softmax(dim=1)).items():
    layer(name, module, torch.randn(3, 7))

logits = torch.randn(5, 4, requires_grad=True)
labels = torch.tensor([0, 3, 1, 1, 2])
loss = nn.CrossEntropyLoss()(logits, labels)
loss.backward()
golden |= {"cross_entropy.x": logits.detach(), "cross_entropy.labels": labels, "cross_entropy.y": loss.detach(),
           "cross_entropy.x.grad": logits.grad}
a, b = torch.randn(3, 2, requires_grad=True), torch.randn(3, 2)
loss = nn.MSELoss()(a, b)
loss.backward()
golden |= {"mse_loss.x": a.detach(), "mse_loss.target": b, "mse_loss.y": loss.detach(), "mse_loss.x.grad": a.grad}

for name, module, x in [("group_norm", nn.GroupNorm(2, 6), torch.randn(2, 6, 3, 5)),
                        ("group_norm_options", nn.GroupNorm(3, 3, eps=1e-3), torch.randn(4, 3, 7)),
                        ("group_norm_plain", nn.GroupNorm(1, 4, affine=False), torch.randn(3, 4, 2, 2))]:
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape))
    layer(name, module, x)

# Numbers beside categories: a table for each category. Ours keeps them in one weight.
tables = [nn.Embedding(5, 3), nn.Embedding(2, 3)]
x = torch.cat([torch.randn(4, 2), torch.tensor([[0.0, 1.0], [4.0, 0.0], [2.0, 1.0], [4.0, 1.0]])], 1).requires_grad_()
y = torch.cat([x[:, :2]] + [table(x[:, 2 + i].long()) for i, table in enumerate(tables)], 1)
g = torch.randn_like(y)
y.backward(g)
first = torch.tensor([0, 5, 7])
golden |= {"category_embedding.weight": torch.cat([table.weight.detach() for table in tables]),
           "category_embedding.weight.grad": torch.cat([table.weight.grad for table in tables]),
           "category_embedding.first": first, "category_embedding.after.first": first.clone(),
           "category_embedding.x": x.detach(), "category_embedding.x.grad": x.grad,
           "category_embedding.y": y.detach(), "category_embedding.g": g}

layer("elu", nn.ELU(0.7), torch.randn(3, 7))

save_file({k: v.contiguous() for k, v in golden.items()}, pathlib.Path(__file__).parent / "golden.safetensors",
          metadata={"torch": torch.__version__})
