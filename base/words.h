// Words in messages: the nearest valid word, the shortest number, text that is safe on a terminal and in JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hop {

/// The candidate that `name` probably means. First choice is our word for another library's word ("learning_rate" means
/// "lr"); otherwise the candidate with the smallest edit distance (Levenshtein; two swapped neighbours count once; of
/// equals the first). Empty when more than half of `name` is wrong (two letters of a short name may be wrong).
std::string nearest(std::string_view name, std::span<const std::string_view> candidates);
std::string nearest(std::string_view name, std::span<const std::string> candidates);

/// The end of a message: `; did you mean "relu"?`. Empty if no candidate is near.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);
/// As did_you_mean(), but if no candidate is near: `; valid are relu, tanh and gelu`. For messages that do not list the
/// candidates.
std::string hint(std::string_view name, std::span<const std::string_view> candidates);
std::string hint(std::string_view name, std::span<const std::string> candidates);

/// "a, b and c": at most `limit` words, then how many more there are.
std::string list_of(std::span<const std::string_view> words, std::size_t limit = 12);

/// The shortest text that reads back to the same double: "0.1", "1e-05".
std::string shortest(double value);

/// A Unicode code point as UTF-8 writes it.
struct Utf8Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;  ///< 1 to 4; 0: no valid UTF-8 begins here
};
/// The first character of `text`, which is not empty. No overlong form and no surrogate is valid: RFC 3629.
Utf8Character first_character(std::string_view text);

/// Whether every byte is part of valid UTF-8 (no overlong form, no surrogate).
bool is_utf8(std::string_view text);

/// `text` as one line of valid UTF-8 that no terminal obeys. Control characters, bytes that are not UTF-8 and marks
/// that turn the direction of writing become escapes such as `\x1b`, `\n`, `\u202e`. Text beyond `max_bytes` is cut
/// off, and the end says how much was cut.
std::string printable(std::string_view text, std::size_t max_bytes = 80);

/// A name that stays in its folder on every system: 1 to 128 letters, digits, ".", "_" and "-", not beginning with "."
/// or "-".
bool is_plain_name(std::string_view name);

}  // namespace hop
