// What one cell of a table holds, and what to say of one that is no number.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hop::data {

/// A finite number as strtod reads it ("+1", ".5", "1e-400" is 0), in full precision; nothing for anything else, for
/// infinities and for what no f32 can hold. Whatever the locale, "." is the decimal point.
std::optional<double> number_in(std::string_view text);

/// Why `text` is no number and what can be done: a missing value, true or false, a decimal comma, too large; empty for
/// any other word.
std::string remedy_for(std::string_view text);

/// Whether a header may call a column so: a word that is no missing value and no truth value.
bool is_name(std::string_view text);

/// What the bytes of a file that was taken for text are, with what to do: UTF-16, gzip, Parquet, ...; empty for text.
std::string foreign_format(ByteView bytes);

}  // namespace hop::data
