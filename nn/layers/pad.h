// Padding as layers: pads as in torch.nn, (left, right, top, bottom, front, back), one number for all sides.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/pad.h"
#include "nn/module.h"

namespace hop::nn {

/// The common part: pads the last dimensions of x, which has two more in front, or one for inputs without a batch.
class Padding : public Module {
 public:
  /// Throws ShapeError for another number of dimensions, and as pad().
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return name_; }
  std::string extra_repr() const override;

 protected:
  /// `dims` padded dimensions. Throws ConfigError unless there is one pad or 2 dims.
  Padding(const char* name, int dims, const std::vector<std::int64_t>& pads, PadMode mode, double value = 0);

 private:
  const char* name_;
  int dims_;
  std::vector<std::int64_t> pads_;
  PadMode mode_;
  double value_;
};

// x (N, C, L), (N, C, H, W) or (N, C, D, H, W), with or without N: `ReflectionPad2d({1, 1, 2, 2})`, `ZeroPad1d({3})`.
#define HOP_PADDING(Name, dims, mode)                                                          \
  class Name : public Padding {                                                                \
   public:                                                                                     \
    explicit Name(const std::vector<std::int64_t>& pads) : Padding(#Name, dims, pads, mode) {} \
    explicit Name(std::int64_t pad) : Name(std::vector<std::int64_t>{pad}) {}                  \
  };
HOP_PADDING(ZeroPad1d, 1, PadMode::constant)
HOP_PADDING(ZeroPad2d, 2, PadMode::constant)
HOP_PADDING(ZeroPad3d, 3, PadMode::constant)
HOP_PADDING(ReflectionPad1d, 1, PadMode::reflect)
HOP_PADDING(ReflectionPad2d, 2, PadMode::reflect)
HOP_PADDING(ReflectionPad3d, 3, PadMode::reflect)
HOP_PADDING(ReplicationPad1d, 1, PadMode::replicate)
HOP_PADDING(ReplicationPad2d, 2, PadMode::replicate)
HOP_PADDING(ReplicationPad3d, 3, PadMode::replicate)
HOP_PADDING(CircularPad1d, 1, PadMode::circular)
HOP_PADDING(CircularPad2d, 2, PadMode::circular)
HOP_PADDING(CircularPad3d, 3, PadMode::circular)
#undef HOP_PADDING

#define HOP_CONSTANT_PADDING(Name, dims)                                                  \
  class Name : public Padding {                                                           \
   public:                                                                                \
    Name(const std::vector<std::int64_t>& pads, double value)                             \
        : Padding(#Name, dims, pads, PadMode::constant, value) {}                         \
    Name(std::int64_t pad, double value) : Name(std::vector<std::int64_t>{pad}, value) {} \
  };
HOP_CONSTANT_PADDING(ConstantPad1d, 1)
HOP_CONSTANT_PADDING(ConstantPad2d, 2)
HOP_CONSTANT_PADDING(ConstantPad3d, 3)
#undef HOP_CONSTANT_PADDING

}  // namespace hop::nn
