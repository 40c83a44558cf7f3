#include "hopper/detail/late_gradients.h"

#include <utility>

#include "kernels/copy.h"

namespace hop::hopper {

bool LateGradients::swap(const Tensor& block) {
  if (places_.empty()) {
    for (std::uint32_t i = 0; i < steps_; ++i)
      places_.push_back(Tensor::empty(block.shape(), block.dtype(), block.device()));
    spare_ = Tensor::empty(block.shape(), block.dtype(), block.device());
  }
  if (waiting_ < steps_) {
    kernels::copy_(places_[(first_ + waiting_++) % steps_], block);
    return false;
  }
  kernels::copy_(spare_, block);
  kernels::copy_(block, places_[first_]);
  std::swap(spare_, places_[first_]);
  first_ = (first_ + 1) % steps_;
  return true;
}

bool LateGradients::take(const Tensor& block) {
  if (waiting_ == 0) return false;
  kernels::copy_(block, places_[first_]);
  first_ = (first_ + 1) % steps_;
  --waiting_;
  return true;
}

}  // namespace hop::hopper
