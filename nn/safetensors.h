// safetensors: weights in and out of Python. A file is a u64 header length, a JSON header, and the tensors' bytes,
// row-major and little-endian, without holes (github.com/huggingface/safetensors).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "nn/module.h"

namespace hop::nn {

/// Free text beside the tensors, under "__metadata__".
using SafetensorsMetadata = std::map<std::string, std::string>;

struct Safetensors {
  StateDict tensors{};  ///< in the order of their bytes
  SafetensorsMetadata metadata{};
  std::vector<std::string> skipped{};  ///< tensors of an unknown dtype
};

/// The file's bytes. Throws StateError if a name appears twice.
std::vector<std::byte> encode_safetensors(const StateDict& tensors, const SafetensorsMetadata& metadata = {});
/// Reads bytes that are not trusted. F8 tensors are loaded as f32, I8, I16 and U16 as i32, U32 and U64 as i64, all
/// others, F16 and BF16 too, as they are; load_state_dict() converts them to the module's dtypes. Throws StateError
/// naming `where` for a header above 16 MiB, wrong JSON, an unknown dtype (if not `strict`, the tensor is skipped), a
/// size that overflows, a U64 of 2^63 or more, and for tensors that overlap, leave holes or do not cover the data
/// exactly.
Safetensors decode_safetensors(ByteView bytes, const std::string& where, bool strict = true);

/// Writes a temporary file and renames it. If `path` is a pipe or a device, writes to it directly. Throws StateError.
void save_safetensors(const std::filesystem::path& path, const StateDict& tensors,
                      const SafetensorsMetadata& metadata = {});
Safetensors load_safetensors(const std::filesystem::path& path, bool strict = true);

/// A module's state_dict to a file, and back: see Module::load_state_dict.
void save(const Module& module, const std::filesystem::path& path, const SafetensorsMetadata& metadata = {});
LoadReport load(Module& module, const std::filesystem::path& path, bool strict = true);

}  // namespace hop::nn
