// The character between the cells of a table.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace hop::data {

/// A separator that tables have: a row of the one list.
struct Separator {
  std::string_view name{};  ///< the word of a user: "semicolon"
  char character = ',';
};

/// Comma, tab, semicolon and bar: in the order in which a file is tried with them.
std::span<const Separator> separators();
/// "comma", for messages. `separator` is one of separators().
std::string_view name_of_separator(char separator);
/// Reads a name, or the character itself (`\t` is a tab, too). None for any other text.
std::optional<char> separator_from(std::string_view text);
/// The same; throws ConfigError, which begins with `where`.
char parse_separator(std::string_view text, std::string_view where);

/// The separator of a file: the one that its first line names (CsvRecords::named_separator). If it names none, the one
/// that cuts each of its first records into as many cells, more than one. `usual` is tried first. A comma between two
/// digits may be part of a number, so commas that all stand there count only if nothing else separates. If no separator
/// fits all records, it is the one that fits most of them; if none fits, `usual`.
char find_separator(std::string_view text, char usual = ',');

/// Whether a text looks like a table: one of the separators cuts each of its first records into as many cells.
bool looks_like_table(std::string_view text);

}  // namespace hop::data
