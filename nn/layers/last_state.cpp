#include "nn/layers/last_state.h"

#include "autograd/copy.h"
#include "autograd/view.h"

namespace hop::nn::detail {

Tensor last_state(const Tensor& output, bool is_bidirectional) {
  if (output.dim() != 3) throw ShapeError("[LastState] expected (N, T, input), got one sequence without N");
  const Tensor last = select(output, 1, -1);
  if (!is_bidirectional) return last;
  const std::int64_t hidden = output.size(2) / 2;
  return cat({slice(last, 1, 0, hidden), slice(select(output, 1, 0), 1, hidden, 2 * hidden)}, 1);
}

}  // namespace hop::nn::detail
