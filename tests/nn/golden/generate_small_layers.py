"""Writes small_layers.safetensors: what PyTorch computes for padding, pooling, activations that cut, norms of volumes
and the layers that rearrange, in f64 (golden_cases.py says how cases are written).

    pip install torch safetensors
    python tests/nn/golden/generate_small_layers.py
"""
import torch
from cases import case, rand, save
from torch import nn

# ---- padding
line, image, volume = rand(2, 3, 5), rand(2, 2, 4, 5), rand(1, 2, 3, 4, 5)
for kind in ("Zero", "Reflection", "Replication", "Circular"):
    for dims, x, pads in ((1, line, (1, 2)), (2, image, (2, 1, 1, 3)), (3, volume, (1, 2, 0, 1, 2, 1))):
        case(f"{kind}Pad{dims}d", getattr(nn, f"{kind}Pad{dims}d")(pads), x)
    case(f"{kind}Pad2d_one", getattr(nn, f"{kind}Pad2d")(1), image)
case("ConstantPad1d", nn.ConstantPad1d((0, 2), 1.5), line)
case("ConstantPad2d", nn.ConstantPad2d(1, -2.0), image)
case("ConstantPad3d", nn.ConstantPad3d((1, 0, -1, 0, 2, 0), 0.5), volume)

# ---- pooling
case("MaxPool1d", nn.MaxPool1d(2), rand(2, 3, 7))
case("MaxPool1d_options", nn.MaxPool1d(3, stride=2, padding=1), rand(2, 3, 8))
case("AvgPool1d", nn.AvgPool1d(3), rand(2, 3, 7))
case("AvgPool1d_options", nn.AvgPool1d(4, stride=3, padding=2), rand(2, 3, 8))
case("MaxPool3d", nn.MaxPool3d(2), rand(2, 3, 4, 5, 6))
case("MaxPool3d_options", nn.MaxPool3d((2, 3, 1), stride=(1, 2, 2), padding=(1, 1, 0)), rand(1, 2, 4, 5, 6))
case("AvgPool3d", nn.AvgPool3d(2), rand(2, 3, 4, 5, 6))
case("AvgPool3d_options", nn.AvgPool3d((2, 3, 1), stride=(1, 2, 2), padding=(1, 1, 0)), rand(1, 2, 4, 5, 6))
case("AdaptiveAvgPool1d", nn.AdaptiveAvgPool1d(3), rand(2, 3, 7))
case("AdaptiveAvgPool1d_more", nn.AdaptiveAvgPool1d(7), rand(2, 3, 4))
case("AdaptiveAvgPool2d", nn.AdaptiveAvgPool2d((3, 2)), rand(2, 3, 5, 7))
case("AdaptiveAvgPool2d_even", nn.AdaptiveAvgPool2d((2, 3)), rand(2, 3, 4, 6))
case("AdaptiveAvgPool3d", nn.AdaptiveAvgPool3d((2, 3, 1)), rand(1, 2, 3, 4, 5))
case("AdaptiveMaxPool1d", nn.AdaptiveMaxPool1d(3), rand(2, 3, 7))
case("AdaptiveMaxPool2d", nn.AdaptiveMaxPool2d((3, 2)), rand(2, 3, 5, 7))
case("AdaptiveMaxPool3d", nn.AdaptiveMaxPool3d(2), rand(1, 2, 3, 4, 5))

# ---- activations, also at their kinks
x = torch.cat([rand(2, 8) * 3, torch.tensor([[0.0, -1, 1, 0.5, -0.5, 0.3, 25, -25]])])
for module in (nn.Hardshrink(), nn.Softshrink(), nn.Tanhshrink(), nn.Softmin(-1)):
    case(type(module).__name__, module, x)
case("Hardshrink_options", nn.Hardshrink(1), x)
case("Softshrink_options", nn.Softshrink(0.3), x)
case("Softmin_dim", nn.Softmin(0), x)
case("Threshold", nn.Threshold(0.5, -1.0), x)
case("RReLU_evaluation", nn.RReLU(0.1, 0.5).eval(), x)
case("Softmax2d", nn.Softmax2d(), image)
case("Softmax2d_one", nn.Softmax2d(), image[0])

# ---- norms
case("BatchNorm1d_sequence", lambda x: nn.BatchNorm1d(3)(x), line)  # with its first parameters
case("BatchNorm3d", lambda x: nn.BatchNorm3d(2)(x), rand(2, 2, 3, 2, 4))
case("InstanceNorm3d", nn.InstanceNorm3d(2), volume)

# ---- what rearranges
case("Unflatten", nn.Unflatten(1, (2, 3)), rand(4, 6, 2))
case("Unflatten_inferred", nn.Unflatten(-1, (2, -1)), rand(4, 6))
case("PixelUnshuffle", nn.PixelUnshuffle(2), rand(2, 3, 4, 6))
case("ChannelShuffle", nn.ChannelShuffle(3), rand(2, 6, 2, 3))

# ---- distances
case("CosineSimilarity", nn.CosineSimilarity(), rand(3, 4), rand(3, 4))
case("PairwiseDistance", nn.PairwiseDistance(), rand(3, 4), rand(3, 4))
case("PairwiseDistance_options", nn.PairwiseDistance(3, keepdim=True), rand(3, 4), rand(3, 4))

save("small_layers.safetensors")
