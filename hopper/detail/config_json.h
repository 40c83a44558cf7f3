// A configuration as JSON text, as it travels in a lease. Internal to Hopscotch.
#pragma once

#include <string_view>

#include "hopper/config.h"

namespace hop::hopper {

/// Reads what Config::to_json wrote, types included. Throws ConfigError for anything but an object of plain values.
Config config_from_json(std::string_view text);

}  // namespace hop::hopper
