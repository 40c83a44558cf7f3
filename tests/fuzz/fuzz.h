// Fuzzing. A target gives bytes that nobody vouches for to one reader. The reader may take them, or refuse them with a
// hop::Error; another exception, a crash, a sanitizer's report, a broken promise (`require`), much time or much memory
// is a finding. docs/development.md says how to add a target.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace hop::fuzz {

struct Target {
  std::string_view name;                          ///< of its file, and of its folder in corpus/
  void (*run)(ByteView input);                    ///< throws hop::Error for bytes that are refused
  std::vector<std::string> (*seeds)() = nullptr;  ///< inputs that are taken; texts lie in corpus/ instead
  void (*repair)(std::string& input) = nullptr;   ///< puts checksums and lengths right: what lies behind is reached
};

/// All targets, in the order of docs/development.md.
std::span<const Target* const> targets();

/// The reader broke a promise.
struct Finding : std::logic_error {
  using std::logic_error::logic_error;
};
inline void require(bool promise, const char* what) {
  if (!promise) throw Finding(what);
}

/// Runs the target on a copy of exactly these bytes. Returns why they were refused; nothing where they were taken.
std::optional<std::string> refusal(const Target& target, ByteView input);

/// A folder for this process alone, gone with it, and a file in it with these bytes.
const std::filesystem::path& folder();
std::filesystem::path file(const std::filesystem::path& name, ByteView bytes);

/// The bytes of a file.
std::string read(const std::filesystem::path& path);

/// Numbers in inputs, little-endian.
template <class T>
T number_at(std::string_view input, std::size_t at) {
  T value;
  std::memcpy(&value, input.data() + at, sizeof value);
  return value;
}
template <class T>
void put_number(std::string& input, std::size_t at, T value) {
  std::memcpy(input.data() + at, &value, sizeof value);
}
inline std::string text_of(ByteView bytes) { return std::string(as_text(bytes)); }

/// Target::repair of safetensors: the length of the header.
void repair_safetensors(std::string& input);

}  // namespace hop::fuzz
