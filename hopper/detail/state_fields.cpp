#include "hopper/detail/state_fields.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "hopper/detail/flat_kinds.h"

namespace hop::hopper {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

// Two digits for each byte: an order of gradients may have a hundred thousand.
std::string to_hex(const std::vector<std::uint8_t>& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xFU];
  }
  return text;
}

bool from_hex(std::string_view text, std::vector<std::uint8_t>& bytes) {
  if (text.size() % 2 != 0) return false;
  bytes.resize(text.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char* const begin = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(begin, begin + 2, bytes[i], 16);
    if (error != std::errc{} || end != begin + 2) return false;
  }
  return true;
}

// The header has these values in places of their own.
bool is_elsewhere(std::string_view name) { return name == "digest" || name == "state_bytes"; }

class ToFields {
 public:
  void operator()(const char* name, const auto& value) {
    if (!is_elsewhere(name)) write(name, value);
  }
  Fields fields;

 private:
  void write(const std::string& name, flat::Scalar auto value) {
    char text[32];
    fields.emplace_back(name, std::string(text, std::to_chars(text, text + sizeof text, flat::raw(value)).ptr));
  }
  void write(const std::string& name, const Digest& digest) {
    write(name + ".low", digest.low);
    write(name + ".high", digest.high);
  }
  template <class T>
  void write(const std::string& name, const std::optional<T>& value) {
    if (value) write(name, *value);
  }
  void write(const std::string& name, const std::vector<std::uint8_t>& bytes) {
    if (!bytes.empty()) fields.emplace_back(name, to_hex(bytes));
  }
  template <class T>
  void write(const std::string& name, const std::vector<T>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) write(name + "." + std::to_string(i), values[i]);
  }
  void write(const std::string&, const UnitMetrics& metrics) { UnitMetrics::describe(metrics, *this); }
};

class FromFields {
 public:
  explicit FromFields(const Fields& fields) : fields_(fields) {}
  void operator()(const char* name, auto& value) {
    if (!is_elsewhere(name)) read(name, value);
  }

 private:
  const std::string* text(const std::string& name) const {
    const auto field = std::ranges::find(fields_, name, &Fields::value_type::first);
    return field == fields_.end() ? nullptr : &field->second;
  }
  template <class T>
  std::optional<T> find(const std::string& name) const {
    const std::string* value = text(name);
    if (value == nullptr) return std::nullopt;
    T number{};
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    if (error != std::errc{} || end != value->data() + value->size()) throw StateError("[state] bad field " + name);
    return number;
  }

  template <flat::Scalar T>
  void read(const std::string& name, T& value) {
    const auto number = find<flat::Raw<T>>(name);
    if (!number) throw StateError("[state] the field " + name + " is missing");
    value = static_cast<T>(*number);
  }
  void read(const std::string& name, Digest& digest) {
    read(name + ".low", digest.low);
    read(name + ".high", digest.high);
  }
  template <class T>
  void read(const std::string& name, std::optional<T>& value) {
    value = find<T>(name);
  }
  void read(const std::string& name, std::vector<std::uint8_t>& bytes) {
    const std::string* hex = text(name);
    if (hex == nullptr) return;
    if (!from_hex(*hex, bytes)) throw StateError("[state] bad field " + name);
  }
  template <class T>
  void read(const std::string& name, std::vector<T>& values) {
    while (const auto value = find<T>(name + "." + std::to_string(values.size()))) values.push_back(*value);
  }
  void read(const std::string&, UnitMetrics& metrics) { UnitMetrics::describe(metrics, *this); }

  const Fields& fields_;
};

}  // namespace

Fields to_fields(const HeldState& state) {
  ToFields writer;
  HeldState::describe(state, writer);
  return std::move(writer.fields);
}

HeldState from_header(const nn::StateHeader& header) {
  HeldState state;
  FromFields reader(header.metrics);
  HeldState::describe(state, reader);
  state.digest = header.digest;
  state.metrics.state_bytes = header.layout.bytes;
  return state;
}

}  // namespace hop::hopper
