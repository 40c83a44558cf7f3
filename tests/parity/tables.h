// Our functions, by their names, over the arguments of a sample. The arguments have the names that the script's
// signatures say, which are PyTorch's.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/pool_nd.h"
#include "tests/parity/arguments.h"

namespace hop::parity {

inline std::vector<Tensor> results(Tensor y) { return {std::move(y)}; }
inline std::vector<Tensor> results(std::vector<Tensor> y) { return y; }

/// What `forward` makes of the module in PyTorch's state.
template <class M, class F>
std::vector<Tensor> run(const Arguments& a, M module, const F& forward) {
  a.load(module);
  return results(forward(module));
}
template <class M>
std::vector<Tensor> run(const Arguments& a, M module) {
  return run(a, module, [&](M& m) { return m(a["input"]); });
}

struct Row {
  template <class F>
  Row(std::string row_name, F f) : name(std::move(row_name)), call([f](const Arguments& a) { return results(f(a)); }) {}

  std::string name;
  std::function<std::vector<Tensor>(const Arguments&)> call;
};
using Rows = std::vector<Row>;

/// The values of a pooling, and their places if return_indices asks for them.
inline std::vector<Tensor> maxima(const Arguments& a, const PooledMaxima& y) {
  if (a.flag("return_indices", false)) return {y.values, y.indices};
  return {y.values};
}

/// The sizes of an adaptive pooling to N sizes: one for all, or a list, in which PyTorch's None keeps a size.
template <std::size_t N>
std::array<std::int64_t, N> kept_sizes(const Arguments& a, const std::string& name) {
  std::array<std::int64_t, N> all{};
  const std::vector<std::int64_t> list = a.integers(name, kKeepSize);
  all.fill(list.empty() ? kKeepSize : list.front());
  if (list.size() == N) std::copy(list.begin(), list.end(), all.begin());
  return all;
}

Rows elementwise_rows();      ///< kernels/elementwise.def, and the functions that are made of its rows
Rows operation_rows();        ///< shapes, new tensors, reductions, products
Rows position_rows();         ///< reading and writing at positions, sorting, counting
Rows image_rows();            ///< convolutions, pooling, norms, other sizes
Rows fractional_pool_rows();  ///< functions and layers
Rows loss_rows();             ///< the losses of autograd/
Rows layer_rows();            ///< the classes of nn/layers, "nn.Linear"
Rows image_layer_rows();      ///< those of images, sequences and volumes, "nn.Conv2d"
Rows loss_object_rows();      ///< the losses of nn/loss_objects.h, "nn.MSELoss"

}  // namespace hop::parity
