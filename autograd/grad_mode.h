// Whether operations are recorded for a backward pass: a property of the calling thread.
#pragma once

#include "tensor/autograd_slot.h"

namespace hop {

/// True unless a NoGradGuard lives on this thread (or a backward pass runs without create_graph).
inline bool is_grad_enabled() { return autograd::grad_enabled; }

/// Sets the mode for a scope: torch::AutoGradMode.
class GradModeGuard {
 public:
  explicit GradModeGuard(bool enabled) : before_(autograd::grad_enabled) { autograd::grad_enabled = enabled; }
  ~GradModeGuard() { autograd::grad_enabled = before_; }
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;

 private:
  bool before_;
};

/// In its scope nothing is recorded, and parameters may be written in place: for evaluation, initialisation,
/// optimizers.
struct NoGradGuard : GradModeGuard {
  NoGradGuard() : GradModeGuard(false) {}
};

/// Records again inside the scope of a NoGradGuard.
struct EnableGradGuard : GradModeGuard {
  EnableGradGuard() : GradModeGuard(true) {}
};

}  // namespace hop
