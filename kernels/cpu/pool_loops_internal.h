// The vectorised loops of pooling, over planes begin..end-1 of contiguous images. T is float or double.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"
#include "kernels/shapes_internal.h"

namespace hop::kernels {

HOP_EACH_ISA(
    /// indices: h * W + w of the first maximum in the plane. A NaN is the maximum.
    template <class T> void max_pool_planes(const PoolShape& shape, const T* x, T* y, std::int64_t* indices,
                                            std::int64_t begin, std::int64_t end);
    /// The sum of each window divided by r s.
    template <class T>
    void avg_pool_planes(const PoolShape& shape, const T* x, T* y, std::int64_t begin, std::int64_t end);
    template <class T>
    void avg_pool_grad_planes(const PoolShape& shape, const T* g, T* dx, std::int64_t begin, std::int64_t end);)

}  // namespace hop::kernels
