// A key of a TOML file from the command line: --set.
#pragma once

#include <string>

#include "hopper/detail/toml_section.h"

namespace hop::hopper {

/// Sets one key of a file: `search.space.lr=[0.1]`. The right side is TOML, or else a plain word. Tables on the way
/// that are missing are made. Throws ConfigError for a text without a key, and for a key below something that is no
/// table.
void apply_override(toml::table& root, const std::string& text);

}  // namespace hop::hopper
