// Pooling is linear once the places of the maxima are known: each gradient's gradient is the pooling itself.
#include "autograd/pool.h"

#include "autograd/batch_internal.h"
#include "autograd/record.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::lacks_batch;
using autograd::record;
using autograd::save;
using autograd::with_batch_of_one;
using autograd::without_batch;

namespace {

Tensor max_gather(const Tensor& x, const Tensor& indices, const Pool2dOptions& options);

Tensor max_scatter(const Tensor& g, const Tensor& indices, const Shape& x_shape, const Pool2dOptions& options) {
  Tensor dx = kernels::max_pool2d_grad(g, indices, x_shape, &options);
  if (!is_recorded(g)) return dx;
  return record("max_pool2d_grad", std::move(dx), {g}, [saved = save(indices), options](BackwardContext& c) {
    c.set(0, max_gather(c.grad(), c.value(saved), options));
  });
}

Tensor max_gather(const Tensor& x, const Tensor& indices, const Pool2dOptions& options) {
  Tensor y = kernels::max_pool2d_gather(x, indices);
  if (!is_recorded(x)) return y;
  return record("max_pool2d_gather", std::move(y), {x},
                [saved = save(indices), shape = x.shape(), options](BackwardContext& c) {
                  c.set(0, max_scatter(c.grad(), c.value(saved), shape, options));
                });
}

Tensor avg_spread(const Tensor& g, const Shape& x_shape, const Pool2dOptions& options) {
  Tensor dx = kernels::avg_pool2d_grad(g, x_shape, options);
  if (!is_recorded(g)) return dx;
  return record("avg_pool2d_grad", std::move(dx), {g},
                [options](BackwardContext& c) { c.set(0, avg_pool2d(c.grad(), options)); });
}

}  // namespace

PooledMaxima max_pool2d_with_indices(const Tensor& x, const Pool2dOptions& options) {
  if (lacks_batch(x, 4)) return without_batch(max_pool2d_with_indices(with_batch_of_one(x), options));
  kernels::MaxPool2dResult result = kernels::max_pool2d(x, options);
  if (!is_recorded(x)) return {std::move(result.y), std::move(result.indices)};
  Tensor y = record("max_pool2d", std::move(result.y), {x},
                    [saved = save(result.indices), shape = x.shape(), options](BackwardContext& c) {
                      c.set(0, max_scatter(c.grad(), c.value(saved), shape, options));
                    });
  return {std::move(y), std::move(result.indices)};
}

Tensor max_pool2d(const Tensor& x, const Pool2dOptions& options) { return max_pool2d_with_indices(x, options).values; }

Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options) {
  if (lacks_batch(x, 4)) return without_batch(avg_pool2d(with_batch_of_one(x), options));
  Tensor y = kernels::avg_pool2d(x, options);
  if (!is_recorded(x)) return y;
  return record("avg_pool2d", std::move(y), {x},
                [options, shape = x.shape()](BackwardContext& c) { c.set(0, avg_spread(c.grad(), shape, options)); });
}

}  // namespace hop
