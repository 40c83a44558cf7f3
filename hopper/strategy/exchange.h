// The second seam of a strategy: a call between backward and update.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace hop::hopper {

/// Called once per training step, on the compute thread: backward is over, and nothing has read the gradients yet. A
/// trainer with an exchange records a step as two recordings, `gradients` and `update`, and calls the exchange between
/// them. A trainer without one records the whole step as one.
///
/// The bits of a model are a function of the experiment alone only if the exchange is a function of its arguments.
class Exchange {
 public:
  virtual ~Exchange() = default;

  /// The update uses the values that the call leaves in `gradients`: (elements) f32, contiguous, on the trainer's
  /// device. It is the whole gradient block: the parameters in their order, each on a 64-byte boundary, with padding
  /// between them that nobody reads. A parameter that no loss reached has zeros there, and is not updated. `rows`: the
  /// rows of the batch over which the gradients are the mean; the last batch of a partition may be short. An error ends
  /// the unit.
  virtual void exchange(const Tensor& gradients, std::int64_t rows) = 0;
};

}  // namespace hop::hopper
