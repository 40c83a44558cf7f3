// How normalisations of channels see sequences and volumes.
#pragma once

#include <cstdint>

#include "tensor/shape.h"

namespace hop::autograd {

/// x (N, C, ..) as the image that has its values per channel: a sequence is an image of one column, a volume one of
/// more rows. For at least three dimensions.
inline Shape image_of(const Shape& x) {
  std::int64_t rows = x[2];
  for (int d = 3; d + 1 < x.size(); ++d) rows *= x[d];
  return {x[0], x[1], rows, x.size() == 3 ? 1 : x.back()};
}

}  // namespace hop::autograd
