#include <utility>

#include "base/error.h"
#include "data/formats/csv_records.h"
#include "data/formats/csv_separator.h"

namespace hop::data {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF", kNamesSeparator = "sep=";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

CsvRecords::CsvRecords(std::string_view text, std::filesystem::path file, char separator)
    : text_(text), file_(std::move(file)), separator_(separator) {
  if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  pass_separator();
}

void CsvRecords::pass_separator() {
  std::string_view line = text_.substr(at_, text_.find('\n', at_) - at_);
  if (!line.starts_with(kNamesSeparator)) return;
  const std::size_t bytes = line.size() + (at_ + line.size() < text_.size() ? 1 : 0);
  if (line.ends_with('\r')) line.remove_suffix(1);
  named_ = separator_from(line.substr(kNamesSeparator.size()));
  if (named_) pass_line(bytes);
}

void CsvRecords::pass_line(std::size_t bytes) {
  at_ += bytes;
  record_line_ = line_++;
}

bool CsvRecords::at_line_end() const { return text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n"; }

void CsvRecords::skip_line_end() {
  at_ += text_[at_] == '\n' ? 1 : 2;
  ++line_;
}

bool CsvRecords::next(std::vector<std::string_view>& fields) {
  fields.clear();
  unquoted_.clear();
  while (!at_end() && at_line_end()) skip_line_end();
  if (at_end()) return false;
  record_line_ = line_;
  while (true) {
    fields.push_back(text_[at_] == '"' ? quoted() : plain());
    if (at_end()) return true;
    if (at_line_end()) {
      skip_line_end();
      return true;
    }
    if (text_[at_] != separator_) {
      throw DataError("[csv] expected a " + std::string(name_of_separator(separator_)) +
                      " or the end of the line after a closing quote (" + file_.string() + ", line " +
                      std::to_string(line_) + ")");
    }
    ++at_;
    if (at_end()) {  // a separator at the very end: one more field, which is empty
      fields.emplace_back();
      return true;
    }
  }
}

std::string_view CsvRecords::plain() {
  const std::size_t start = at_;
  while (!at_end() && text_[at_] != separator_ && text_[at_] != '\n') ++at_;
  if (!at_end() && text_[at_] == '\n' && at_ > start && text_[at_ - 1] == '\r') --at_;
  return trim(text_.substr(start, at_ - start));
}

// A field without doubled quotes is a part of the text; others are copied without every second one.
std::string_view CsvRecords::quoted() {
  const std::int64_t opened = line_;
  std::size_t start = ++at_;
  std::string* copy = nullptr;
  for (; !at_end(); ++at_) {
    if (text_[at_] == '\n') ++line_;
    if (text_[at_] != '"') continue;
    const std::string_view piece = text_.substr(start, at_ - start);
    ++at_;
    const bool is_doubled = !at_end() && text_[at_] == '"';
    if (!is_doubled && copy == nullptr) return piece;
    if (copy == nullptr) copy = &unquoted_.emplace_back();
    copy->append(piece);
    if (!is_doubled) return *copy;
    start = at_;  // the second quote belongs to the field
  }
  throw DataError("[csv] expected a closing quote, got the end of the file (" + file_.string() + ", line " +
                  std::to_string(opened) + ")");
}

}  // namespace hop::data
