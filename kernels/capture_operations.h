// The functions that a device supplies for kernels/capture.h.
#pragma once

#include <functional>
#include <memory>

#include "kernels/capture.h"
#include "kernels/operations_internal.h"

namespace hop::kernels {

struct CaptureOperations {
  static const CaptureOperations cpu, cuda;

  /// Runs `work` once and records it. Meanwhile this thread's allocations come from the recording's pool.
  std::unique_ptr<Recording::Calls> (*capture)(Device device, const std::function<void()>& work);
};

}  // namespace hop::kernels
