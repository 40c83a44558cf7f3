// TOML from text. Internal to Hopscotch.
#pragma once

#include <toml++/toml.h>

#include <string_view>

namespace hop::hopper {

/// The tables of a TOML text. Throws ConfigError with file and line ("e.toml:3: ...") where the text is no TOML.
toml::table parse_toml(std::string_view text, std::string_view origin);

}  // namespace hop::hopper
