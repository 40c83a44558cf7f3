#include "tensor/gradient.h"

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "base/error.h"
#include "tensor/backend.h"
#include "tensor/dependencies.h"

namespace hop {

const Tensor& Gradient::value() {
  if (!stale_) return tensor_;
  if (const Dependencies* step = Dependencies::current(); step != nullptr && zeroed_in_ == step->serial()) {
    throw StateError("[grad] values cannot go to or from the host while a step is captured");
  }
  stale_ = false;
  if (tensor_.numel() != 0) {
    backend(tensor_.device())
        .zero(tensor_.raw_data(), static_cast<std::size_t>(tensor_.numel()) * size_of(tensor_.dtype()));
  }
  return tensor_;
}

const Tensor& Gradient::sum_start() {
  if (!stale_ || !tensor_.device().is_cpu()) return value();
  stale_ = false;
  visit_stored_dtype(tensor_.dtype(), [this]<class T>(T) {
    if constexpr (std::is_floating_point_v<T> || is_half_type<T>)
      std::fill_n(tensor_.data<T>(), tensor_.numel(), T(-0.0));
  });
  return tensor_;
}

bool Gradient::is_overwritable() const {
  const Dependencies* step = Dependencies::current();
  return stale_ && (step == nullptr || zeroed_in_ == step->serial());
}

void Gradient::set(Tensor tensor) {
  tensor_ = std::move(tensor);
  given_ = tensor_.defined();
  stale_ = false;
}

void Gradient::mark_given() {
  given_ = true;
  stale_ = false;
}

void Gradient::zero() {
  if (!tensor_.defined()) return;
  if (!tensor_.is_contiguous())
    throw ShapeError("[zero_grad] expected a contiguous gradient, got " + tensor_.describe());
  const Dependencies* step = Dependencies::current();
  stale_ = true;
  given_ = false;
  zeroed_in_ = step == nullptr ? 0 : step->serial();
  tensor_.bump_version();
  zero_version_ = tensor_.version();
}

void Gradient::move_to(Tensor place) {
  given_ = is_given();
  tensor_ = std::move(place);
  zero_version_ = tensor_.version();
}

void Gradient::restore(const Tensor& tensor, bool given, bool stale) {
  if (!tensor_.defined() || !tensor_.is_same(tensor)) tensor_ = tensor;
  given_ = given;
  stale_ = stale;
  zeroed_in_ = 0;
  if (!given && tensor_.defined()) zero_version_ = tensor_.version();
}

}  // namespace hop
