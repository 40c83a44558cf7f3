// One table of an experiment file: typed reads, and errors that name file, line and key. Internal to Hopscotch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "hopper/config.h"

namespace hop::hopper {

/// Reads keys and remembers the valid ones; `finish` rejects all others. The table must outlive the section.
class TomlSection {
 public:
  /// `path` is the table's name in errors: "" for the file itself, "search.space".
  TomlSection(const toml::table& table, std::string path, std::string_view origin);

  /// The value of a key; none if it is absent. Throws ConfigError if it has another type.
  std::optional<std::string> text(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t min, std::int64_t max);
  std::optional<double> number(std::string_view key);  ///< finite; integers count
  std::optional<std::vector<std::string>> texts(std::string_view key);
  /// A key whose value the caller reads itself; null if absent.
  const toml::node* node(std::string_view key);
  std::optional<TomlSection> section(std::string_view key);

  /// The end of a message about the key `name`, if only `known` are valid.
  using Hint = std::function<std::string(std::string_view name, std::span<const std::string> known)>;
  /// Throws ConfigError for the first key that was not read. `hint` ends the message; without it the nearest valid key
  /// does.
  void finish(const Hint& hint = {}) const;

  /// `file:line: [section] key: message`
  [[noreturn]] void fail(std::string_view key, const std::string& message) const;
  const toml::table& table() const { return *table_; }

 private:
  [[noreturn]] void expected(std::string_view key, const std::string& what, const toml::node& got) const;
  std::string place(const toml::node* node, std::string_view key) const;

  const toml::table* table_;
  std::string path_;
  std::string_view origin_;
  std::vector<std::string> known_;
};

/// A boolean, integer, float or string as a Value; none for any other node.
std::optional<Value> to_value(const toml::node& node);
/// "an integer", "a table", ... for messages.
std::string type_of(const toml::node& node);

}  // namespace hop::hopper
