// Functions that users attach to a tensor's gradient; see register_hook() in graph.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "autograd/graph.h"

namespace hop::autograd {

/// The hooks of a node's outputs, or of a leaf (output 0), in the order of their registration.
class Hooks {
 public:
  std::uint64_t add(std::uint32_t output, GradHook hook);
  void remove(std::uint64_t id);
  /// Runs every hook whose output has a gradient. A hook may add or remove hooks, which takes effect in the next pass.
  void run(std::span<Tensor> grads) const;
  /// Counts registrations and removals: a captured step holds only as long as the number stays the same.
  const std::uint64_t& changes() const { return changes_; }

 private:
  struct Entry {
    std::uint64_t id;
    std::uint32_t output;
    GradHook hook;
  };
  std::vector<Entry> entries_;
  std::uint64_t next_id_ = 1;
  std::uint64_t changes_ = 0;
};

}  // namespace hop::autograd
