// The contents of a cell of a table, and messages about a cell that is not a number.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hop::data {

/// A finite number as strtod reads it ("+1", ".5", "1e-400" is 0), in full precision. None for any other text, for
/// infinities, and for numbers that no finite f32 is near. "." is the decimal point in every locale.
std::optional<double> number_in(std::string_view text);

/// Whether `text` is digits alone, the first of several a 0: a postal code, a telephone number or another name. The
/// number would lose the zeros.
bool is_code(std::string_view text);

/// Whether `text` is a number that is written with commas: 12,345.67 or 12.345,67 or 1,5.
bool has_number_commas(std::string_view text);

/// A whole number of at most 18 digits in any notation of a table program: 1, 1.0, 1e0, 01.
std::optional<std::int64_t> whole_number_in(std::string_view text);

/// The texts that stand for a missing value, in lower case: nothing, NA, NaN, null, ?, ..
std::span<const std::string_view> missing_words();
/// Whether `text` is one of missing_words(), in any case.
bool is_missing(std::string_view text);

/// The word of a cell of a category. A missing value is the word "". A whole number is one word, be it written as 3 or
/// 3.0; but 03 may be something else.
std::string category_word(std::string_view cell);
/// Whether `text` cannot be a class: nothing, NaN or an infinity in any spelling, or a word that stands for a missing
/// value alone (NA, null).
bool is_missing_label(std::string_view text);

/// Whether `text` is a truth value: true, no, ..
bool is_truth(std::string_view text);

/// Why `text` is not a number and what can be done: a missing value, true or false, a decimal comma, too large. Empty
/// for any other word.
std::string remedy_for(std::string_view text);

/// What can be done where a line has more or fewer cells than the first.
inline constexpr const char* kOtherWidth =
    "a cell that holds the separator stands in quotes; lines before the header must go";

/// `text` as a cell of a file that we write (RFC 4180): in quotes if it could be taken for more than one cell.
std::string written_cell(const std::string& text);

/// Whether `text` can be the name of a column: a word that is neither a missing value nor a truth value.
bool is_name(std::string_view text);

/// If the bytes are not text, the format that they are in (UTF-16, gzip, Parquet, ...) and what to do; empty for text.
std::string foreign_format(ByteView bytes);

}  // namespace hop::data
