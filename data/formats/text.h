// Text for models that predict the next character: each row is a window of the text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "data/source.h"

namespace hop::data {

/// `train.txt`; and `valid.txt`, or `test.txt` if there is no valid.txt. Empty without train.txt: a text of any other
/// name may be a description of the files beside it.
std::vector<std::filesystem::path> find_text(const std::filesystem::path& folder);

inline constexpr std::int64_t kMostContext = 1 << 20;

/// training text [, validation text], both UTF-8. A byte order mark at the beginning is no character of the text.
///
/// The vocabulary is the distinct characters (Unicode code points) of the training text in ascending order, at most
/// 10,000. Row r has the features i32 (context), the characters r .. r + context - 1 as indices into the vocabulary,
/// and as its label the index of the character r + context. So a text has as many rows as characters, less `context`.
/// The names of the classes are the vocabulary; a character that no terminal shows is written as printable() does:
/// "\n". Rows are read from the mapped text when they are asked for. Memory is 8 bytes for 256
/// characters, and the vocabulary.
///
/// A character that only the validation text has is an error. An index of its own would be an output that no training
/// row asks for: every model gives it a probability near 0, and the perplexity would measure how often it occurs.
///
/// Throws ConfigError for a context below 1 or above kMostContext. Throws DataError that says what to write instead,
/// for bytes that are not UTF-8 (with line and column), for a training text of fewer than context + 2 characters (a row
/// to learn from and one to measure by), for a validation text of fewer than context + 1, and for too many different
/// characters.
RawData open_text(std::span<const std::filesystem::path> files, std::int64_t context);

}  // namespace hop::data
