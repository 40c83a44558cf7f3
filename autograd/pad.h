// Padding, differentiable.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop {

/// What stands in the padding of the row a b c: a value; c b [a b c] b a; a a [a b c] c c; b c [a b c] a b.
enum class PadMode : std::uint8_t { constant, reflect, replicate, circular };

/// torch.nn.functional.pad: `pads` are (before, after) of the last dimension, then of the dimension before it, and so
/// on: (1, 2, 3, 4) turns (N, H, W) into (N, H + 7, W + 3). A negative pad cuts; `circular` goes round what is left. x
/// of any dtype; `value` is converted to it. Any number of dimensions may be padded in every mode (PyTorch reflects,
/// replicates and wraps in images alone). Cost: a fill and a copy for `constant`, one gather per padded dimension for
/// the others. Throws ShapeError for an odd number of pads, for more pairs than dimensions, if a pad cuts more than
/// there is, and for a pad that the size does not allow: at most n - 1 for reflect and n for circular, and n > 0 for
/// replicate. Throws DtypeError for a value that the dtype cannot hold.
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& pads, PadMode mode = PadMode::constant, Scalar value = 0);

}  // namespace hop
