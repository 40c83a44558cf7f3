#include "nn/models/unet.h"

#include "autograd/copy.h"
#include "autograd/pad.h"
#include "nn/layers/activation.h"
#include "nn/layers/norm.h"
#include "nn/layers/pool.h"

namespace hop::nn::models {

DoubleConv::DoubleConv(std::int64_t in_channels, std::int64_t out_channels, DType dtype)
    : double_conv(register_module(
          "double_conv",
          Sequential(Conv2d(in_channels, out_channels, 3, {.padding = 1, .bias = false, .dtype = dtype}),
                     BatchNorm2d(out_channels, {.dtype = dtype}), ReLU(),
                     Conv2d(out_channels, out_channels, 3, {.padding = 1, .bias = false, .dtype = dtype}),
                     BatchNorm2d(out_channels, {.dtype = dtype}), ReLU()))) {}

Down::Down(std::int64_t in_channels, std::int64_t out_channels, DType dtype)
    : maxpool_conv(
          register_module("maxpool_conv", Sequential(MaxPool2d(2), DoubleConv(in_channels, out_channels, dtype)))) {}

Up::Up(std::int64_t in_channels, std::int64_t out_channels, DType dtype)
    : up(register_module("up", ConvTranspose2d(in_channels, in_channels / 2, 2, {.stride = 2, .dtype = dtype}))),
      conv(register_module("conv", DoubleConv(in_channels, out_channels, dtype))) {}

Tensor Up::forward(const Tensor& x, const Tensor& skip) {
  Tensor y = up(x);
  const std::int64_t rows = skip.size(2) - y.size(2), columns = skip.size(3) - y.size(3);
  if (rows != 0 || columns != 0) y = pad(y, {columns / 2, columns - columns / 2, rows / 2, rows - rows / 2});
  return conv(cat({skip, y}, 1));
}

UNet::Out::Out(std::int64_t in_channels, std::int64_t out_channels, DType dtype)
    : conv(register_module("conv", Conv2d(in_channels, out_channels, 1, {.dtype = dtype}))) {}

UNet::UNet(const UNetOptions& o)
    : inc(register_module("inc", DoubleConv(o.channels, o.width, o.dtype))),
      down1(register_module("down1", Down(o.width, 2 * o.width, o.dtype))),
      down2(register_module("down2", Down(2 * o.width, 4 * o.width, o.dtype))),
      down3(register_module("down3", Down(4 * o.width, 8 * o.width, o.dtype))),
      down4(register_module("down4", Down(8 * o.width, 16 * o.width, o.dtype))),
      up1(register_module("up1", Up(16 * o.width, 8 * o.width, o.dtype))),
      up2(register_module("up2", Up(8 * o.width, 4 * o.width, o.dtype))),
      up3(register_module("up3", Up(4 * o.width, 2 * o.width, o.dtype))),
      up4(register_module("up4", Up(2 * o.width, o.width, o.dtype))),
      outc(register_module("outc", Out(o.width, o.classes, o.dtype))) {}

Tensor UNet::forward(const Tensor& x) {
  const Tensor x1 = inc(x), x2 = down1(x1), x3 = down2(x2), x4 = down3(x3);
  return outc(up4(up3(up2(up1(down4(x4), x4), x3), x2), x1));
}

}  // namespace hop::nn::models
