#include "hopper/config.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/words.h"

namespace hop::hopper {
namespace {

std::string quoted(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (code < 0x20 || code == 0x7f) {
      out += "\\u00";
      out += kHex[code >> 4];
      out += kHex[code & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string number_text(double value) {
  if (!std::isfinite(value)) throw ConfigError("[config] expected a finite number, got " + std::to_string(value));
  std::string text = hop::shortest(value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

const char* type_name(const Value& value) {
  static constexpr const char* kNames[] = {"a boolean", "an integer", "a number", "a text"};
  return kNames[value.index()];
}

template <class T>
const T& get(std::string_view name, const Value& value) {
  if (const T* found = std::get_if<T>(&value)) return *found;
  throw ConfigError("[config] expected " + std::string(type_name(Value(T{}))) + " for `" + std::string(name) +
                    "`, got " + type_name(value) + " (" + to_text(value) + ")");
}

double as_number(std::string_view name, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  return get<double>(name, value);
}

}  // namespace

std::string to_text(const Value& value) {
  struct Writer {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return number_text(v); }
    std::string operator()(const std::string& v) const { return quoted(v); }
  };
  return std::visit(Writer{}, value);
}

Config::Config(std::initializer_list<Entry> entries) {
  for (const auto& [name, value] : entries) set(name, value);
}

void Config::set(std::string_view name, Value value) {
  for (auto& [known, old] : entries_) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  entries_.emplace_back(name, std::move(value));
}

const Value* Config::find(std::string_view name) const {
  for (const auto& [known, value] : entries_) {
    if (known == name) return &value;
  }
  return nullptr;
}

const Value& Config::at(std::string_view name) const {
  if (const Value* value = find(name)) return *value;
  std::vector<std::string> names;
  for (const auto& entry : entries_) names.push_back(entry.first);
  const std::string near = nearest(name, names);
  throw ConfigError("[config] expected a value for `" + std::string(name) + "`, got none" +
                    (near.empty() ? "" : " (nearest key: `" + near + "`)"));
}

bool Config::boolean(std::string_view name) const { return get<bool>(name, at(name)); }
std::int64_t Config::integer(std::string_view name) const { return get<std::int64_t>(name, at(name)); }
double Config::number(std::string_view name) const { return as_number(name, at(name)); }
const std::string& Config::text(std::string_view name) const { return get<std::string>(name, at(name)); }

bool Config::boolean(std::string_view name, bool fallback) const { return contains(name) ? boolean(name) : fallback; }
std::int64_t Config::integer(std::string_view name, std::int64_t fallback) const {
  return contains(name) ? integer(name) : fallback;
}
double Config::number(std::string_view name, double fallback) const { return contains(name) ? number(name) : fallback; }
std::string Config::text(std::string_view name, std::string_view fallback) const {
  return contains(name) ? text(name) : std::string(fallback);
}

std::string Config::to_text() const {
  std::string out;
  for (const auto& [name, value] : entries_) {
    if (!out.empty()) out += ' ';
    out += name + "=" + hopper::to_text(value);
  }
  return out;
}

std::string Config::to_json() const {
  std::string out = "{";
  for (const auto& [name, value] : entries_) {
    if (out.size() > 1) out += ", ";
    out += quoted(name) + ": " + hopper::to_text(value);
  }
  return out + "}";
}

}  // namespace hop::hopper
