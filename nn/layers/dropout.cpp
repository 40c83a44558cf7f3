#include "nn/layers/dropout.h"

#include "autograd/dropout.h"
#include "base/error.h"
#include "base/words.h"
#include "nn/detail/text.h"

namespace hop::nn {

Dropout::Dropout(double p) : p_(p) {
  if (!(p >= 0 && p <= 1)) {
    throw ConfigError("[Dropout] expected a probability in 0..1, got " + shortest(p));
  }
}

Tensor Dropout::forward(const Tensor& x) {
  if (!is_training() || p_ == 0) return x;
  return dropout(x, p_, next_random());
}

std::string Dropout::extra_repr() const { return "p=" + shortest(p_); }

}  // namespace hop::nn
