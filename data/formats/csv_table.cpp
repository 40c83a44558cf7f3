#include "data/formats/csv_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "base/error.h"
#include "data/mapped_file.h"

namespace hop::data {
namespace {

using Fields = std::vector<std::string>;

// Fewer numbers than this may count up by chance.
constexpr std::size_t kFewestColumnNumbers = 4;

std::optional<float> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  float value = 0.0F;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// The place of the label in a record of `first`'s width.
std::size_t find_label(const Fields& first, const LabelColumn& label, const std::filesystem::path& file) {
  const auto width = static_cast<std::int64_t>(first.size());
  if (width < 2) {
    throw DataError("[csv] expected at least 2 columns, separated by commas, got 1 (" + file.string() + ", line 1)");
  }
  if (const auto* name = std::get_if<std::string>(&label)) {
    const auto found = std::ranges::find(first, *name);
    if (found != first.end()) return static_cast<std::size_t>(found - first.begin());
    throw DataError("[csv] expected a column named \"" + *name + "\" in the header (" + file.string() + ", line 1)");
  }
  const std::int64_t place = std::get<std::int64_t>(label);
  if (place < -width || place >= width) {
    throw DataError("[csv] expected a label column below " + std::to_string(width) + ", got " + std::to_string(place) +
                    " (" + file.string() + ")");
  }
  return static_cast<std::size_t>(place < 0 ? place + width : place);
}

enum class FirstRecord : std::uint8_t { data, header, column_numbers };

// Column numbers, as pandas writes them, look like data: only the label beside them can tell.
FirstRecord classify(const Fields& first, std::size_t label_place) {
  std::vector<float> numbers;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (const auto value = number(first[i]); i != label_place && value) numbers.push_back(*value);
  }
  if (numbers.empty()) return FirstRecord::header;
  bool counts = numbers.size() >= kFewestColumnNumbers && numbers.size() + 1 == first.size() &&
                (numbers[0] == 0.0F || numbers[0] == 1.0F);
  for (std::size_t i = 1; i < numbers.size(); ++i) counts = counts && numbers[i] == numbers[i - 1] + 1.0F;
  return counts ? FirstRecord::column_numbers : FirstRecord::data;
}

class TableReader {
 public:
  TableReader(const std::filesystem::path& file, const LabelColumn& label)
      : mapped_(file), records_(as_text(mapped_.bytes()), file) {
    table_.file = file;
    table_.bytes = mapped_.bytes().size();
    if (!records_.next(first_)) throw DataError("[csv] expected rows, got an empty file (" + file.string() + ")");
    label_ = find_label(first_, label, file);
    table_.width = static_cast<std::int64_t>(first_.size()) - 1;
    first_kind_ = std::holds_alternative<std::string>(label) ? FirstRecord::header : classify(first_, label_);
  }

  CsvTable read() {
    if (first_kind_ != FirstRecord::header) append(first_);
    Fields fields;
    while (records_.next(fields)) append(fields);
    if (first_kind_ == FirstRecord::column_numbers) drop_first_if_header();
    if (table_.labels.empty()) throw DataError("[csv] expected rows after the header (" + table_.file.string() + ")");
    return std::move(table_);
  }

 private:
  void append(const Fields& fields) {
    if (fields.size() != first_.size()) {
      fail("expected " + std::to_string(first_.size()) + " columns, got " + std::to_string(fields.size()));
    }
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i == label_) continue;
      const auto value = number(fields[i]);
      if (!value) fail("expected a number, got \"" + fields[i] + "\"", i);
      table_.features.push_back(*value);
    }
    if (fields[label_].empty()) fail("expected a label, got nothing", label_);
    table_.labels.push_back(fields[label_]);
    table_.lines.push_back(records_.line());
  }

  void drop_first_if_header() {
    if (std::ranges::count(table_.labels, table_.labels.front()) > 1) return;
    table_.features.erase(table_.features.begin(), table_.features.begin() + table_.width);
    table_.labels.erase(table_.labels.begin());
    table_.lines.erase(table_.lines.begin());
  }

  [[noreturn]] void fail(const std::string& message, std::optional<std::size_t> column = {}) const {
    std::string place = table_.file.string() + ", line " + std::to_string(records_.line());
    if (column) place += ", column " + std::to_string(*column);
    if (column && first_kind_ == FirstRecord::header) place += " \"" + first_[*column] + "\"";
    throw DataError("[csv] " + message + " (" + place + ")");
  }

  MappedFile mapped_;
  CsvRecords records_;
  CsvTable table_;
  Fields first_;
  std::size_t label_ = 0;
  FirstRecord first_kind_ = FirstRecord::data;
};

}  // namespace

CsvTable read_csv(const std::filesystem::path& file, const LabelColumn& label) {
  return TableReader(file, label).read();
}

}  // namespace hop::data
