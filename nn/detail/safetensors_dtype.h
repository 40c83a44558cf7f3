// The dtypes of a safetensors file, and the dtype in which each is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "tensor/dtype.h"

namespace hop::nn::detail {

/// A dtype of a file. Dtypes that we have are loaded unchanged. Others are loaded in the smallest of ours that holds
/// every value: the F8s in f32, I8, I16 and U16 in i32, U32 and U64 in i64.
struct FileDType {
  std::string_view text;  ///< "F16"
  std::size_t bytes;      ///< of an element in the file
  DType dtype;            ///< of the tensor that is loaded
  bool is_ours;           ///< whether `dtype` is written in this dtype
  /// Writes `count` elements of `from` as elements of `dtype` to `to`. False at a value that `dtype` doesn't hold (a
  /// U64 of 2^63 or more).
  bool (*load)(const std::byte* from, std::int64_t count, std::byte* to);
};

/// The row of the table; null for a name that is not in it.
const FileDType* find_file_dtype(std::string_view text);
/// The file's dtype for a tensor of `dtype`.
const FileDType& file_dtype_of(DType dtype);
/// "F32, F64, ..": the names of the table, for messages.
std::string file_dtype_names();

}  // namespace hop::nn::detail
