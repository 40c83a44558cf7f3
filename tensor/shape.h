// Sizes and strides, stored inline: a tensor has at most 8 dimensions and its shape never touches the heap.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

namespace hop {

inline constexpr int kMaxDims = 8;
/// A tensor has fewer elements than this, so that a distance in bytes fits into 64 bits with a bit to spare.
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 59;

/// a * b and a + b of sizes that come from outside. Throws ShapeError naming `op` where the result passes 64 bits.
std::int64_t checked_mul(std::int64_t a, std::int64_t b, const char* op);
std::int64_t checked_add(std::int64_t a, std::int64_t b, const char* op);

/// A short list of numbers, one per dimension. Base of Shape and Strides, which do not convert into each other.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<std::int64_t> values) : Dims(std::span(values.begin(), values.size())) {}
  /// One number stands for the list of that number, as in PyTorch: sum(x, 1), LayerNorm(64).
  template <std::integral I>
  requires(!std::same_as<I, bool>) Dims(I value) : size_(1) { values_[0] = static_cast<std::int64_t>(value); }
  /// Throws ShapeError for more than kMaxDims values.
  explicit Dims(std::span<const std::int64_t> values);

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t operator[](int i) const { return values_[i]; }
  std::int64_t& operator[](int i) { return values_[i]; }
  std::int64_t back() const { return values_[size_ - 1]; }
  std::int64_t& back() { return values_[size_ - 1]; }
  const std::int64_t* begin() const { return values_; }
  const std::int64_t* end() const { return values_ + size_; }
  std::int64_t* begin() { return values_; }
  std::int64_t* end() { return values_ + size_; }
  operator std::span<const std::int64_t>() const { return {values_, static_cast<std::size_t>(size_)}; }
  /// Throws ShapeError when full.
  void push_back(std::int64_t value);
  void resize(int size, std::int64_t fill = 1);

 protected:
  bool equals(const Dims& other) const;

 private:
  std::int64_t values_[kMaxDims] = {};
  int size_ = 0;
};

class Shape : public Dims {
 public:
  using Dims::Dims;
  bool operator==(const Shape& other) const { return equals(other); }
  /// A shape is compared with a shape: x.shape() == Shape{2}. A number may be meant for the rank, or for one size.
  bool operator==(std::integral auto number) const = delete;
  /// The product of the sizes; 1 for a shape without dimensions. Throws ShapeError for a negative size, and for a
  /// product of kMaxElements or more. A size of 0 counts as 1 in this check, because the strides must fit, too.
  std::int64_t numel() const;
  /// "(8, 1, 28, 28)"
  std::string to_string() const;
};

/// Writes shape.to_string().
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// Distances between neighbours along each dimension, in elements.
class Strides : public Dims {
 public:
  using Dims::Dims;
  bool operator==(const Strides& other) const { return equals(other); }
};

/// Row-major, without gaps. Throws ShapeError as numel() does.
Strides contiguous_strides(const Shape& shape);

/// Turns a dimension of -rank..rank-1 into 0..rank-1; throws IndexError naming `op` otherwise. Rank 0 allows 0 and -1.
int normalize_dim(std::int64_t dim, int rank, const char* op);

/// The broadcast of two shapes by NumPy's rules; throws ShapeError naming `op` and both shapes when there is none.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op);

}  // namespace hop
