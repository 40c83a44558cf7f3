#include "hopper/detail/state_fields.h"

#include <charconv>
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
  template <class T>
  std::optional<T> find(const std::string& name) const {
    for (const auto& [key, value] : fields_) {
      if (key != name) continue;
      T number{};
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc{} || end != value.data() + value.size()) throw StateError("[state] bad field " + key);
      return number;
    }
    return std::nullopt;
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
