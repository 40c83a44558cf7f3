#include "tensor/tensor.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "tensor/autograd_slot.h"
#include "tensor/backend.h"
#include "tensor/dependencies.h"
#include "tensor/memory_pool.h"

namespace hop {
namespace {

// Dimensions of size 1 may have any stride; a tensor without elements is contiguous.
bool is_row_major(const Shape& shape, const Strides& strides, std::int64_t numel) {
  if (numel == 0) return true;
  std::int64_t expected = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

/// Throws unless the view stays inside the storage; returns its number of elements. A view without elements may lie
/// anywhere.
std::int64_t check_inside(const Storage& storage, DType dtype, const Shape& shape, const Strides& strides,
                          std::int64_t offset) {
  if (shape.size() != strides.size()) throw ShapeError("[view] shape and strides differ in length");
  const std::int64_t numel = shape.numel();
  if (numel == 0) return 0;
  const auto elements = static_cast<std::int64_t>(storage.size() / size_of(dtype));
  std::int64_t first = offset;
  std::int64_t last = offset;
  for (int i = 0; i < shape.size(); ++i) {
    const std::int64_t reach = checked_mul(shape[i] - 1, strides[i], "view");
    std::int64_t& end = reach < 0 ? first : last;
    end = checked_add(end, reach, "view");
  }
  if (first < 0 || last >= elements) {
    throw ShapeError("[view] shape " + shape.to_string() + " at offset " + std::to_string(offset) +
                     " reaches elements " + std::to_string(first) + ".." + std::to_string(last) + " of a storage of " +
                     std::to_string(elements));
  }
  return numel;
}

// Host access throws while a step is captured, because a replay would not read or write the value again.
void check_host_access(const char* op, Device device) {
  const Dependencies* const step = Dependencies::current();
  if (step == nullptr || step->device() != device) return;
  throw StateError("[" + std::string(op) + "] values cannot go to or from the host while a step is captured");
}

}  // namespace

constinit thread_local Dependencies* detail::collecting = nullptr;

inline Tensor::Body::Body() {
  if (detail::collecting != nullptr) [[unlikely]]
    born_in = detail::collecting->serial();
}
Tensor::Body::~Body() = default;

void Tensor::note_address() const { detail::collecting->add_address(*this); }
void Tensor::note_write() const { detail::collecting->add_write(*this); }
void Tensor::note_requires_grad() const { detail::collecting->add_requires_grad(*this); }
void Tensor::reject_undefined() { throw Error("[tensor] expected a tensor, got an undefined one"); }

Tensor Tensor::view(Storage storage, DType dtype, const Shape& shape, const Strides& strides, std::int64_t offset) {
  const std::int64_t numel = check_inside(storage, dtype, shape, strides, offset);
  Tensor t;
  t.body_ = IntrusivePtr<Body>(new Body);
  Body& b = *t.body_;
  b.storage = std::move(storage);
  b.shape = shape;
  b.strides = strides;
  b.offset = offset;
  b.numel = numel;
  b.dtype = dtype;
  b.contiguous = is_row_major(shape, strides, numel);
  std::byte* start = b.storage.data();
  b.data = start == nullptr || numel == 0 ? start : start + offset * static_cast<std::int64_t>(size_of(dtype));
  return t;
}

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  const std::int64_t n = shape.numel();
  Tensor t;
  t.body_ = IntrusivePtr<Body>(new Body);
  Body& b = *t.body_;
  b.storage = Storage(static_cast<std::size_t>(n) * size_of(dtype), device);
  b.shape = shape;
  b.strides = contiguous_strides(shape);
  b.numel = n;
  b.data = b.storage.data();
  b.dtype = dtype;
  return t;
}

Tensor Tensor::from_bytes(const void* values, std::size_t count, const Shape& shape, DType dtype, Device device) {
  check_host_access("tensor", device);
  Tensor t = empty(shape, dtype, device);
  if (static_cast<std::int64_t>(count) != t.numel()) {
    throw ShapeError("[tensor] expected " + std::to_string(t.numel()) + " values for shape " + shape.to_string() +
                     ", got " + std::to_string(count));
  }
  if (count != 0) backend(device).copy(t.raw_data(), values, count * size_of(dtype));
  return t;
}

std::int64_t Tensor::size(std::int64_t d) const { return shape()[normalize_dim(d, dim(), "size")]; }

Tensor Tensor::as_strided(const Shape& shape, const Strides& strides, std::int64_t offset) const {
  if (detail::collecting != nullptr) note_address();  // the view's address is this tensor's
  return view(body().storage, body().dtype, shape, strides, offset);
}

// Each recorded operation that saves its result takes an alias of it, so nothing is checked again: not by as_strided().
Tensor Tensor::detach() const {
  const Body& mine = body();
  if (detail::collecting != nullptr) note_address();
  Tensor t;
  t.body_ = IntrusivePtr<Body>(new Body);
  Body& b = *t.body_;
  b.storage = mine.storage;
  b.shape = mine.shape;
  b.strides = mine.strides;
  b.offset = mine.offset;
  b.numel = mine.numel;
  b.data = mine.data;
  b.dtype = mine.dtype;
  b.contiguous = mine.contiguous;
  return t;
}

void Tensor::rebind(Storage storage, std::int64_t offset, DType dtype) const {
  rebind(std::move(storage), offset, dtype, contiguous_strides(shape()));
}

void Tensor::rebind(Storage storage, std::int64_t offset, DType dtype, const Strides& strides) const {
  check_inside(storage, dtype, shape(), strides, offset);
  Body& b = body();
  b.dtype = dtype;
  b.data = storage.data() + offset * static_cast<std::int64_t>(size_of(b.dtype));
  if (b.storage && b.storage.is_state()) storage.mark_state();
  b.storage = std::move(storage);
  b.strides = strides;
  b.offset = offset;
  b.contiguous = is_row_major(b.shape, strides, b.numel);
}

bool Tensor::requires_grad() const {
  if (detail::collecting != nullptr) [[unlikely]]
    note_requires_grad();
  const AutogradSlot* slot = autograd_slot();
  return slot != nullptr && (slot->requires_grad || slot->grad_fn != nullptr);
}

const Tensor& Tensor::set_requires_grad(bool requires_grad) const {
  if (requires_grad && !is_floating(dtype())) {
    throw DtypeError("[requires_grad] only floating tensors have gradients, got " + describe());
  }
  if (!is_leaf()) {
    if (!requires_grad)
      throw AutogradError("[requires_grad] only a leaf can stop requiring a gradient; detach() instead");
    return *this;
  }
  if (requires_grad || autograd_slot() != nullptr) ensure_autograd_slot().requires_grad = requires_grad;
  return *this;
}

bool Tensor::is_leaf() const { return autograd_slot() == nullptr || autograd_slot()->grad_fn == nullptr; }

Tensor Tensor::grad() const {
  AutogradSlot* slot = autograd_slot();
  if (slot == nullptr) return {};
  if (detail::collecting != nullptr) detail::collecting->add_gradient(*this, GradientUse::read);
  return slot->gradient.value();
}

// A gradient of another shape would be stretched over the parameter by the next operation that broadcasts.
void Tensor::set_grad(const Tensor& grad) const {
  if (grad.defined()) {
    const auto wrong = [&] { return "[set_grad] expected a gradient for " + describe() + ", got " + grad.describe(); };
    if (!(grad.shape() == shape())) throw ShapeError(wrong());
    if (grad.dtype() != dtype()) throw DtypeError(wrong());
    if (grad.device() != device()) throw DeviceError(wrong());
  }
  AutogradSlot& slot = ensure_autograd_slot();
  if (detail::collecting != nullptr) detail::collecting->add_gradient(*this, GradientUse::replaced);
  slot.gradient.set(grad);
}

void Tensor::zero_grad() const {
  AutogradSlot* slot = autograd_slot();
  if (slot == nullptr) return;
  if (detail::collecting != nullptr) detail::collecting->add_gradient(*this, GradientUse::zeroed);
  slot->gradient.zero();
}

AutogradSlot& Tensor::ensure_autograd_slot() const {
  if (!body().autograd) body().autograd = std::make_unique<AutogradSlot>();
  return *body().autograd;
}

std::string Tensor::describe() const {
  if (!defined()) return "undefined";
  return std::string(name(dtype())) + " " + shape().to_string() + " on " + device().to_string();
}

void Tensor::check_dtype(DType expected) const {
  if (dtype() != expected) {
    throw DtypeError("[data] expected " + std::string(name(expected)) + ", got " + describe());
  }
}

void Tensor::read_item(void* value) const {
  check_host_access("item", device());
  if (numel() != 1) throw ShapeError("[item] expected one element, got " + describe());
  backend(device()).copy(value, raw_data(), size_of(dtype()));
}

}  // namespace hop
