// Tensor: a handle to one shared, counted body (storage, view, autograd slot). A copy of the handle *is* the same
// tensor. Methods speak of data only; mathematics is free functions in kernels/ (no gradients) and autograd/ (with
// gradients).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/intrusive.h"
#include "base/recycled.h"
#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace hop {

struct AutogradSlot;
class Dependencies;
class Indices;

namespace detail {
/// The dependencies of the step that this thread captures (dependencies.h); null if it captures none.
extern constinit thread_local Dependencies* collecting;
}  // namespace detail

class Tensor {
 public:
  Tensor() = default;  ///< an undefined tensor: a call that needs its data throws Error
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;
  /// A result has no name that could stand for another tensor: x[0] = y would write nothing. Write index_put_(x, {0},
  /// y), or copy_(x[0], y) for a view.
  Tensor& operator=(const Tensor&) && = delete;

  /// Uninitialised, contiguous elements. Throws ShapeError for a negative size, MemoryError.
  static Tensor empty(const Shape& shape, DType dtype, Device device = Device::cpu());
  /// A view of `storage`: element (i, j, ..) lies `offset + i * strides[0] + j * strides[1] + ..` elements after its
  /// start. Throws ShapeError when the view would leave the storage.
  static Tensor view(Storage storage, DType dtype, const Shape& shape, const Strides& strides, std::int64_t offset = 0);
  /// Copies `values` in row-major order. Throws ShapeError when the count differs from shape.numel().
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape, Device device = Device::cpu()) {
    return from_bytes(values.data(), values.size(), shape, dtype_of<T>(), device);
  }
  template <class T>
  static Tensor from(std::initializer_list<T> values, const Shape& shape) {
    return from(std::span<const T>(values.begin(), values.size()), shape);
  }
  /// A tensor over memory of the caller, row-major, without a copy: torch::from_blob. `owner` keeps the memory alive
  /// (a vector, a mapped file); it is let go with the last tensor that shares the memory. Without an owner the caller
  /// keeps the memory. Writes in place reach it. Throws ShapeError for a negative size.
  ///   auto values = std::make_shared<std::vector<float>>(6);
  ///   Tensor x = Tensor::from_blob(values->data(), {2, 3}, values);
  template <class T>
  static Tensor from_blob(T* data, const Shape& shape, std::shared_ptr<void> owner = nullptr,
                          Device device = Device::cpu()) {
    const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * sizeof(T);
    return view(Storage::borrow(data, bytes, std::move(owner), device), dtype_of<T>(), shape,
                contiguous_strides(shape));
  }

  bool defined() const { return static_cast<bool>(body_); }
  /// The same body, not equal values.
  bool is_same(const Tensor& other) const { return body_ == other.body_; }
  const void* id() const { return body_.get(); }
  /// The number of handles to this tensor, in all threads; 0 when undefined.
  std::uint32_t use_count() const { return body_.use_count(); }
  /// No other handle, view or graph shares this tensor or its bytes, so they may be reused.
  bool is_unique() const { return body_.use_count() == 1 && body_->storage.is_unique(); }

  const Shape& shape() const { return body().shape; }
  const Strides& strides() const { return body().strides; }
  std::int64_t size(std::int64_t dim) const;  ///< negative dims count from the back; throws IndexError
  int dim() const { return body().shape.size(); }
  std::int64_t numel() const { return body().numel; }
  DType dtype() const { return body().dtype; }
  Device device() const { return body().storage.device(); }
  const Storage& storage() const { return body().storage; }
  std::int64_t storage_offset() const { return body().offset; }  ///< in elements
  bool is_contiguous() const { return body().contiguous; }       ///< row-major without gaps

  /// The first element. Throws DtypeError if T is not this tensor's dtype. No stride is applied.
  template <class T>
  T* data() const {
    check_dtype(dtype_of<T>());
    return reinterpret_cast<T*>(raw_data());
  }
  /// The first element's address, for any dtype; null for a tensor without elements. A captured step depends on every
  /// address that it asks for.
  std::byte* raw_data() const {
    if (detail::collecting != nullptr) [[unlikely]]
      note_address();
    return body().data;
  }
  /// The value of a tensor of one element, converted to T. Throws ShapeError otherwise.
  template <class T>
  T item() const {
    return visit_stored_dtype(dtype(), [this]<class U>(U) {
      U value{};
      read_item(&value);
      return static_cast<T>(value);
    });
  }

  /// x[2], x[Slice(1, 3)], x[mask], x[{0, Slice(1, 3), None, Ellipsis}]: index() of autograd/indexing.h, which must be
  /// included.
  template <class Index = Indices>
  Tensor operator[](const Index& at) const {
    return index(*this, at);
  }

  /// Another view of the same storage and version counter; offset in elements, absolute. Records no gradient.
  Tensor as_strided(const Shape& shape, const Strides& strides, std::int64_t offset) const;
  /// The same data and version counter without an autograd slot.
  Tensor detach() const;
  /// Points this tensor's body, and so every handle to it, at other bytes of the same shape and dtype, contiguous.
  /// Views made before keep the old storage. For moving parameters into a state block. The values are not copied.
  void rebind(Storage storage, std::int64_t offset) const { rebind(std::move(storage), offset, dtype()); }
  /// The same, with bytes of another dtype: this tensor has that dtype from then on. For modules that change theirs.
  void rebind(Storage storage, std::int64_t offset, DType dtype) const;
  /// The same, with the elements in another order: one stride per dimension. Throws ShapeError if they leave `storage`.
  void rebind(Storage storage, std::int64_t offset, DType dtype, const Strides& strides) const;

  std::uint32_t version() const { return body().storage.version(); }
  void bump_version() const {
    if (detail::collecting != nullptr) [[unlikely]]
      note_write();
    body().storage.bump_version();
  }

  /// True for a leaf that wants a gradient and for everything computed from one with gradients enabled.
  bool requires_grad() const;
  /// Throws DtypeError for a tensor that is not floating, AutogradError when a non-leaf is set to false. Returns *this.
  const Tensor& set_requires_grad(bool requires_grad = true) const;
  bool is_leaf() const;
  /// The accumulated gradient; undefined before backward().
  Tensor grad() const;
  void set_grad(const Tensor& grad) const;
  /// Makes a defined gradient zero without touching its bytes. The next backward() overwrites them. If grad() comes
  /// earlier, it clears them first (StateError within the step that is being captured). Throws ShapeError unless the
  /// gradient is contiguous.
  void zero_grad() const;
  /// Null until autograd or requires_grad touches the tensor.
  AutogradSlot* autograd_slot() const { return body().autograd.get(); }
  AutogradSlot& ensure_autograd_slot() const;

  /// "f32 (8, 1, 28, 28) on cpu", for messages.
  std::string describe() const;

 private:
  struct Body : Counted, Recycled<Body> {
    inline Body();  // for tensor.cpp alone
    ~Body();
    std::atomic<std::uint32_t> recordings{0};  // how many of the counted handles belong to recordings
    Storage storage;
    Shape shape;
    Strides strides;
    std::int64_t offset = 0;
    std::int64_t numel = 0;
    std::byte* data = nullptr;
    DType dtype = DType::f32;
    bool contiguous = true;
    std::uint32_t born_in = 0;  // the capture in which it was made; 0: in none
    std::unique_ptr<AutogradSlot> autograd;
    friend class IntrusivePtr<Body>;
  };

  friend class Dependencies;
  friend class HeldTensor;

  [[gnu::cold]] void note_address() const;
  [[gnu::cold]] void note_write() const;
  [[gnu::cold]] void note_requires_grad() const;
  /// Every access goes through here. A null body is a mistake of the caller, and the library throws instead of
  /// crashing.
  Body& body() const {
    if (!body_) [[unlikely]]
      reject_undefined();
    return *body_;
  }
  [[noreturn, gnu::cold]] static void reject_undefined();
  static Tensor from_bytes(const void* values, std::size_t count, const Shape& shape, DType dtype, Device device);
  void check_dtype(DType expected) const;
  void read_item(void* value) const;

  IntrusivePtr<Body> body_;
};

}  // namespace hop
