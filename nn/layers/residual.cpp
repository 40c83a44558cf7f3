#include "nn/layers/residual.h"

#include "autograd/elementwise.h"
#include "base/error.h"

namespace hop::nn {

Residual::Residual(const Sequential& inner, const std::optional<Sequential>& beside)
    : body(register_module("body", inner)) {
  if (beside) shortcut.emplace(register_module("shortcut", *beside));
}

Tensor Residual::forward(const Tensor& x) {
  const Tensor y = body(x);
  const Tensor z = shortcut ? (*shortcut)(x) : x;
  if (y.shape() == z.shape()) return y + z;
  throw ShapeError("[Residual] expected one shape of the body and of the shortcut, got " + y.shape().to_string() +
                   " and " + z.shape().to_string());
}

}  // namespace hop::nn
