// The common part of the tests of kernels/cuda. They run over a GPU (gpu_test) or over kernels/simt (cuda_simt_test);
// main.cpp has registered the device.
#pragma once

#include <gtest/gtest.h>

#include "kernels/cuda/math.h"
#include "kernels/cuda/runtime.h"
#include "kernels/precision.h"
#include "tensor/backend.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

/// A test that needs a device; skipped, with the reason, where there is none.
class OnDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (device_count() == 0) GTEST_SKIP() << "no CUDA device: " << why_no_device();
    use_device(0);
  }
};

/// The same view of a copy of x's storage on the device: strides, offset and the bytes between the elements stay.
inline Tensor on_device(const Tensor& x) {
  const Storage storage(x.storage().size(), Device::cuda());
  if (storage.size() != 0) backend(Device::cuda()).copy(storage.data(), x.storage().data(), storage.size());
  return Tensor::view(storage, x.dtype(), x.shape(), x.strides(), x.storage_offset());
}
/// The same view of a copy on the host.
inline Tensor on_host(const Tensor& x) {
  const Storage storage(x.storage().size(), Device::cpu());
  if (storage.size() != 0) backend(Device::cuda()).copy(storage.data(), x.storage().data(), storage.size());
  return Tensor::view(storage, x.dtype(), x.shape(), x.strides(), x.storage_offset());
}

/// Sets who computes products for a scope.
class MathGuard {
 public:
  explicit MathGuard(Math m) : before_(math()) { set_math(m); }
  ~MathGuard() { set_math(before_); }
  MathGuard(const MathGuard&) = delete;
  MathGuard& operator=(const MathGuard&) = delete;

 private:
  Math before_;
};

}  // namespace hop::kernels::cuda
