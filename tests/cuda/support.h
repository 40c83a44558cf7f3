// What the tests of kernels/cuda share. They run over a GPU (gpu_test) or over kernels/simt (cuda_simt_test); main.cpp
// has registered the device.
#pragma once

#include <gtest/gtest.h>

#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {

/// A test that needs a device; skipped, with the reason, where there is none.
class OnDevice : public testing::Test {
 protected:
  void SetUp() override {
    if (device_count() == 0) GTEST_SKIP() << "no CUDA device: " << why_no_device();
    use_device(0);
  }
};

}  // namespace hop::kernels::cuda
