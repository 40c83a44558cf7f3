// The vectorised loops of adding at positions.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

HOP_EACH_ISA(
    /// y (width) = the sum of the rows of g (.., width) at positions[0 .. n - 1], added in this order in f64 from 0 and
    /// rounded once.
    void add_rows(const float* g, std::int64_t width, const std::int64_t* positions, std::int64_t n, float* y);)

}  // namespace hop::kernels
