// Writes to a descriptor that may be slow, or a pipe without a reader.
#pragma once

#include <string_view>

namespace hop::cli {

/// Waits as long as necessary. False if nobody can ever read the text.
bool write_all(int descriptor, std::string_view text);

}  // namespace hop::cli
