#include "data/formats/csv_rows.h"

#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_separator.h"

namespace hop::data {
namespace {

constexpr std::size_t kWindowBytes = 32 << 20;  // of the text that stay in memory

std::string_view text_of(const MappedFile& file) {
  if (const std::string what = foreign_format(file.bytes()); !what.empty()) {
    throw DataError("[csv] expected comma-separated text, got " + what + " (" + file.file().string() + ")");
  }
  return as_text(file.bytes());
}

// Found anew in each file: whoever made it may have saved it in another way than the training rows.
char separator_of(std::string_view text, const RowSchema& schema) {
  return find_separator(text, schema.table ? schema.table->separator : ',');
}

}  // namespace

CsvRows::CsvRows(const std::filesystem::path& file, RowEncoder& encoder, std::optional<bool> header)
    : name_(file.string()),
      mapped_(file),
      separator_(separator_of(text_of(mapped_), encoder.schema())),
      records_(as_text(mapped_.bytes()), file, separator_) {
  std::vector<std::string_view> cells;
  if (!records_.next(cells)) throw DataError("[csv] expected rows, got an empty file (" + name_ + ")");
  const std::string line = "line " + std::to_string(records_.line()), where = name_ + ", " + line;
  const bool is_header = header.value_or(encoder.is_header(cells));
  if (is_header) {
    encoder.match_names(cells, where);
  } else {
    encoder.match_places(cells.size(), where);
    records_ = CsvRecords(as_text(mapped_.bytes()), file, separator_);  // the record is a row
  }
  if (!header) {
    notes_.push_back(is_header ? line + " is taken for the header" : "no header: columns are taken by their places");
  }
  const bool is_other = encoder.schema().table && encoder.schema().table->separator != separator_;
  if (is_other) notes_.push_back(std::string(name_of_separator(separator_)) + "s separate its cells");
  std::string ignored;
  for (const std::string& column : encoder.ignored())
    ignored += (ignored.empty() ? "\"" : ", \"") + printable(column) + "\"";
  if (!ignored.empty()) notes_.push_back("ignored, as the model has no use for them: " + ignored);
}

bool CsvRows::next(std::vector<std::string_view>& cells) {
  if (records_.position() - given_back_ >= kWindowBytes) {
    mapped_.release(given_back_, records_.position() - given_back_);
    given_back_ = records_.position();
  }
  return records_.next(cells);
}

}  // namespace hop::data
