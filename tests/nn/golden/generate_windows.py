"""Writes windows_modules.safetensors and windows_functions.safetensors: what PyTorch computes for the options of pooling
(ceil_mode, dilation, count_include_pad, divisor_override, kept sizes, places of adaptive maxima), for the options of
convolutions (padding_mode, padding="same", output_size, output_padding below the dilation), and for inputs without a
batch, in f64.

    pip install torch safetensors
    python tests/nn/golden/generate_windows.py

The test reads the files; it needs no Python. cases.py says what stands in them.
"""

import torch
import torch.nn.functional as F
from cases import case, golden, rand, save
from torch import nn

line, image, volume = rand(2, 4, 9), rand(1, 4, 7, 6), rand(1, 4, 5, 4, 3)
lines, images, volumes = [line, line[0]], [image, image[0]], [volume, volume[0]]


def both(name, module, inputs, call=None):
    """With a batch and without one."""
    case(name, module, inputs[0], call=call)
    case(f"{name}_one", module, inputs[1], call=call)


# ---- pooling
both("max1", nn.MaxPool1d(3, 2, 1, dilation=2, ceil_mode=True), lines)
both("max2", nn.MaxPool2d((2, 3), (3, 2), (1, 1), dilation=(2, 1), ceil_mode=True), images)
case("max2_dilated", nn.MaxPool2d(2, 1, 1, dilation=3), image)
both("max3", nn.MaxPool3d((2, 3, 2), (2, 2, 3), (1, 1, 0), dilation=(2, 1, 2), ceil_mode=True), volumes)
both("avg1", nn.AvgPool1d(4, 3, 2, ceil_mode=True, count_include_pad=False), lines)
case("avg1_ceil", nn.AvgPool1d(4, 3, 2, ceil_mode=True), line)
both("avg2", nn.AvgPool2d((3, 2), (2, 3), 1, ceil_mode=True, count_include_pad=False), images)
case("avg2_ceil", nn.AvgPool2d(3, 2, 1, ceil_mode=True), image)
case("avg2_divisor", nn.AvgPool2d(3, 2, 1, divisor_override=-4), image)
both("avg3", nn.AvgPool3d((3, 2, 2), (2, 3, 3), 1, ceil_mode=True, count_include_pad=False), volumes)
case("avg3_divisor", nn.AvgPool3d(2, 2, 1, ceil_mode=True, divisor_override=5), volume)
both("lp1", nn.LPPool1d(2, 4, 3, ceil_mode=True), lines)
both("lp2", nn.LPPool2d(3, (2, 3), ceil_mode=True), [image.abs(), image[0].abs()])
both("lp3", nn.LPPool3d(2, 2, 3, ceil_mode=True), volumes)
both("adaptive_avg1", nn.AdaptiveAvgPool1d(4), lines)
both("adaptive_avg2", nn.AdaptiveAvgPool2d((None, 3)), images)
both("adaptive_avg3", nn.AdaptiveAvgPool3d((2, None, 3)), volumes)
both("adaptive_max1", nn.AdaptiveMaxPool1d(4), lines)
both("adaptive_max2", nn.AdaptiveMaxPool2d((5, None)), images)
both("adaptive_max3", nn.AdaptiveMaxPool3d((None, 4, 2)), volumes)
case("adaptive_ties", nn.AdaptiveMaxPool2d(2), torch.tensor([[[1.0, 3, 3], [3, 3, 0], [3, 1, 3]]]))

# ---- norms and padding without a batch
case("instance1_one", nn.InstanceNorm1d(4, affine=True), line[0])
case("instance2_one", nn.InstanceNorm2d(4), image[0])
case("instance3_one", nn.InstanceNorm3d(4, affine=True), volume[0])
case("reflect1_one", nn.ReflectionPad1d((1, 2)), line[0])
case("zero2_one", nn.ZeroPad2d((1, 0, 2, 1)), image[0])
case("circular3_one", nn.CircularPad3d(1), volume[0])

# ---- convolutions
for mode in ("reflect", "replicate", "circular"):
    both(f"conv1_{mode}", nn.Conv1d(4, 2, 3, stride=2, padding=2, dilation=2, groups=2, padding_mode=mode), lines)
    both(f"conv2_{mode}", nn.Conv2d(4, 2, (3, 2), padding=(1, 2), padding_mode=mode), images)
    case(f"conv2_{mode}_same", nn.Conv2d(4, 2, (4, 3), padding="same", padding_mode=mode), image)
    both(f"conv3_{mode}", nn.Conv3d(4, 2, (1, 3, 2), padding=(0, 1, 1), padding_mode=mode, bias=False), volumes)
case("conv1_reflect_same", nn.Conv1d(4, 2, 4, padding="same", padding_mode="reflect"), line)
case("conv3_circular_same", nn.Conv3d(4, 2, (2, 3, 1), padding="same", padding_mode="circular"), volume)
both("conv1", nn.Conv1d(4, 3, 3), lines)
both("conv2", nn.Conv2d(4, 3, 3), images)
both("conv3", nn.Conv3d(4, 3, 2), volumes)
both("transposed1", nn.ConvTranspose1d(4, 3, 3, stride=2), lines, lambda m, x: m(x, output_size=[20]))
both("transposed2", nn.ConvTranspose2d(4, 3, (3, 2), stride=(3, 2), padding=(1, 0)), images,
     lambda m, x: m(x, output_size=[21, 13]))
both("transposed3", nn.ConvTranspose3d(4, 3, 2, stride=(2, 1, 3)), volumes, lambda m, x: m(x, output_size=[11, 5, 9]))
case("transposed1_dilated", nn.ConvTranspose1d(4, 3, 2, stride=2, output_padding=4, dilation=5), line)
case("transposed2_dilated",
     nn.ConvTranspose2d(4, 2, (2, 3), stride=(1, 2), padding=(1, 0), output_padding=(2, 1), groups=2, dilation=(3, 1)),
     image)
case("transposed3_dilated", nn.ConvTranspose3d(4, 1, 2, stride=(1, 2, 1), output_padding=(1, 0, 2), dilation=(2, 1, 3)),
     volume)
save("windows_modules.safetensors")
golden.clear()

# ---- places of maxima
max_pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
adaptive = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


# The values have a gradient, the places have none, so they are two cases.
def pooled(name, pool, x, *args, **options):
    case(f"{name}_places", lambda x: pool(x, *args, return_indices=True, **options)[1], x)
    case(f"{name}_values", lambda x: pool(x, *args, return_indices=True, **options)[0], x)


pooled("max1", F.max_pool1d, line, kernel_size=2, stride=2, dilation=3, ceil_mode=True)
pooled("max2", F.max_pool2d, image, kernel_size=(3, 2), stride=2, padding=1, dilation=2, ceil_mode=True)
pooled("max2_one", F.max_pool2d, image[0], kernel_size=3, stride=2, ceil_mode=True)
pooled("max3", F.max_pool3d, volume, kernel_size=2, stride=(1, 2, 3), padding=1, dilation=(2, 1, 2), ceil_mode=True)
pooled("adaptive1", F.adaptive_max_pool1d, line, 4)
pooled("adaptive1_more", F.adaptive_max_pool1d, line[0], 13)
pooled("adaptive2", F.adaptive_max_pool2d, image, (3, 5))
pooled("adaptive2_ties", F.adaptive_max_pool2d, torch.ones(1, 2, 5, 4), (3, 3))
pooled("adaptive3", F.adaptive_max_pool3d, volume, (2, 4, 3))

# ---- functions of convolutions
case("conv1d", lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1, dilation=2, groups=2), line, rand(2, 2, 3),
     rand(2))
case("conv1d_same", lambda x, w: F.conv1d(x, w, padding="same", dilation=3), line, rand(3, 4, 2))
case("conv2d_same", lambda x, w, b: F.conv2d(x, w, b, padding="same", dilation=(2, 1)), image, rand(3, 4, 2, 4), rand(3))
case("conv2d_valid", lambda x, w: F.conv2d(x, w, padding="valid"), image[0], rand(3, 4, 2, 4))
case("conv3d_same", lambda x, w: F.conv3d(x, w, padding="same"), volume, rand(3, 4, 3, 1, 2))
case("conv_transpose1d",
     lambda x, w, b: F.conv_transpose1d(x, w, b, stride=2, padding=1, output_padding=2, groups=2, dilation=3), line,
     rand(4, 3, 2), rand(6))
save("windows_functions.safetensors")
