// A configuration as JSON text, the form in which it travels in a lease. Internal to Hopscotch.
#pragma once

#include <string_view>

#include "hopper/config.h"

namespace hop::hopper {

/// The inverse of Config::to_json, including types. Throws ConfigError unless the text is an object of plain values.
Config config_from_json(std::string_view text);

}  // namespace hop::hopper
