// The optimizer loops. Shared by the two builds of kernels/cpu/isa/.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

/// Updates n elements. arrays: the parameter, the gradient, then the rule's slots; a slot that the rule does not keep
/// is null. `factors` points to the rules::Factors<Rule, T> of the rule.
using UpdateLoop = void (*)(const void* factors, std::byte* const* arrays, std::int64_t n);

/// The loops of one rule: an optimizer's, or an average's, whose arrays are the average and the value.
struct UpdateLoops {
  UpdateLoop in_f32, in_f64;
};

// `rule` counts the alternatives of UpdateRule.
HOP_EACH_ISA(UpdateLoops update_loops(std::size_t rule);)
// `rule` counts the alternatives of AverageRule.
HOP_EACH_ISA(UpdateLoops average_loops(std::size_t rule);)

}  // namespace hop::kernels
