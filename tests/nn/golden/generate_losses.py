"""Writes losses.safetensors: what PyTorch computes for the losses.

    pip install torch safetensors
    python tests/nn/golden/generate_losses.py
"""

import torch
import torch.nn.functional as F
from cases import case, rand, save

REDUCTIONS = ("mean", "sum", "none")
weight = torch.tensor([0.5, 2.0, 3.0])


def each(name, f, *inputs):
    """One case per reduction."""
    for reduction in REDUCTIONS:
        case(f"{name}_{reduction}", lambda *x: f(*x, reduction=reduction), *inputs)


def ints(*values):
    return torch.tensor(values)


# ---- cross_entropy: labels
x, labels, some = rand(5, 3) * 2, ints(2, 0, 1, 2, 2), ints(2, -100, 1, 0, -100)
each("cross_entropy", F.cross_entropy, x, labels)
each("cross_entropy_weight", lambda x, y, reduction: F.cross_entropy(x, y, weight, reduction=reduction), x, labels)
each("cross_entropy_ignore", F.cross_entropy, x, some)
each("cross_entropy_smooth", lambda x, y, reduction: F.cross_entropy(x, y, label_smoothing=0.1, reduction=reduction), x,
     labels)
all_options = lambda x, y, reduction: F.cross_entropy(x, y, weight, ignore_index=2, label_smoothing=0.3,
                                                      reduction=reduction)
each("cross_entropy_all", all_options, x, labels)
image, map_ = rand(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
each("cross_entropy_image", F.cross_entropy, image, map_)
each("cross_entropy_image_all", all_options, image, map_)
each("cross_entropy_text", F.cross_entropy, rand(2, 3, 4), ints([0, 2, 1, 1], [2, 2, 0, 1]))
each("cross_entropy_row", F.cross_entropy, rand(3), torch.tensor(1))
each("cross_entropy_row_all", all_options, rand(3), torch.tensor(1))
each("cross_entropy_one_class", F.cross_entropy, rand(2, 1), ints(0, 0))
each("cross_entropy_empty", F.cross_entropy, rand(0, 3), torch.zeros(0, dtype=torch.int64))
each("cross_entropy_large", F.cross_entropy, torch.tensor([[1e4, -1e4], [-1e4, 1e4]]), ints(1, 1))

# ---- cross_entropy: probabilities
each("cross_entropy_soft", F.cross_entropy, x, torch.softmax(rand(5, 3), 1))
soft_options = lambda x, y, reduction: F.cross_entropy(x, y, weight, label_smoothing=0.2, reduction=reduction)
each("cross_entropy_soft_all", soft_options, x, torch.softmax(rand(5, 3), 1))
each("cross_entropy_soft_image", soft_options, rand(2, 3, 2, 4), torch.softmax(rand(2, 3, 2, 4), 1))
each("cross_entropy_soft_row", soft_options, rand(3), torch.softmax(rand(3), 0))
each("cross_entropy_soft_empty", F.cross_entropy, rand(0, 3), rand(0, 3))

# ---- nll_loss
each("nll", F.nll_loss, x, labels)
each("nll_weight", lambda x, y, reduction: F.nll_loss(x, y, weight, reduction=reduction), x, labels)
each("nll_ignore", F.nll_loss, x, some)
nll_options = lambda x, y, reduction: F.nll_loss(x, y, weight, ignore_index=1, reduction=reduction)
each("nll_image", nll_options, image, map_)
each("nll_row", F.nll_loss, rand(3), torch.tensor(2))
each("nll_empty", F.nll_loss, rand(0, 3), torch.zeros(0, dtype=torch.int64))

# ---- numbers; the first two elements are ties
x, y = rand(4, 3) * 2, rand(4, 3) * 2
y[0, :2] = x[0, :2]
factors = torch.tensor([[0.5, 1.0, 0.0], [2.0, 0.25, 1.0], [1.0, 1.0, 3.0], [0.0, 0.5, 1.5]])
for name, f in {"mse": F.mse_loss, "l1": F.l1_loss, "huber": F.huber_loss}.items():
    each(name, f, x, y)
    each(f"{name}_weight", lambda x, y, reduction: f(x, y, weight=factors, reduction=reduction), x, y)
    each(f"{name}_scalar", f, torch.tensor(1.5), torch.tensor(-0.25))
    each(f"{name}_empty", f, rand(0, 3), rand(0, 3))
each("huber_delta", lambda x, y, reduction: F.huber_loss(x, y, delta=0.4, reduction=reduction), x, y)
each("smooth_l1", F.smooth_l1_loss, x, y)
each("smooth_l1_beta", lambda x, y, reduction: F.smooth_l1_loss(x, y, beta=0.4, reduction=reduction), x, y)
each("smooth_l1_beta_0", lambda x, y, reduction: F.smooth_l1_loss(x, y, beta=0.0, reduction=reduction), x, y)
counts = torch.tensor([[0.0, 1.0, 2.0], [5.0, 0.5, 12.0], [3.0, 7.0, 1.5], [0.0, 4.0, 2.0]])
each("poisson_nll", F.poisson_nll_loss, x, counts)
each("poisson_nll_full", lambda x, y, reduction: F.poisson_nll_loss(x, y, full=True, reduction=reduction), x,
     counts.long())
each("poisson_nll_rate",
     lambda x, y, reduction: F.poisson_nll_loss(x, y, log_input=False, eps=0.01, reduction=reduction), x.abs(), counts)
for name, shape in {"": (4, 3), "_column": (4, 1), "_row": (4,), "_first": (1, 3)}.items():
    each(f"gaussian_nll{name}", F.gaussian_nll_loss, x, y, rand(*shape).abs())
each("gaussian_nll_full", lambda x, y, v, reduction: F.gaussian_nll_loss(x, y, v, full=True, eps=0.3, reduction=reduction),
     x, y, torch.rand(4, 3))

# ---- probabilities
p, t = torch.rand(4, 3), torch.rand(4, 3)
edges, bits = torch.tensor([0.0, 1.0, 0.0, 1.0, 1e-300]), ints(0, 1, 1, 0, 1)
each("bce", F.binary_cross_entropy, p, t)
each("bce_weight", lambda x, y, reduction: F.binary_cross_entropy(x, y, weight, reduction=reduction), p, t)
# As integers these targets get no gradient: PyTorch's is infinite at 0 and 1.
each("bce_edges", lambda x, y, reduction: F.binary_cross_entropy(x, y.double(), reduction=reduction), edges, bits)
each("bce_empty", F.binary_cross_entropy, rand(0, 2), rand(0, 2))
each("bce_logits", F.binary_cross_entropy_with_logits, x, t)
each("bce_logits_all", lambda x, y, reduction: F.binary_cross_entropy_with_logits(
    x, y, factors, pos_weight=weight, reduction=reduction), x, t)
each("bce_logits_large", F.binary_cross_entropy_with_logits, torch.tensor([1000.0, -1000.0, 1000.0, -1000.0]),
     torch.tensor([0.0, 0.0, 1.0, 1.0]))
logs, log_target = torch.log_softmax(rand(4, 3), 1), torch.log_softmax(rand(4, 3), 1)
for reduction in (*REDUCTIONS, "batchmean"):
    case(f"kl_div_{reduction}", lambda x, y: F.kl_div(x, y, reduction=reduction), logs, log_target.exp())
    case(f"kl_div_log_{reduction}", lambda x, y: F.kl_div(x, y, reduction=reduction, log_target=True), logs, log_target)
    # As integers these targets get no gradient: PyTorch's is NaN at 0.
    case(f"kl_div_zero_{reduction}", lambda x, y: F.kl_div(x, y.double(), reduction=reduction), logs,
         ints([0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]))

# ---- margins
signs = ints([1, -1, 1], [-1, -1, 1], [1, 1, -1], [-1, 1, -1])
each("soft_margin", lambda x, y, reduction: F.soft_margin_loss(x, y.double(), reduction=reduction), x, signs)
each("hinge_embedding", F.hinge_embedding_loss, x, signs)
each("hinge_embedding_other", lambda x, y, reduction: F.hinge_embedding_loss(x, y, margin=0.5, reduction=reduction),
     torch.tensor([0.5, -0.5, 2.0, 0.25]), ints(-1, 1, 0, 2))
rows, row_labels = rand(5, 3), ints(2, 0, 1, 1, 0)
each("multi_margin", F.multi_margin_loss, rows, row_labels)
each("multi_margin_all", lambda x, y, reduction: F.multi_margin_loss(
    x, y, p=2, margin=0.75, weight=weight, reduction=reduction), rows, row_labels)
each("multi_margin_row", F.multi_margin_loss, rand(4), torch.tensor(3))
each("multilabel_margin", F.multilabel_margin_loss, rand(3, 4),
     ints([3, 0, -1, 1], [-1, 2, 2, 2], [0, 1, 2, 3]))
each("multilabel_margin_row", F.multilabel_margin_loss, rand(4), ints(1, 3, -1, 0))
each("multilabel_soft_margin", F.multilabel_soft_margin_loss, x, torch.rand(4, 3))
each("multilabel_soft_margin_weight", lambda x, y, reduction: F.multilabel_soft_margin_loss(
    x, y, weight, reduction=reduction), x, torch.rand(4, 3))
each("margin_ranking", F.margin_ranking_loss, rand(5), rand(5), ints(1, -1, 1, -1, 1))
each("margin_ranking_margin", lambda a, b, y, reduction: F.margin_ranking_loss(a, b, y, 0.5, reduction=reduction),
     rand(3, 2), rand(3, 1), ints([1], [-1], [1]))
each("cosine_embedding", F.cosine_embedding_loss, rand(5, 3), rand(5, 3), ints(1, -1, 1, -1, -1))
each("cosine_embedding_margin", lambda a, b, y, reduction: F.cosine_embedding_loss(
    a, b, y, margin=-0.5, reduction=reduction), rand(5, 3), rand(5, 3), ints(1, -1, 1, -1, -1))
each("cosine_embedding_row", F.cosine_embedding_loss, rand(3), rand(3), torch.tensor(1))
each("triplet", F.triplet_margin_loss, rand(5, 3), rand(5, 3), rand(5, 3))
each("triplet_all", lambda a, p, n, reduction: F.triplet_margin_loss(
    a, p, n, margin=2.0, p=3, eps=0.01, swap=True, reduction=reduction), rand(5, 3), rand(5, 3), rand(5, 3))
each("triplet_row", F.triplet_margin_loss, rand(3), rand(3), rand(3))
case("pairwise_distance", F.pairwise_distance, rand(5, 3), rand(5, 3))
case("pairwise_distance_options", lambda a, b: F.pairwise_distance(a, b, p=1, eps=0.1, keepdim=True), rand(2, 5, 3),
     rand(5, 3))
same = rand(2, 3)
case("pairwise_distance_same", lambda a, b: F.pairwise_distance(a, b, eps=0.0), same, same)

# ---- ctc_loss: of logits (7, 4, 5)
each_ctc = lambda name, logits, *rest, **options: each(
    name, lambda x, *y, reduction: F.ctc_loss(torch.log_softmax(x, -1), *y, reduction=reduction, **options), logits, *rest)
logits = rand(7, 4, 5) * 1.5
targets = ints([1, 2, 3], [4, 4, 1], [2, 0, 0], [0, 0, 0])
each_ctc("ctc", logits, targets, ints(7, 7, 5, 6), ints(3, 2, 1, 0))
each_ctc("ctc_concatenated", logits, ints(1, 2, 3, 4, 4, 2), ints(7, 7, 5, 6), ints(3, 2, 1, 0))
each_ctc("ctc_blank", logits, ints([0, 2, 3], [1, 1, 1], [2, 4, 0], [3, 2, 3]), ints(7, 5, 5, 7), ints(3, 2, 0, 3),
         blank=4)
each_ctc("ctc_short", logits, targets, ints(3, 2, 1, 0), ints(3, 2, 1, 0))
each_ctc("ctc_short_zero", logits, targets, ints(3, 2, 0, 0), ints(3, 2, 1, 0), zero_infinity=True)
each_ctc("ctc_row", rand(6, 4), ints(3, 1, 1), torch.tensor(6), torch.tensor(3))
each_ctc("ctc_long", rand(200, 1, 3) * 3, torch.randint(1, 3, (1, 60)), ints(200), ints(60))

save("losses.safetensors")
