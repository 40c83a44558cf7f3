// How a copy goes, for copy.cu and for tests that hold it to the fast ways; and copies to and from bf16, which no
// tensor holds: f32 images become what cuDNN multiplies, and its results become images, in one pass that also turns
// them.
#pragma once

#include <cstdint>

#include "kernels/cuda/walk.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

enum class CopyWay : std::uint8_t {
  bytes,     ///< one block of memory: the copy engine, or what the driver thinks best
  packets,   ///< lines of neighbours on both sides: 16 bytes of y per thread
  tiles,     ///< y's lines run across x's: squares through shared memory
  elements,  ///< anything else, and every line that repeats one element of x
};

/// Where the elements of an array lie. Strides in elements, `size` in bytes.
struct ArrayView {
  Shape shape;
  Strides strides;
  std::size_t size;
  std::byte* data;

  ArrayView(const Shape& s, const Strides& t, std::size_t bytes, std::byte* at)
      : shape(s), strides(t), size(bytes), data(at) {}
  ArrayView(const Tensor& x)  // NOLINT(google-explicit-constructor): a tensor is one
      : ArrayView(x.shape(), x.strides(), size_of(x.dtype()), x.raw_data()) {}
};

/// Whether the elements of a copy change their type on the way: if so, there may be no kernel for tiles.
enum class Conversion : std::uint8_t { none, of_elements, of_tiles };

/// A copy y <- x, broadcast to y's shape, of at least one element. Elements are walked in the order of y's memory,
/// whatever its strides: y is operand 0, x operand 1.
struct CopyPlan {
  CopyPlan(const ArrayView& y, const ArrayView& x, Conversion conversion);
  CopyPlan(const Tensor& y, const Tensor& x)
      : CopyPlan(y, x, y.dtype() == x.dtype() ? Conversion::none : Conversion::of_elements) {}

  Steps<2> steps;
  CopyWay way = CopyWay::elements;
  int width = 1;  ///< packets: elements per thread
  int row = -1;   ///< tiles: the dimension along which x's elements are neighbours
};

/// An array of bf16 with its channels innermost, of the shape of an image (N, C, H, W) or of filters (K, C, R, S).
class Bf16Image {
 public:
  /// Uninitialised elements.
  Bf16Image(const Shape& shape, Device device);

  std::byte* data() const { return storage_.data(); }
  ArrayView view() const;

 private:
  Storage storage_;
  Shape shape_;
};

/// y <- x, f32 of any strides, rounded to the nearest (ties to even; a NaN stays one). Equal shapes.
void copy(const Bf16Image& y, const Tensor& x);
/// y, f32 of any strides, <- x.
void copy(const Tensor& y, const Bf16Image& x);

}  // namespace hop::kernels::cuda
