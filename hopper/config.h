// One configuration of the search: hyperparameter names and their values, in a fixed order.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hop::hopper {

/// The value of a hyperparameter. A double keeps its type in text: 1.0 is written `1.0`, never `1`.
using Value = std::variant<bool, std::int64_t, double, std::string>;

/// `true`, `16`, `0.001` or `"adam"`: valid TOML and JSON. Doubles take the shortest text that reads back to the same
/// bits (std::to_chars), so equal configurations have equal text on every machine.
/// Throws ConfigError for NaN and infinities.
std::string to_text(const Value& value);

/// An ordered map from names to values. The order is that of insertion and is part of the configuration's text.
class Config {
 public:
  using Entry = std::pair<std::string, Value>;

  Config() = default;
  Config(std::initializer_list<Entry> entries);

  /// Adds a name or replaces its value in place.
  void set(std::string_view name, Value value);
  /// The value of a name; nullptr if there is none.
  const Value* find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  std::span<const Entry> entries() const { return entries_; }

  /// Typed access. Throws ConfigError that names the key if its value has another type, or names the nearest key if
  /// there is no such key. `number` also accepts an integer; `integer` accepts no double.
  bool boolean(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  double number(std::string_view name) const;
  const std::string& text(std::string_view name) const;

  /// The same, with a value to use if the name is missing. A wrong type is still an error.
  bool boolean(std::string_view name, bool fallback) const;
  std::int64_t integer(std::string_view name, std::int64_t fallback) const;
  double number(std::string_view name, double fallback) const;
  std::string text(std::string_view name, std::string_view fallback) const;

  /// `lr=0.001 width=16 optimizer="adam"`: stable, for people, logs and digests.
  std::string to_text() const;
  /// `{"lr": 0.001, "width": 16, "optimizer": "adam"}`
  std::string to_json() const;

  bool operator==(const Config&) const = default;

 private:
  const Value& at(std::string_view name) const;
  std::vector<Entry> entries_;
};

}  // namespace hop::hopper
