// Tensors for the device suite: the same values on the CPU and on the device, in any layout.
#pragma once

#include <utility>
#include <vector>

#include "kernels/copy.h"
#include "kernels/cuda/grid.h"
#include "tensor/backend.h"
#include "tests/kernels/layouts.h"

namespace hop::testing {

/// x on the device with its strides, its offset and what lies around it.
inline Tensor mirror(const Tensor& x) {
  const Storage bytes(x.storage().size(), Device::cuda());
  backend(Device::cuda()).copy(bytes.data(), x.storage().data(), bytes.size());
  return Tensor::view(bytes, x.dtype(), x.shape(), x.strides(), x.storage_offset());
}
inline std::vector<Tensor> mirror(const std::vector<Tensor>& list) {
  std::vector<Tensor> mirrored;
  for (const Tensor& x : list) mirrored.push_back(mirror(x));
  return mirrored;
}

/// Lowers the number of blocks per launch for a scope, so that threads take several items each.
class FewBlocks {
 public:
  FewBlocks() : before_(std::exchange(kernels::cuda::max_blocks, 3)) {}
  ~FewBlocks() { kernels::cuda::max_blocks = before_; }
  FewBlocks(const FewBlocks&) = delete;
  FewBlocks& operator=(const FewBlocks&) = delete;

 private:
  std::int64_t before_;
};

/// x on the CPU; its layout may change.
inline Tensor fetch(const Tensor& x) { return kernels::to_device(x, Device::cpu()); }

/// Equal dtype, shape and bits, but that a NaN equals every NaN: devices differ in which one they make.
inline ::testing::AssertionResult same_values(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape()))
    return ::testing::AssertionFailure() << a.describe() << " against " << b.describe();
  if (!is_floating(a.dtype())) return same_bits(a, b);
  const auto left = values<double>(a), right = values<double>(b);
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (std::isnan(left[i]) && std::isnan(right[i])) continue;
    if (left[i] == right[i] && std::signbit(left[i]) == std::signbit(right[i])) continue;
    return ::testing::AssertionFailure() << "element " << i << ": " << left[i] << " against " << right[i];
  }
  return ::testing::AssertionSuccess();
}

}  // namespace hop::testing
