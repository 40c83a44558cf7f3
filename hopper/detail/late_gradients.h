// Gradients that an update uses some steps after they were computed. Internal to Hopscotch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace hop::hopper {

/// A queue of gradient blocks:
///
///   LateGradients late(2);
///   for (each step) {
///     ...                                // leaves its gradients in `block`
///     if (late.swap(block)) update();    // `block` has those of two steps before
///   }
///   while (late.take(block)) update();   // the last two
///
/// Memory: so many copies of the block, and one.
class LateGradients {
 public:
  /// `steps`, from 1: how late.
  explicit LateGradients(std::uint32_t steps) : steps_(steps) {}
  std::int64_t steps() const { return steps_; }

  /// Keeps the values of the block, and gives it those of `steps` calls before. False: there are none; the block stays.
  bool swap(const Tensor& block);
  /// Gives the block the oldest values that are left, which are kept no longer. False: there are none.
  bool take(const Tensor& block);
  /// Drops all values.
  void clear() { waiting_ = 0; }

 private:
  const std::uint32_t steps_;
  std::vector<Tensor> places_;  // the values in the order of the calls, from first_ on and round
  Tensor spare_;
  std::size_t first_ = 0, waiting_ = 0;  // the oldest values; how many there are
};

}  // namespace hop::hopper
