"""Writes rare_modules.safetensors and rare_functions.safetensors: what PyTorch computes for convolutions of volumes,
last layers for many classes, unpooling, fractional pooling, power means, cubic and area interpolation, in f64.

    pip install torch safetensors
    python tests/nn/golden/generate_rare_layers.py

The test reads the files; it needs no Python. cases.py says what stands in them.
"""

import torch
import torch.nn.functional as F
from cases import case, golden, rand, save
from torch import nn

# ---- convolutions of volumes
case("conv3d", nn.Conv3d(2, 3, 2), rand(2, 2, 3, 4, 3))
case("conv3d_options",
     nn.Conv3d(4, 6, (3, 2, 1), stride=(2, 1, 3), padding=(1, 0, 2), dilation=(1, 2, 1), groups=2, bias=False),
     rand(2, 4, 5, 4, 3))
case("conv3d_depth", nn.Conv3d(1, 2, (3, 1, 1), stride=(2, 1, 1), padding=(2, 0, 0), dilation=(2, 1, 1)),
     rand(1, 1, 4, 2, 1))
case("conv3d_plane", nn.Conv3d(3, 2, (1, 2, 2)), rand(1, 3, 2, 3, 3))
case("conv3d_same", nn.Conv3d(2, 2, 3, padding="same"), rand(1, 2, 3, 2, 4))
case("conv3d_same_uneven", nn.Conv3d(2, 2, (2, 3, 4), padding="same", dilation=(1, 2, 1)), rand(1, 2, 4, 3, 5))
case("conv_transpose3d", nn.ConvTranspose3d(2, 3, 2), rand(2, 2, 3, 2, 3))
case("conv_transpose3d_options",
     nn.ConvTranspose3d(4, 6, (3, 2, 1), stride=(2, 3, 2), padding=(1, 0, 0), output_padding=(1, 2, 0), groups=2,
                        bias=False, dilation=(2, 1, 1)),
     rand(2, 4, 2, 3, 2))
case("conv_transpose3d_one", nn.ConvTranspose3d(1, 1, 1, stride=3, output_padding=2), rand(1, 1, 2, 1, 2))
case("conv_transpose3d_overlap", nn.ConvTranspose3d(2, 1, (4, 3, 2), stride=(1, 2, 1), padding=(2, 1, 0)),
     rand(1, 2, 3, 2, 2))

# ---- many classes
labels = torch.tensor([0, 3, 9, 2, 5, 4])
case("linear_cross_entropy", nn.LinearCrossEntropyLoss(4, 10), rand(6, 4), labels)
case("linear_cross_entropy_options",
     nn.LinearCrossEntropyLoss(4, 10, bias=True, reduction="sum", ignore_index=2, label_smoothing=0.1), rand(6, 4),
     labels)
adaptive = lambda **options: nn.AdaptiveLogSoftmaxWithLoss(9, 10, [3, 5], div_value=2, **options)
case("adaptive_softmax", adaptive(), rand(6, 9), labels, call=lambda m, x, y: tuple(m(x, y)))
case("adaptive_softmax_bias", adaptive(head_bias=True), rand(6, 9), labels, call=lambda m, x, y: tuple(m(x, y)))
case("adaptive_log_prob", adaptive(head_bias=True), rand(4, 9), call=lambda m, x: m.log_prob(x))
# In a fork, so that all other cases keep their numbers. 11 // 1.1 is 9.
with torch.random.fork_rng():
    weighted = nn.LinearCrossEntropyLoss(4, 10, weight=torch.rand(10) + 0.5)
    assert list(weighted.state_dict()) == ["weight", "linear.weight"]
    case("linear_cross_entropy_weight", weighted, rand(6, 4), labels)
    golden["linear_cross_entropy_weight.p.weight"] = weighted.weight
    uneven = nn.AdaptiveLogSoftmaxWithLoss(11, 10, [3, 5], div_value=1.1)
    assert uneven.tail[0][0].out_features == 9
    case("adaptive_softmax_uneven", uneven, rand(6, 11), labels, call=lambda m, x, y: tuple(m(x, y)))

save("rare_modules.safetensors")
golden.clear()

# ---- places of maxima. Ties: the first one counts.
tied = torch.tensor([[[1.0, 3, 3, 0, 3, 3, 2, 2]]])
max_pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


# The values have a gradient, the places have none, so they are two cases.
def pooled(name, dims, x, **options):
    y, indices = max_pool[dims](x, return_indices=True, **options)
    case(f"{name}_places", lambda x: max_pool[dims](x, return_indices=True, **options)[1], x)
    case(f"{name}_values", lambda x: max_pool[dims](x, return_indices=True, **options)[0], x)
    return y, indices


line, image, volume = rand(2, 3, 7), rand(2, 2, 5, 6), rand(1, 2, 4, 5, 4)
line_y = pooled("max_pool1d", 1, line, kernel_size=2)
pooled("max_pool1d_ties", 1, tied, kernel_size=3, stride=2, padding=1)
image_y = pooled("max_pool2d", 2, image, kernel_size=2)
image_padded = pooled("max_pool2d_padded", 2, image, kernel_size=(3, 2), stride=(3, 2), padding=(1, 1))
volume_y = pooled("max_pool3d", 3, volume, kernel_size=2)
pooled("max_pool3d_options", 3, volume, kernel_size=(2, 3, 1), stride=(1, 2, 2), padding=(1, 1, 0))
pooled("max_pool3d_ties", 3, torch.ones(1, 1, 3, 4, 2), kernel_size=2)

# ---- unpooling
unpool = lambda f, **options: lambda x, i: f(x, i, **options)
case("max_unpool1d", unpool(F.max_unpool1d, kernel_size=2), *line_y)
case("max_unpool1d_size", unpool(F.max_unpool1d, kernel_size=2, output_size=(7,)), *line_y)
case("max_unpool2d", unpool(F.max_unpool2d, kernel_size=2), *image_y)
case("max_unpool2d_size", unpool(F.max_unpool2d, kernel_size=2, output_size=(5, 6)), *image_y)
case("max_unpool2d_padded", unpool(F.max_unpool2d, kernel_size=(3, 2), stride=(3, 2), padding=(1, 1),
                                   output_size=(5, 6)), *image_padded)
case("max_unpool3d", unpool(F.max_unpool3d, kernel_size=2, output_size=(4, 5, 4)), *volume_y)

# ---- windows at random places, in a fork, so that all other cases keep their numbers
with torch.random.fork_rng():
    fractional = {2: (F.fractional_max_pool2d_with_indices, rand(2, 3, 9, 8)),
                  3: (F.fractional_max_pool3d_with_indices, rand(2, 2, 5, 6, 8))}
    for name, dims, options in [
        ("2d", 2, {"kernel_size": 2, "output_size": (5, 4)}),
        ("2d_wide", 2, {"kernel_size": (3, 2), "output_size": (4, 7)}),
        ("2d_one", 2, {"kernel_size": (9, 3), "output_size": (1, 1)}),
        ("2d_ratio", 2, {"kernel_size": 2, "output_ratio": (0.7, 0.5)}),
        ("3d", 3, {"kernel_size": (2, 1, 3), "output_size": (3, 4, 5)}),
        ("3d_ratio", 3, {"kernel_size": 2, "output_ratio": (0.5, 0.6, 0.8)}),
    ]:
        f, x = fractional[dims]
        samples = torch.rand(x.size(0), x.size(1), dims)
        pool = lambda x, s: f(x, _random_samples=s.detach(), **options)
        case(f"fractional_{name}_places", lambda x, s: pool(x, s)[1], x, samples)
        case(f"fractional_{name}_values", lambda x, s: pool(x, s)[0], x, samples)

# ---- power means
zeros = torch.tensor([[[3.0, -4, 0, 0, 1, 2, -1, 0]]])
case("lp_pool1d", nn.LPPool1d(2, 2), zeros)
case("lp_pool1d_third", nn.LPPool1d(3, 3, 2), line.abs())
case("lp_pool1d_odd", nn.LPPool1d(1, 2), zeros)
case("lp_pool2d", nn.LPPool2d(2, (2, 3), (1, 2)), image)
case("lp_pool2d_half", nn.LPPool2d(1.5, 2), image.abs())
case("lp_pool3d", nn.LPPool3d(2, (2, 1, 3)), volume)

# ---- interpolation
for name, options in {
    "up": {"size": (9, 7)}, "down": {"size": (3, 4)}, "corners": {"size": (9, 7), "align_corners": True},
    "corners_one": {"size": (1, 8), "align_corners": True}, "factor": {"scale_factor": (1.7, 0.6)},
    "recomputed": {"scale_factor": 1.7, "recompute_scale_factor": True},
}.items():
    case(f"bicubic_{name}", lambda x: F.interpolate(x, mode="bicubic", **options), image)
# Where a factor keeps the size, PyTorch's gradient is that of a copy, which its value is not: no gradient.
case("bicubic_same_size", lambda x: F.interpolate(x.detach(), scale_factor=1.1, mode="bicubic"), image)
case("bicubic_small", lambda x: F.interpolate(x, size=(5, 3), mode="bicubic"), rand(1, 1, 2, 1))
case("area1d", lambda x: F.interpolate(x, size=3, mode="area"), line)
case("area2d", lambda x: F.interpolate(x, scale_factor=(0.5, 1.5), mode="area"), image)
case("area3d", lambda x: F.interpolate(x, size=(2, 3, 5), mode="area"), volume)

# ---- triples
cosine = lambda a, b: 1 - F.cosine_similarity(a, b)
three = rand(4, 3), rand(4, 3), rand(4, 3)
case("triplet_distance", nn.TripletMarginWithDistanceLoss(), *three)
case("triplet_distance_options",
     nn.TripletMarginWithDistanceLoss(distance_function=cosine, margin=0.5, swap=True, reduction="none"), *three)

save("rare_functions.safetensors")
