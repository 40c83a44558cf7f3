// The positions of an index in the order of its values. The order turns a sum with repeated destinations into sums over
// neighbours, with one thread per destination and without floating-point atomics.
#pragma once

#include <cstdint>

#include "kernels/cuda/fault_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

/// keys[s] are the values of an index, ascending; positions[s] is the place of keys[s] in the index. Equal values keep
/// their order.
struct SortedIndex {
  Tensor keys;       ///< (n) i32
  Tensor positions;  ///< (n) i32
};

/// Sorts `index` (n > 0 values, i64, contiguous) on the current stream. A value outside 0 .. size - 1 is reported as
/// `op` and gets the key `size`, so it comes last. Throws ShapeError if n or size is 2^30 or more.
///
/// Up to 4,096 values: sorted by counting, in one kernel. More: a least-significant-digit radix sort (Knuth, TAOCP
/// 5.2.5) by digits of 8 bits, as many passes as `size` has bytes, each of three kernels. Floor: 16 n bytes to make the
/// keys, then 20 n per pass (4 to count, 8 in and 8 out to move).
SortedIndex sort_index(const Tensor& index, std::int64_t size, const char* op);

}  // namespace hop::kernels::cuda
