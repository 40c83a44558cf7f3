#include "hopper/detail/config_json.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/whole_number_internal.h"

namespace hop::hopper {

Config config_from_json(std::string_view text) {
  const auto json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw ConfigError("[config] expected a JSON object, got \"" + std::string(text) + "\"");
  Config config;
  for (const auto& [name, value] : json.items()) {
    if (value.is_boolean())
      config.set(name, value.get<bool>());
    else if (const auto number = whole_number<std::int64_t>(value))
      config.set(name, *number);
    else if (value.is_number_integer())
      throw ConfigError("[config] " + name + ": expected a whole number below 2^63, got " + value.dump());
    else if (value.is_number_float())
      config.set(name, value.get<double>());
    else if (value.is_string())
      config.set(name, value.get<std::string>());
    else
      throw ConfigError("[config] " + name + ": expected a boolean, number or string");
  }
  return config;
}

}  // namespace hop::hopper
