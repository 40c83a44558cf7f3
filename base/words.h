// Words in messages: the nearest valid one, the shortest number, text that a terminal and a JSON file can take.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hop {

/// The candidate that `name` probably means: another library's word for it ("learning_rate" means "lr"), else the one
/// with the smallest edit distance (Levenshtein, and two neighbours that were swapped count once; the first of equals).
/// Empty when more than half of `name` is wrong (two letters of a short name may be).
std::string nearest(std::string_view name, std::span<const std::string_view> candidates);
std::string nearest(std::string_view name, std::span<const std::string> candidates);

/// The end of a message: `; did you mean "relu"?`, or nothing where no candidate is near.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);
/// The same, and where no candidate is near `; valid are relu, tanh and gelu`: for messages that do not list them.
std::string hint(std::string_view name, std::span<const std::string_view> candidates);
std::string hint(std::string_view name, std::span<const std::string> candidates);

/// "a, b and c": at most `limit` of them, then how many more there are.
std::string list_of(std::span<const std::string_view> words, std::size_t limit = 12);

/// The shortest text that reads back to the same double: "0.1", "1e-05".
std::string shortest(double value);

/// Whether every byte is part of valid UTF-8 (no overlong form, no surrogate).
bool is_utf8(std::string_view text);

/// `text` on one line, as valid UTF-8 and without anything that a terminal would obey: control characters, bytes that
/// are no UTF-8 and marks that turn the direction of writing become escapes such as `\x1b`, `\n`, `\u202e`. Text beyond
/// `max_bytes` is cut off, and the end says how much.
std::string printable(std::string_view text, std::size_t max_bytes = 80);

/// A name that stays in its folder on every system: letters, digits, ".", "_" and "-", 1 to 128 of them, the first no
/// "." and no "-".
bool is_plain_name(std::string_view name);

}  // namespace hop
