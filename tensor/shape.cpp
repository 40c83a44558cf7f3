#include "tensor/shape.h"

#include <algorithm>
#include <ostream>

#include "base/error.h"

namespace hop {

Dims::Dims(std::span<const std::int64_t> values) {
  if (values.size() > static_cast<std::size_t>(kMaxDims)) {
    throw ShapeError("[shape] expected at most " + std::to_string(kMaxDims) + " dimensions, got " +
                     std::to_string(values.size()));
  }
  std::copy(values.begin(), values.end(), values_);
  size_ = static_cast<int>(values.size());
}

void Dims::push_back(std::int64_t value) {
  if (size_ == kMaxDims)
    throw ShapeError("[shape] expected at most " + std::to_string(kMaxDims) + " dimensions, got more");
  values_[size_++] = value;
}

void Dims::resize(int size, std::int64_t fill) {
  if (size < 0 || size > kMaxDims) {
    throw ShapeError("[shape] expected 0 to " + std::to_string(kMaxDims) + " dimensions, got " + std::to_string(size));
  }
  for (int i = size_; i < size; ++i) values_[i] = fill;
  size_ = size;
}

bool Dims::equals(const Dims& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

std::int64_t checked_mul(std::int64_t a, std::int64_t b, const char* op) {
  std::int64_t result = 0;
  if (!__builtin_mul_overflow(a, b, &result)) return result;
  throw ShapeError("[" + std::string(op) + "] expected sizes whose product fits into 64 bits, got " +
                   std::to_string(a) + " * " + std::to_string(b));
}

std::int64_t checked_add(std::int64_t a, std::int64_t b, const char* op) {
  std::int64_t result = 0;
  if (!__builtin_add_overflow(a, b, &result)) return result;
  throw ShapeError("[" + std::string(op) + "] expected sizes whose sum fits into 64 bits, got " + std::to_string(a) +
                   " + " + std::to_string(b));
}

namespace {

[[noreturn, gnu::cold]] void reject_sizes(const Shape& shape) {
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t size) { return size < 0; }))
    throw ShapeError("[tensor] expected sizes of at least 0, got shape " + shape.to_string());
  throw ShapeError("[tensor] expected fewer than 2^59 elements, got shape " + shape.to_string());
}

}  // namespace

std::int64_t Shape::numel() const {
  std::int64_t n = 1;
  bool empty = false;
  for (const std::int64_t size : *this) {
    if (size < 0) reject_sizes(*this);
    if (size == 0)
      empty = true;
    else if (__builtin_mul_overflow(n, size, &n) || n >= kMaxElements)
      reject_sizes(*this);
  }
  return empty ? 0 : n;
}

std::string Shape::to_string() const {
  std::string text = "(";
  for (int i = 0; i < size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string((*this)[i]);
  return text + ")";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.to_string(); }

Strides contiguous_strides(const Shape& shape) {
  Strides strides;
  strides.resize(shape.size());
  std::int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[i] = step;
    if (__builtin_mul_overflow(step, std::max<std::int64_t>(shape[i], 1), &step)) reject_sizes(shape);
  }
  return strides;
}

int normalize_dim(std::int64_t dim, int rank, const char* op) {
  const std::int64_t range = std::max(rank, 1);
  if (dim < -range || dim >= range) {
    throw IndexError("[" + std::string(op) + "] expected a dimension in " + std::to_string(-range) + ".." +
                     std::to_string(range - 1) + ", got " + std::to_string(dim));
  }
  return static_cast<int>(dim < 0 ? dim + range : dim);
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape result = longer;
  const int offset = longer.size() - shorter.size();
  for (int i = 0; i < shorter.size(); ++i) {
    std::int64_t& size = result[i + offset];
    if (size == shorter[i] || shorter[i] == 1) continue;
    if (size != 1) {
      throw ShapeError("[" + std::string(op) + "] shapes " + a.to_string() + " and " + b.to_string() +
                       " do not broadcast");
    }
    size = shorter[i];
  }
  return result;
}

}  // namespace hop
