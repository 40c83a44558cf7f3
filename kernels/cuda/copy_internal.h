// The ways of a copy, for copy.cu and for tests that insist on the fast ways. Also copies to and from images
// in bf16 and f16 with channels last: they convert f32 images to cuDNN's operands, and cuDNN's results to images, in
// one pass that also changes the layout.
#pragma once

#include <cstdint>

#include "kernels/cuda/walk.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

enum class CopyWay : std::uint8_t {
  bytes,     ///< one block of memory: the driver chooses, for example the copy engine
  packets,   ///< lines of neighbours on both sides: 16 bytes of y per thread
  tiles,     ///< y's lines run across x's: squares through shared memory
  elements,  ///< any other copy, and lines that repeat one element of x
};

/// The places of an array's elements. Strides in elements, `size` in bytes.
struct ArrayView {
  Shape shape;
  Strides strides;
  std::size_t size;
  std::byte* data;

  ArrayView(const Shape& s, const Strides& t, std::size_t bytes, std::byte* at)
      : shape(s), strides(t), size(bytes), data(at) {}
  ArrayView(const Tensor& x)  // NOLINT(google-explicit-constructor): a tensor is a view
      : ArrayView(x.shape(), x.strides(), size_of(x.dtype()), x.raw_data()) {}
};

/// Whether elements change their type on the way. Some conversions have no kernel for tiles.
enum class Conversion : std::uint8_t { none, of_elements, of_tiles };

/// A copy y <- x, broadcast to y's shape, of at least one element. Elements are walked in the order of y's memory. y is
/// operand 0, x operand 1.
struct CopyPlan {
  CopyPlan(const ArrayView& y, const ArrayView& x, Conversion conversion);
  CopyPlan(const Tensor& y, const Tensor& x)
      : CopyPlan(y, x, y.dtype() == x.dtype() ? Conversion::none : Conversion::of_elements) {}

  Steps<2> steps;
  CopyWay way = CopyWay::elements;
  int width = 1;  ///< packets: elements per thread
  int row = -1;   ///< tiles: the dimension along which x's elements are neighbours
};

/// An array of bf16 or f16 with its channels innermost, of the shape of an image (N, C, H, W) or of filters (K, C, R,
/// S).
class HalfImage {
 public:
  /// Uninitialised elements.
  HalfImage(const Shape& shape, DType dtype, Device device);

  std::byte* data() const { return storage_.data(); }
  DType dtype() const { return dtype_; }
  ArrayView view() const;

 private:
  Storage storage_;
  Shape shape_;
  DType dtype_;
};

/// y <- x, f32 of any strides, rounded to the nearest (ties to even; a NaN stays one; beyond the range of f16
/// infinite). Equal shapes.
void copy(const HalfImage& y, const Tensor& x);
/// y, f32 of any strides, <- x.
void copy(const Tensor& y, const HalfImage& x);

}  // namespace hop::kernels::cuda
