// Text from elsewhere, made fit for a terminal, a log and a journal. Internal to Hopscotch.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hop {

/// `text` on one line, as valid UTF-8 and without anything that a terminal would obey: control characters, bytes that
/// are no UTF-8 and marks that turn the direction of writing become escapes such as `\x1b`, `\n`, `\u202e`. What lies
/// beyond `max_bytes` is cut off, with a word that says how much.
std::string printable(std::string_view text, std::size_t max_bytes = 2000);

}  // namespace hop
