// Paths in text that has to be UTF-8: TOML and JSON. Internal to Hopscotch.
#pragma once

#include <string>
#include <string_view>

namespace hop::hopper {

/// The path itself, or a `file://` address with %XX where the path is no UTF-8 (a name in Latin-1, say).
std::string text_of_path(const std::string& path);
/// The path of such a text. A `%` without two hexadecimal digits stands for itself.
std::string path_of(std::string_view text);

}  // namespace hop::hopper
