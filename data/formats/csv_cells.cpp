#include "data/formats/csv_cells.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

namespace hop::data {
namespace {

constexpr std::array<std::string_view, 15> kMissing = {"",  "na", "n/a",     "nan",  "null", "none", "nil", "?",
                                                       "-", "--", "missing", "#n/a", "#na",  "<na>", "-nan"};
// As a label: what pandas reads as missing. Other words of the list above are classes somewhere: "none", "-".
constexpr std::array<std::string_view, 8> kMissingLabels = {"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "null"};
constexpr std::array<std::string_view, 4> kTruth = {"true", "false", "yes", "no"};

// The smallest size that rounds to an infinite f32: the middle between FLT_MAX and 2^128. FLT_MAX as
// printed, 3.4028235e38, lies below it.
constexpr double kOverflow = 0x1.ffffffp127;

struct Signature {
  std::string_view bytes;
  std::string_view what;
};
using namespace std::string_view_literals;
constexpr Signature kSignatures[] = {
    {"\xFF\xFE"sv, "UTF-16 text; save it as UTF-8"},
    {"\xFE\xFF"sv, "UTF-16 text; save it as UTF-8"},
    {"\x1F\x8B"sv, "a gzip file; unpack it first (gunzip)"},
    {"BZh"sv, "a bzip2 file; unpack it first (bunzip2)"},
    {"\xFD\x37zXZ"sv, "an xz file; unpack it first (unxz)"},
    {"\x28\xB5\x2F\xFD"sv, "a zstd file; unpack it first (unzstd)"},
    {"PK\x03\x04"sv, "a zip file or a spreadsheet; unpack it, or save the sheet as CSV"},
    {"PAR1"sv, "a Parquet file; save the table as CSV"},
    {"ARROW1"sv, "an Arrow file; save the table as CSV"},
    {"ORC"sv, "an ORC file; save the table as CSV"},
    {"\x93NUMPY"sv, "a numpy file; save features and labels as x.npy and y.npy of one folder"},
    {"\x89HDF"sv, "an HDF5 file; save the table as CSV"},
    {"SQLite format 3"sv, "an SQLite data base; save the table as CSV"},
    {"\xD0\xCF\x11\xE0"sv, "an old Excel file; save the sheet as CSV"},
    {"\x89PNG"sv, "a picture"},
    {"\xFF\xD8\xFF"sv, "a picture"},
    {"%PDF"sv, "a PDF"},
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// A number with commas, as it is to be written. "1,234" may be two numbers.
std::string without_commas(std::string_view text) {
  const auto without = [text](char thousands) {
    std::string plain(text);
    std::erase(plain, thousands);
    std::ranges::replace(plain, ',', '.');
    return plain;
  };
  const bool has_point = text.find('.') != std::string_view::npos;
  const bool has_groups = text.find(',') != text.rfind(',') || (has_point && text.rfind('.') > text.rfind(','));
  if (has_groups) return without(',');
  const std::size_t sign = text[0] == '-' || text[0] == '+' ? 1 : 0;
  const std::size_t before = text.find(',') - sign, behind = text.size() - text.find(',') - 1;
  const bool may_be_group = !has_point && before <= 3 && behind == 3 && text[sign] != '0';
  return may_be_group ? without(',') + " or " + without('.') + " (whichever is meant)" : without('.');
}

// True for a number below the range (near 0): it counts as 0. A number above the range is no number.
bool is_tiny(std::string_view text) {
  const std::size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) return text.substr(exponent + 1).starts_with('-');
  return text.substr(0, text.find('.')).find_first_of("123456789") == std::string_view::npos;
}

}  // namespace

std::optional<double> number_in(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop != end || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) return is_tiny(text) ? std::optional(0.0) : std::nullopt;
  if (!(std::abs(value) < kOverflow)) return std::nullopt;
  return value;
}

bool is_code(std::string_view text) {
  return text.size() > 1 && text[0] == '0' && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool has_number_commas(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return text.find_first_not_of("0123456789.,") == std::string_view::npos && text.find(',') != std::string_view::npos &&
         is_digit(text.front()) && is_digit(text.back());
}

std::optional<std::int64_t> whole_number_in(std::string_view text) {
  std::int64_t whole = 0;
  const char* end = text.data() + text.size();
  if (const auto [stop, error] = std::from_chars(text.data(), end, whole); stop == end && error == std::errc{}) {
    return whole;
  }
  constexpr double kExact = 9e15;  // below it a double holds every whole number
  const auto value = number_in(text);
  if (!value || std::floor(*value) != *value || std::abs(*value) > kExact) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::span<const std::string_view> missing_words() { return kMissing; }

bool is_missing(std::string_view text) {
  constexpr std::size_t kLongest = 7;
  return text.size() <= kLongest && std::ranges::find(kMissing, lower(text)) != kMissing.end();
}

std::string category_word(std::string_view cell) {
  if (is_missing(cell)) return "";
  if (cell.find_first_of(".eE") != std::string_view::npos) {
    if (const auto whole = whole_number_in(cell)) return std::to_string(*whole);
  }
  return std::string(cell);
}

bool is_missing_label(std::string_view text) {
  if (std::ranges::find(kMissingLabels, text) != kMissingLabels.end()) return true;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && stop == text.data() + text.size() && !std::isfinite(value);
}

bool is_truth(std::string_view text) { return std::ranges::find(kTruth, lower(text)) != kTruth.end(); }

std::string remedy_for(std::string_view text) {
  if (is_missing(text)) return R"(a missing value: fill it in, or say missing = "median" or missing = "indicator")";
  if (is_truth(text)) return "write truth values as 1 and 0";
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range || (result.ec == std::errc{} && std::abs(value) > 1e38)) {
    return "a number must be finite and at most 3.4e38 in size";
  }
  if (has_number_commas(text)) {
    return "write " + without_commas(text) + ", with a point for the decimals and no separators";
  }
  const bool numeric = text.find_first_not_of("0123456789.,+-eE ") == std::string_view::npos;
  if (numeric && text.find(',') != std::string_view::npos) return "write a point for the decimals and no separators";
  return "";
}

std::string written_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

bool is_name(std::string_view text) {
  const bool has_letter = std::ranges::any_of(text, [](unsigned char c) { return std::isalpha(c) != 0 || c >= 0x80; });
  return has_letter && !number_in(text) && remedy_for(text).empty();
}

std::string foreign_format(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  for (const Signature& signature : kSignatures) {
    if (text.starts_with(signature.bytes)) return std::string(signature.what);
  }
  constexpr std::size_t kFront = 4096;
  if (text.substr(0, kFront).find('\0') != std::string_view::npos) {
    return "no text: it holds zero bytes; if it is UTF-16, save it as UTF-8";
  }
  // The file is mapped: what is not looked at is not read.
  constexpr std::size_t kLines = std::size_t{1} << 20;
  const std::size_t end_of_line = text.find_first_of("\r\n");
  if (end_of_line != std::string_view::npos && text[end_of_line] == '\r' && end_of_line + 1 < text.size() &&
      text.substr(end_of_line, kLines).find('\n') == std::string_view::npos) {
    return "text with the line ends of old Macs (CR); save it with those of Unix (LF) or Windows (CRLF)";
  }
  return "";
}

}  // namespace hop::data
