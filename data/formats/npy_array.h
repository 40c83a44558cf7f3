// One .npy file of NumPy: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/mapped_file.h"
#include "data/source.h"

namespace hop::data {

/// The elements of a file: '<f4' is kind 'f' of 4 bytes.
struct NpyElement {
  char kind = 'f';  ///< b bool, i signed, u unsigned, f floating
  std::size_t bytes = 4;
  bool swapped = false;  ///< the other byte order than this machine's
  bool operator==(const NpyElement&) const = default;
};

/// The header of a file. Throws DataError for text that is none.
struct NpyHeader {
  NpyElement element{};
  bool fortran_order = false;
  Shape shape{};
};
NpyHeader parse_npy_header(std::string_view text);

/// A mapped array: format versions 1.0 to 3.0, C or Fortran order, bool and all integers and floats of 1 to 8 bytes.
class NpyArray {
 public:
  /// Throws DataError that names the file and what is wrong with it.
  explicit NpyArray(const std::filesystem::path& file);

  const std::filesystem::path& file() const { return mapped_.file(); }
  SourceFile source_file() const { return data::source_file(mapped_); }
  const Shape& shape() const { return header_.shape; }
  std::int64_t rows() const { return header_.shape[0]; }
  Shape row_shape() const;
  const NpyElement& element() const { return header_.element; }
  /// The dtype that holds all values: u1 -> u8, i1 i2 u2 i4 -> i32, u4 i8 u8 -> i64, b1 f2 f4 -> f32, f8 -> f64.
  DType dtype() const;
  /// Copies one row as dtype(), last dimension fastest. Throws DataError for a u8 beyond 2^63 - 1.
  void read(std::int64_t row, MutableByteView to) const;

 private:
  void place_elements();

  MappedFile mapped_;
  NpyHeader header_;
  ByteView elements_;
  std::vector<std::size_t> offsets_;  // of a row's elements, last dimension fastest, from its first element
};

}  // namespace hop::data
