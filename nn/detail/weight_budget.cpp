#include "nn/detail/weight_budget.h"

#include <limits>
#include <string>
#include <utility>

#include "base/error.h"
#include "kernels/copy.h"
#include "nn/detail/layer.h"

namespace hop::nn::detail {
namespace {

thread_local WeightBudget* present = nullptr;

}  // namespace

WeightBudget::WeightBudget(std::uint64_t bytes) : bytes_(bytes), left_(bytes), outer_(std::exchange(present, this)) {}

WeightBudget::~WeightBudget() { present = outer_; }

void WeightBudget::take(std::uint64_t bytes) {
  if (present == nullptr) return;
  if (bytes > present->left_) {
    throw ConfigError("[model] expected a description of at most " + std::to_string(present->bytes_) +
                      " bytes of weights, by the tensors of the file, got one of more");
  }
  present->left_ -= bytes;
}

Tensor fresh_weight(const Shape& shape, DType dtype) {
  return filled_weight(shape, std::numeric_limits<double>::quiet_NaN(), dtype);
}

Tensor filled_weight(const Shape& shape, double value, DType dtype) {
  WeightBudget::take(static_cast<std::uint64_t>(shape.numel()) * size_of(dtype));
  return kernels::full(shape, value, dtype);
}

}  // namespace hop::nn::detail
