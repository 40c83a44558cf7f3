#include <gtest/gtest.h>

#include "kernels/cuda/runtime.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  hop::kernels::cuda::register_device();
  return RUN_ALL_TESTS();
}
