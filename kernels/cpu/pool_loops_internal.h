// The vectorised loops of pooling. T is float or double.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"
#include "kernels/shapes_internal.h"

namespace hop::kernels {

HOP_EACH_ISA(
    // The functions below run over planes begin..end-1 of contiguous images.

    /// indices: h * W + w of the first maximum in the plane. A NaN is the maximum.
    template <class T> void max_pool_planes(const PoolShape& shape, const T* x, T* y, std::int64_t* indices,
                                            std::int64_t begin, std::int64_t end);
    /// The sum of each window divided by the divisor.
    template <class T>
    void avg_pool_planes(const PoolShape& shape, const T* x, T* y, std::int64_t begin, std::int64_t end);
    template <class T>
    void avg_pool_grad_planes(const PoolShape& shape, const T* g, T* dx, std::int64_t begin, std::int64_t end);

    // The functions below take images with channels last. They run over rows begin..end-1 of the outputs of all images;
    // the gradient runs over images.

    template <class T> void max_pool_columns(const PoolShape& shape, std::int64_t channels, const T* x, T* y,
                                             std::int64_t* indices, std::int64_t begin, std::int64_t end);
    template <class T> void avg_pool_columns(const PoolShape& shape, std::int64_t channels, const T* x, T* y,
                                             std::int64_t begin, std::int64_t end);
    template <class T> void avg_pool_grad_columns(const PoolShape& shape, std::int64_t channels, const T* g, T* dx,
                                                  std::int64_t begin, std::int64_t end);)

}  // namespace hop::kernels
