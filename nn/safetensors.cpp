#include "nn/safetensors.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "kernels/copy.h"
#include "nn/detail/checked_bytes.h"
#include "nn/detail/file.h"
#include "nn/detail/safetensors_dtype.h"

namespace hop::nn {
namespace {

using Json = nlohmann::json;  // sorted keys: a hostile header of many keys costs n log n

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as in the library of Hugging Face
constexpr std::size_t kLengthBytes = sizeof(std::uint64_t);
constexpr int kMaxJsonDepth = 4;  // {"name": {"shape": [..]}}

// One entry of the header: bytes begin..end of the data.
struct Entry {
  std::string name;
  const detail::FileDType* dtype;  // null: unknown
  std::string dtype_text;
  Shape shape;
  std::uint64_t begin;
  std::uint64_t end;
};

[[noreturn]] void reject(const std::string& what, const std::string& where) {
  throw StateError("[safetensors] expected " + what + " (" + where + ")");
}

[[noreturn]] void reject_dtype(const Entry& entry, const std::string& where) {
  reject("one of the dtypes " + detail::file_dtype_names() + " for tensor \"" + entry.name.substr(0, 128) + "\", got " +
             entry.dtype_text + "; strict = false skips it",
         where);
}

// torch.save() writes a zip archive; older versions wrote a pickle. Both begin with bytes that would be a huge header
// length.
void reject_pytorch(ByteView bytes, const std::string& where) {
  const std::string_view start = as_text(bytes.first(std::min<std::size_t>(bytes.size(), 4)));
  if (!start.starts_with("PK\x03\x04") && !start.starts_with("\x80\x02\x8a\x0a")) return;
  // Copies, because save_file() takes no tensors that share memory, as tied weights do, and no views.
  reject("a safetensors file, got what torch.save() writes; in Python: import torch, safetensors.torch; " +
             std::string("safetensors.torch.save_file({k: v.clone().contiguous() for k, v in torch.load(\"") +
             std::filesystem::path(where).filename().string() +
             "\", weights_only=True).items()}, \"model.safetensors\")",
         where);
}

std::uint64_t read_number(const Json& value, const std::string& where) {
  if (!value.is_number_unsigned()) reject("a whole number of at least 0, got " + value.dump().substr(0, 32), where);
  return value.get<std::uint64_t>();
}

Shape read_shape(const Json& value, const std::string& where) {
  if (!value.is_array() || value.size() > kMaxDims) reject("a shape of at most 8 sizes", where);
  Shape shape;
  for (const Json& size : value) {
    const std::uint64_t n = read_number(size, where);
    if (n >> 62 != 0) reject("sizes below 2^62, got " + std::to_string(n), where);
    shape.push_back(static_cast<std::int64_t>(n));
  }
  return shape;
}

Entry read_entry(const std::string& name, const Json& value, const std::string& file) {
  const std::string where = "tensor \"" + name.substr(0, 128) + "\", " + file;
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets")) {
    reject("dtype, shape and data_offsets", where);
  }
  const Json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) reject("two data_offsets", where);
  const std::string dtype = value["dtype"].is_string() ? value["dtype"].get<std::string>() : value["dtype"].dump();
  Entry entry{name,
              detail::find_file_dtype(dtype),
              dtype.substr(0, 32),
              read_shape(value["shape"], where),
              read_number(offsets[0], where),
              read_number(offsets[1], where)};
  const std::string got = ", got offsets " + std::to_string(entry.begin) + ".." + std::to_string(entry.end);
  if (entry.begin > entry.end) reject("data_offsets in order" + got, where);
  if (entry.dtype == nullptr) return entry;  // of unknown size
  const std::optional<std::uint64_t> bytes =
      detail::checked_bytes(std::span(entry.shape.begin(), entry.shape.end()), entry.dtype->bytes);
  if (!bytes) reject("fewer than 2^59 elements, got shape " + entry.shape.to_string(), where);
  if (entry.end - entry.begin != *bytes) {
    reject(std::to_string(*bytes) + " bytes for shape " + entry.shape.to_string() + got, where);
  }
  return entry;
}

// Parses with no deeper recursion than the format needs. Refuses a key that appears twice, because readers would
// disagree about its value.
Json parse_header(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;
  bool valid = true;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxJsonDepth) throw StateError("[safetensors] expected a flat header (" + where + ")");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) valid = keys.back().insert(value.get<std::string>()).second && valid;
    return true;
  };
  Json header = Json::parse(text, check, /*allow_exceptions=*/false);
  if (!valid) reject("each name once in the header", where);
  if (header.is_discarded() || !header.is_object()) reject("a JSON object as header", where);
  return header;
}

SafetensorsMetadata read_metadata(const Json& value, const std::string& where) {
  if (value.is_null()) return {};  // some writers write null for "none"
  if (!value.is_object()) reject("an object of texts as __metadata__", where);
  SafetensorsMetadata metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) reject("texts in __metadata__", where);
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

// Sorts tensors by the places of their bytes, and checks that they cover the data exactly: no overlap, no hole, no
// rest.
void check_cover(std::vector<Entry>& entries, std::uint64_t data_bytes, const std::string& where) {
  std::ranges::stable_sort(
      entries, [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end) {
      reject("tensor \"" + entry.name + "\" to start at byte " + std::to_string(end) + " of the data, got " +
                 std::to_string(entry.begin),
             where);
    }
    end = entry.end;
  }
  if (end != data_bytes) {
    reject(std::to_string(end) + " bytes of data, got " + std::to_string(data_bytes), where);
  }
}

std::string dump(const Json& header) {
  try {
    return header.dump();
  } catch (const Json::exception&) {
    throw StateError("[safetensors] expected names and metadata in UTF-8");
  }
}

// The JSON header, padded with spaces so that the data starts on a multiple of 8 bytes (as the reference writer does).
std::string header_text(const StateDict& tensors, const SafetensorsMetadata& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const NamedTensor& entry : tensors) {
    if (!entry.tensor.defined())
      throw StateError("[safetensors] expected a tensor for \"" + entry.name + "\", got an undefined one");
    if (entry.name == "__metadata__" || header.contains(entry.name)) {
      throw StateError("[safetensors] expected each name once, got \"" + entry.name + "\" again");
    }
    const Tensor& t = entry.tensor;
    const std::uint64_t bytes = static_cast<std::uint64_t>(t.numel()) * size_of(t.dtype());
    header[entry.name] = {{"dtype", detail::file_dtype_of(t.dtype()).text},
                          {"shape", std::vector<std::int64_t>(t.shape().begin(), t.shape().end())},
                          {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = dump(header);
  text.resize(align_up(text.size(), 8), ' ');
  if (text.size() > kMaxHeaderBytes) {  // nobody could read the file
    throw StateError("[safetensors] expected a header of at most 100,000,000 bytes, got " +
                     std::to_string(text.size()) + " bytes of names, shapes and metadata");
  }
  return text;
}

}  // namespace

std::vector<std::byte> encode_safetensors(const StateDict& given, const SafetensorsMetadata& metadata) {
  // Wide elements first, like the reference writer, so that every tensor starts on a multiple of its element size.
  StateDict tensors = given;
  std::ranges::stable_sort(tensors, std::greater<>(),
                           [](const NamedTensor& t) { return t.tensor.defined() ? size_of(t.tensor.dtype()) : 0; });
  const std::string header = header_text(tensors, metadata);
  const std::uint64_t length = header.size();
  std::vector<std::byte> bytes(kLengthBytes);
  std::memcpy(bytes.data(), &length, kLengthBytes);
  const auto append = [&bytes](ByteView part) { bytes.insert(bytes.end(), part.begin(), part.end()); };
  append(as_bytes(header));
  for (const NamedTensor& entry : tensors) {
    const Tensor t = kernels::contiguous(entry.tensor);
    append({t.raw_data(), static_cast<std::size_t>(t.numel()) * size_of(t.dtype())});
  }
  return bytes;
}

Safetensors decode_safetensors(ByteView bytes, const std::string& where, bool strict) {
  reject_pytorch(bytes, where);
  if (bytes.size() < kLengthBytes) reject("a header length of 8 bytes, got " + std::to_string(bytes.size()), where);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  const ByteView rest = bytes.subspan(kLengthBytes);
  if (length > kMaxHeaderBytes)
    reject("a header of at most 100,000,000 bytes, got " + std::to_string(length) + " bytes", where);
  if (length > rest.size()) {
    reject("a header of " + std::to_string(length) + " bytes, got " + std::to_string(rest.size()), where);
  }
  const ByteView data = rest.subspan(length);

  Safetensors file;
  std::vector<Entry> entries;
  const Json header = parse_header(as_text(rest.first(length)), where);
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__")
      file.metadata = read_metadata(value, where);
    else
      entries.push_back(read_entry(key, value, where));
  }
  check_cover(entries, data.size(), where);
  for (const Entry& entry : entries) {
    if (entry.dtype == nullptr) {
      if (strict) reject_dtype(entry, where);
      file.skipped.push_back(entry.name);
      continue;
    }
    const Tensor t = Tensor::empty(entry.shape, entry.dtype->dtype);
    if (!entry.dtype->load(data.data() + entry.begin, t.numel(), t.raw_data())) {
      reject("values of tensor \"" + entry.name + "\" (" + entry.dtype_text + ") that fit into " +
                 std::string(name(t.dtype())),
             where);
    }
    file.tensors.push_back({entry.name, t});
  }
  return file;
}

void save_safetensors(const std::filesystem::path& path, const StateDict& tensors,
                      const SafetensorsMetadata& metadata) {
  write_output(path, encode_safetensors(tensors, metadata), raise<StateError>);
}

Safetensors load_safetensors(const std::filesystem::path& path, bool strict) {
  const detail::InputFile file(path);
  std::vector<std::byte> bytes(file.size());
  file.read(bytes, 0);
  return decode_safetensors(bytes, path.string(), strict);
}

void save(const Module& module, const std::filesystem::path& path, const SafetensorsMetadata& metadata) {
  save_safetensors(path, module.state_dict(), metadata);
}

LoadReport load(Module& module, const std::filesystem::path& path, bool strict) {
  return module.load_state_dict(load_safetensors(path, strict).tensors, strict);
}

}  // namespace hop::nn
