"""Writes training.safetensors: what PyTorch computes for the tools of training.

    pip install torch safetensors
    python tests/nn/golden/generate_training.py

The tests read the file; they need no Python. Optimizers have two parameters, given gradients (start.<i>, gradients.<i>)
and the parameters after some of 50 steps (<case>.<i>). All numbers are f64.
"""

import math
import pathlib

import torch
from safetensors.torch import save_file
from torch.optim import lr_scheduler as lrs
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn

torch.manual_seed(2027)
torch.set_default_dtype(torch.float64)  # NAdam keeps a product in the default dtype
golden = {}

# ---- optimizers

STEPS, RECORDED = 50, [1, 2, 3, 10, 50]
SHAPES = [(3, 4), (5,)]
start = [torch.randn(s) for s in SHAPES]
gradients = [torch.randn((STEPS,) + s) for s in SHAPES]
for i, (p, g) in enumerate(zip(start, gradients)):
    golden[f"start.{i}"], golden[f"gradients.{i}"] = p, g


class Lamb(torch.optim.Optimizer):
    """Algorithm 2 of "Large Batch Optimization for Deep Learning" (You et al., 2020), where phi is the identity. The
    ratio is 1 where one of the norms is 0. PyTorch has none."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                t = state["t"] = state.get("t", 0) + 1
                m = state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * p.grad
                v = state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * p.grad**2
                r = (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + group["eps"])
                r = r + group["weight_decay"] * p
                weight_norm, update_norm = p.norm().item(), r.norm().item()
                ratio = weight_norm / update_norm if weight_norm > 0 and update_norm > 0 else 1
                p.sub_(group["lr"] * ratio * r)


O = torch.optim
OPTIMIZERS = {
    "adagrad": (O.Adagrad, dict()),
    "adagrad_options": (
        O.Adagrad, dict(lr=0.1, lr_decay=0.05, weight_decay=0.1, initial_accumulator_value=0.3, eps=1e-3)),
    "adadelta": (O.Adadelta, dict()),
    "adadelta_options": (O.Adadelta, dict(lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.1)),
    "adamax": (O.Adamax, dict()),
    "adamax_options": (O.Adamax, dict(lr=0.02, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    "nadam": (O.NAdam, dict()),
    "nadam_options": (
        O.NAdam, dict(lr=0.02, betas=(0.95, 0.99), eps=1e-4, weight_decay=0.1, momentum_decay=0.3)),
    "nadam_constant": (O.NAdam, dict(lr=0.02, betas=(0.5, 0.9), momentum_decay=0)),
    "nadam_decoupled": (O.NAdam, dict(lr=0.02, weight_decay=0.2, decoupled_weight_decay=True)),
    "radam": (O.RAdam, dict()),
    "radam_options": (O.RAdam, dict(lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
    "radam_decoupled": (O.RAdam, dict(lr=0.02, weight_decay=0.2, decoupled_weight_decay=True)),
    "lamb": (Lamb, dict()),
    "lamb_options": (Lamb, dict(lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
    "groups": (O.AdamW, dict(lr=0.02, betas=(0.8, 0.95))),
}
for name, (optimizer, options) in OPTIMIZERS.items():
    parameters = [torch.nn.Parameter(p.clone()) for p in start]
    groups = [dict(params=parameters[:1], weight_decay=0.3), dict(params=parameters[1:], lr=0.005, betas=(0.9, 0.9))]
    opt = optimizer(groups if name == "groups" else parameters, **options)
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


# ---- L-BFGS: the parameters after each of 6 steps, and the loss that each step returns

def valley(x):  # Rosenbrock's function
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def bowl(x):
    return ((x - 1) ** 2 * torch.tensor([1.0, 5.0, 20.0])).sum() + 0.1 * (x**4).sum()


LBFGS = {
    "lbfgs": (bowl, [2.0, -1.0, 0.5], dict(max_iter=4)),
    "lbfgs_options": (bowl, [2.0, -1.0, 0.5], dict(lr=0.3, max_iter=5, max_eval=4, history_size=2)),
    "lbfgs_wolfe": (valley, [-1.2, 1.0], dict(max_iter=4, line_search_fn="strong_wolfe")),
    "lbfgs_wolfe_options": (valley, [-1.2, 1.0],
                            dict(lr=0.7, max_iter=6, history_size=2, line_search_fn="strong_wolfe")),
    "lbfgs_wolfe_bowl": (bowl, [2.0, -1.0, 0.5], dict(max_iter=20, line_search_fn="strong_wolfe")),
}
for name, (function, first, options) in LBFGS.items():
    x = torch.nn.Parameter(torch.tensor(first))
    opt = torch.optim.LBFGS([x], **options)

    def closure():
        opt.zero_grad()
        loss = function(x)
        loss.backward()
        return loss

    xs, losses = [], []
    for _ in range(6):
        losses.append(opt.step(closure).item())
        xs.append(x.detach().clone())
    golden[name], golden[f"{name}.losses"] = torch.stack(xs), torch.tensor(losses)
    golden[f"{name}.evaluations"] = torch.tensor(opt.state[x]["func_evals"])

# ---- gradients that are clipped: the norm before, and the gradients after

for name, max_norm, p in [("2", 1.5, 2.0), ("1", 3.0, 1.0), ("inf", 0.5, math.inf), ("below", 1e3, 2.0)]:
    parameters = [torch.nn.Parameter(q.clone()) for q in start]
    for q, g in zip(parameters, gradients):
        q.grad = g[0].clone()
    golden[f"clip_{name}.norm"] = torch.nn.utils.clip_grad_norm_(parameters, max_norm, p)
    for i, q in enumerate(parameters):
        golden[f"clip_{name}.{i}"] = q.grad
parameters = [torch.nn.Parameter(q.clone()) for q in start]
for q, g in zip(parameters, gradients):
    q.grad = g[0].clone()
torch.nn.utils.clip_grad_value_(parameters, 0.4)
for i, q in enumerate(parameters):
    golden[f"clip_value.{i}"] = q.grad

# ---- averaged models: the weights of 5 moments, and the averages after each

moments = [torch.randn(2, 3) for _ in range(5)]
golden["average.moments"] = torch.stack(moments)
for name, options in {"ema": dict(multi_avg_fn=get_ema_multi_avg_fn(0.9)), "swa": dict()}.items():
    model = torch.nn.Linear(3, 2, bias=False)
    averaged = AveragedModel(model, **options)
    weights = []
    for moment in moments:
        model.weight.data.copy_(moment)
        averaged.update_parameters(model)
        weights.append(averaged.module.weight.detach().clone())
    golden[f"average.{name}"] = torch.stack(weights)


# update_bn: three batches of different sizes, through a model whose statistics are those of other batches

model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4, momentum=0.3), torch.nn.Tanh(),
                            torch.nn.BatchNorm1d(4))
model(torch.randn(7, 3))
batches = [torch.randn(n, 3) for n in (5, 2, 9)]
for name, tensor in model.state_dict().items():
    golden[f"update_bn.before.{name}"] = tensor.clone()
for i, batch in enumerate(batches):
    golden[f"update_bn.batch{i}"] = batch
update_bn([(batch, None) for batch in batches], model.eval())
assert not model.training
for name, tensor in model.state_dict().items():
    golden[f"update_bn.after.{name}"] = tensor.clone()


# ---- schedules: the learning rate, and where it moves, the momentum, at t = 0, 1, ..

def schedule(name, make, count=40, momentum=False):
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5, momentum=0.9)
    s = make(opt)
    rates, momenta = [], []
    for t in range(count):
        rates.append(opt.param_groups[0]["lr"])
        momenta.append(opt.param_groups[0]["momentum"])
        opt.step()
        if t + 1 < count:
            s.step()
    golden[name] = torch.tensor(rates)
    if momentum:
        golden[f"{name}.momentum"] = torch.tensor(momenta)


schedule("multi_step_lr", lambda o: lrs.MultiStepLR(o, [5, 5, 12, 30], gamma=0.3))
schedule("linear_lr", lambda o: lrs.LinearLR(o, start_factor=0.2, end_factor=0.9, total_iters=17))
schedule("exponential_lr", lambda o: lrs.ExponentialLR(o, gamma=0.9))
schedule("polynomial_lr", lambda o: lrs.PolynomialLR(o, total_iters=30, power=1.7))
schedule("cosine_restarts_lr", lambda o: lrs.CosineAnnealingWarmRestarts(o, T_0=9, eta_min=0.01))
schedule("cosine_restarts_grow_lr", lambda o: lrs.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2, eta_min=0.01))
schedule("one_cycle_lr", lambda o: lrs.OneCycleLR(o, max_lr=0.5, total_steps=40), momentum=True)
schedule("one_cycle_linear_lr", lambda o: lrs.OneCycleLR(
    o, max_lr=0.5, total_steps=33, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=100,
    base_momentum=0.7, max_momentum=0.99), count=33, momentum=True)
schedule("one_cycle_phases_lr", lambda o: lrs.OneCycleLR(o, max_lr=0.5, total_steps=37, three_phase=True), count=37,
         momentum=True)
schedule("cyclic_lr", lambda o: lrs.CyclicLR(o, 0.1, 0.5, step_size_up=6, step_size_down=3), momentum=True)
schedule("cyclic_halving_lr", lambda o: lrs.CyclicLR(o, 0.1, 0.5, step_size_up=4, mode="triangular2"), momentum=True)
schedule("cyclic_range_lr", lambda o: lrs.CyclicLR(
    o, 0.1, 0.5, step_size_up=4, mode="exp_range", gamma=0.95, base_momentum=0.6, max_momentum=0.95), momentum=True)
schedule("lambda_lr", lambda o: lrs.LambdaLR(o, lambda t: 1 / (1 + t)))
schedule("multiplicative_lr", lambda o: lrs.MultiplicativeLR(o, lambda t: 0.9 if t % 3 else 1.1))
schedule("sequential_lr", lambda o: lrs.SequentialLR(
    o, [lrs.LinearLR(o, 0.1, total_iters=4), lrs.ExponentialLR(o, 0.9), lrs.ConstantLR(o, 0.25, total_iters=3)],
    [5, 20]))
schedule("chained_lr", lambda o: lrs.ChainedScheduler(
    [lrs.ConstantLR(o, 0.1, total_iters=5), lrs.ExponentialLR(o, 0.9), lrs.StepLR(o, 11, 0.5)]))

schedule("swa_lr", lambda o: SWALR(o, swa_lr=0.05))
schedule("swa_linear_lr", lambda o: SWALR(o, swa_lr=0.9, anneal_epochs=7, anneal_strategy="linear"))
schedule("swa_at_once_lr", lambda o: SWALR(o, swa_lr=0.05, anneal_epochs=0))


class ExponentialThenSWALR:
    """Both are made at the start. SWALR steps from t = 12 on; at t = 16 somebody else sets the rate."""

    def __init__(self, opt):
        self.opt, self.t = opt, 0
        self.exponential, self.swa = lrs.ExponentialLR(opt, 0.9), SWALR(opt, swa_lr=0.05, anneal_epochs=8)

    def step(self):
        if self.t == 16:
            self.opt.param_groups[0]["lr"] = 0.3
        (self.exponential if self.t < 12 else self.swa).step()
        self.t += 1


schedule("swa_after_exponential_lr", ExponentialThenSWALR)

# ---- ReduceLROnPlateau: metrics, and the learning rate after each

metrics = [1.0, 0.8, 0.8, 0.79, 0.7999, 0.81, 0.5, 0.6, 0.7, 0.5, 0.49999, 0.6, 0.6, 0.6, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4,
           0.4, 0.4, 0.4, 0.4, math.nan, 0.1, 0.2, 0.3, 0.4, 0.5]
golden["plateau.metrics"] = torch.tensor(metrics)
for name, options in {
    "plateau": dict(patience=2),
    "plateau_max": dict(mode="max", patience=1, factor=0.5, threshold=0.05, threshold_mode="abs", cooldown=3),
    "plateau_bounds": dict(patience=0, factor=0.3, min_lr=0.01, eps=1e-3, threshold=0.1),
    "plateau_abs": dict(patience=1, factor=0.5, threshold=0.1, threshold_mode="abs"),
    "plateau_max_rel": dict(mode="max", patience=3, factor=0.5, threshold=0.2),
}.items():
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    s = lrs.ReduceLROnPlateau(opt, **options)
    rates = []
    for metric in metrics:
        s.step(metric)
        rates.append(opt.param_groups[0]["lr"])
    golden[name] = torch.tensor(rates)

golden = {k: v.detach().clone(memory_format=torch.contiguous_format) for k, v in golden.items()}
save_file(golden, pathlib.Path(__file__).parent / "training.safetensors", metadata={"torch": torch.__version__.split("+")[0]})
