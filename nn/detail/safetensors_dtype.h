// The dtypes of a safetensors file, and the dtype in which each is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "tensor/dtype.h"

namespace hop::nn::detail {

/// A dtype as a file names it. Those that we have are loaded as they are, the others in the smallest of ours that holds
/// every value: F16, BF16 and the F8s in f32, I8, I16 and U16 in i32, U32 and U64 in i64.
struct FileDType {
  std::string_view text;  ///< "BF16"
  std::size_t bytes;      ///< of an element in the file
  DType dtype;            ///< of the tensor that is loaded
  bool is_ours;           ///< the dtype that `dtype` is written as
  /// Writes `count` elements of `from` as elements of `dtype` to `to`. False at a value that `dtype` doesn't hold (a
  /// U64 of 2^63 or more).
  bool (*load)(const std::byte* from, std::int64_t count, std::byte* to);
};

/// The row of the table; nothing for a name that is not in it.
const FileDType* find_file_dtype(std::string_view text);
/// What a tensor of ours is written as.
const FileDType& file_dtype_of(DType dtype);
/// "F32, F64, ..": the names of the table, for messages.
std::string file_dtype_names();

}  // namespace hop::nn::detail
