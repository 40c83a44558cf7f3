// The elements of a contiguous tensor as a span, for the optimizer kernels.
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace hop::nn::detail {

template <class T>
std::span<T> flat(const Tensor& t) {
  return {t.data<T>(), static_cast<std::size_t>(t.numel())};
}

}  // namespace hop::nn::detail
