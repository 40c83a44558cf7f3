#include "hopper/detail/toml_section.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/words.h"

namespace hop::hopper {

TomlSection::TomlSection(const toml::table& table, std::string path, std::string_view origin)
    : table_(&table), path_(std::move(path)), origin_(origin) {}

const toml::node* TomlSection::node(std::string_view key) {
  known_.emplace_back(key);
  return table_->get(key);
}

std::optional<std::string> TomlSection::text(std::string_view key) {
  const toml::node* found = node(key);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) expected(key, "a string", *found);
  return found->ref<std::string>();
}

std::optional<bool> TomlSection::boolean(std::string_view key) {
  const toml::node* found = node(key);
  if (found == nullptr) return std::nullopt;
  if (!found->is_boolean()) expected(key, "true or false", *found);
  return found->ref<bool>();
}

std::optional<std::int64_t> TomlSection::integer(std::string_view key, std::int64_t min, std::int64_t max) {
  const toml::node* found = node(key);
  if (found == nullptr) return std::nullopt;
  if (!found->is_integer()) expected(key, "an integer", *found);
  const std::int64_t value = found->ref<std::int64_t>();
  if (value < min || value > max) {
    fail(key, "expected an integer in " + std::to_string(min) + ".." + std::to_string(max) + ", got " +
                  std::to_string(value));
  }
  return value;
}

std::optional<double> TomlSection::number(std::string_view key) {
  const toml::node* found = node(key);
  if (found == nullptr) return std::nullopt;
  const std::optional<double> value = found->value<double>();
  if (!found->is_number() || !value || !std::isfinite(*value)) expected(key, "a finite number", *found);
  return value;
}

std::optional<std::vector<std::string>> TomlSection::texts(std::string_view key) {
  const toml::node* found = node(key);
  if (found == nullptr) return std::nullopt;
  const toml::array* array = found->as_array();
  if (array == nullptr) expected(key, "a list of strings", *found);
  std::vector<std::string> texts;
  for (const toml::node& element : *array) {
    if (!element.is_string()) expected(key, "a list of strings", element);
    texts.push_back(element.ref<std::string>());
  }
  return texts;
}

std::optional<TomlSection> TomlSection::section(std::string_view key) {
  const toml::node* found = node(key);
  if (found == nullptr) return std::nullopt;
  if (!found->is_table()) expected(key, "a table", *found);
  return TomlSection(*found->as_table(), path_.empty() ? std::string(key) : path_ + "." + std::string(key), origin_);
}

void TomlSection::finish(const Hint& hint) const {
  for (const auto& [key, value] : *table_) {
    const std::string name(key.str());
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    fail(name, "unknown key" + (hint ? hint(name, known_) : hop::hint(name, known_)));
  }
}

void TomlSection::fail(std::string_view key, const std::string& message) const {
  throw ConfigError(place(table_->get(key), key) + ": " + message);
}

void TomlSection::expected(std::string_view key, const std::string& what, const toml::node& got) const {
  fail(key, "expected " + what + ", got " + type_of(got));
}

std::string TomlSection::place(const toml::node* node, std::string_view key) const {
  std::string place(origin_);
  const toml::source_position at = node != nullptr ? node->source().begin : table_->source().begin;
  if (at) place += ":" + std::to_string(at.line);
  if (!path_.empty()) place += ": [" + path_ + "]";
  return place + (path_.empty() ? ": " : " ") + std::string(key);
}

std::optional<Value> to_value(const toml::node& node) {
  if (node.is_boolean()) return Value(node.ref<bool>());
  if (node.is_integer()) return Value(node.ref<std::int64_t>());
  if (node.is_floating_point()) return Value(node.ref<double>());
  if (node.is_string()) return Value(node.ref<std::string>());
  return std::nullopt;
}

std::string type_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "the string \"" + printable(node.ref<std::string>()) + "\"";
    case toml::node_type::integer:
      return "the integer " + std::to_string(node.ref<std::int64_t>());
    case toml::node_type::floating_point:
      return "the number " + shortest(node.ref<double>());
    case toml::node_type::boolean:
      return node.ref<bool>() ? "true" : "false";
    default:
      return "a date or time";
  }
}

}  // namespace hop::hopper
