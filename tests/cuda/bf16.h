// bf16 on the device, for tests.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cuda/copy_internal.h"
#include "kernels/layout_internal.h"
#include "tensor/backend.h"
#include "tests/kernels/bf16.h"
#include "tests/kernels/layouts.h"

namespace hop::testing {

/// The bits of n numbers of 16 bits at `data` on the device.
inline std::vector<std::uint16_t> fetch_bf16(const void* data, std::int64_t n) {
  std::vector<std::uint16_t> bits(static_cast<std::size_t>(n));
  backend(Device::cuda())
      .copy(reinterpret_cast<std::byte*>(bits.data()), static_cast<const std::byte*>(data), bits.size() * 2);
  return bits;
}

}  // namespace hop::testing
