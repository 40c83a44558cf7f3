#include "data/formats/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_table.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

std::optional<std::int64_t> integer(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The distinct labels of the training rows, and the normal form in which labels are compared.
class Classes {
 public:
  explicit Classes(const CsvTable& table) {
    const std::set<std::string> distinct(table.labels.begin(), table.labels.end());
    check_kind(table, distinct);
    std::map<std::string, std::string> names;  // of each class: as it is written, if that is in one way
    for (const std::string& label : distinct) {
      const auto [name, is_new] = names.try_emplace(canonical(label), integer(label) ? label : canonical(label));
      if (!is_new) name->second = name->first;
    }
    check_count(table, names.size());
    for (const auto& [value, name] : names) names_.push_back(name);
    if (std::ranges::all_of(names_, [](const std::string& name) { return integer(name).has_value(); })) {
      std::ranges::stable_sort(names_, {}, [](const std::string& name) { return *integer(name); });
    }
    for (std::size_t i = 0; i < names_.size(); ++i) places_[canonical(names_[i])] = static_cast<std::int64_t>(i);
  }

  const std::vector<std::string>& names() const { return names_; }
  std::optional<std::int64_t> find(const std::string& label) const {
    const auto found = places_.find(canonical(label));
    return found == places_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  // Whole numbers are classes, in any notation of a table program: 1, 1.0, 1e0, 01. Other numbers are measurements.
  void check_kind(const CsvTable& table, const std::set<std::string>& distinct) {
    std::string fraction;
    for (const std::string& label : distinct) {
      const auto value = number_in(label);
      if (!value) return;
      if (fraction.empty() && std::floor(*value) != *value) fraction = label;
    }
    are_numbers_ = fraction.empty();
    if (are_numbers_) return;
    throw DataError("[csv] expected classes as labels, got numbers such as " + fraction + " (" +
                    std::to_string(distinct.size()) + " different ones in " + label_column(table) + ", " +
                    table.file.string() +
                    "): to predict a number is regression, which is not supported; is it the right label column? "
                    "For classes, write whole numbers or words");
  }

  static void check_count(const CsvTable& table, std::size_t count) {
    const std::string column = " in " + label_column(table) + " of " + table.file.string();
    if (count > kMaxCsvClasses) {
      throw DataError("[csv] expected at most 10,000 different labels, got " + std::to_string(count) + column +
                      ": is it the right label column?");
    }
    if (count > kFewestSuspicious && 2 * count > table.labels.size()) {
      throw DataError("[csv] expected labels that repeat, got " + std::to_string(count) + " different ones in " +
                      std::to_string(table.labels.size()) + " rows" + column +
                      ": it looks like a name or a measurement; is it the right label column?");
    }
  }

  static std::string label_column(const CsvTable& table) {
    const std::string place = "column " + std::to_string(table.label_place);
    return table.header.empty() ? place : place + " \"" + table.header[table.label_place] + "\"";
  }

  std::string canonical(const std::string& label) const {
    if (!are_numbers_) return label;
    if (const auto whole = integer(label)) return std::to_string(*whole);
    const auto value = number_in(label);
    constexpr double kWhole = 9e15;  // below it a double holds every whole number
    if (!value || std::floor(*value) != *value || std::abs(*value) > kWhole) return label;
    return std::to_string(static_cast<std::int64_t>(*value));
  }

  static constexpr std::size_t kFewestSuspicious = 100;
  bool are_numbers_ = false;
  std::vector<std::string> names_;
  std::map<std::string, std::int64_t> places_;
};

class CsvSource final : public RowSource {
 public:
  CsvSource(CsvTable table, const Classes& classes, std::vector<std::string> feature_names)
      : table_(std::move(table)), names_(classes.names()), feature_names_(std::move(feature_names)) {
    for (std::size_t row = 0; row < table_.labels.size(); ++row) {
      const auto label = classes.find(table_.labels[row]);
      if (!label) {
        throw DataError("[csv] expected a label of the training rows, got \"" + printable(table_.labels[row]) + "\" (" +
                        table_.file.string() + ", line " + std::to_string(table_.lines[row]) + ")");
      }
      labels_.push_back(*label);
    }
    table_.labels = {};
    table_.lines = {};
  }
  std::int64_t rows() const override { return static_cast<std::int64_t>(labels_.size()); }
  DType feature_dtype() const override { return DType::f32; }
  Shape feature_shape() const override { return {table_.width}; }
  std::int64_t classes() const override { return static_cast<std::int64_t>(names_.size()); }
  std::vector<std::string> class_names() const override { return names_; }
  std::vector<std::string> feature_names() const override { return feature_names_; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    std::memcpy(features.data(), table_.features.data() + row * table_.width, features.size());
    return labels_[static_cast<std::size_t>(row)];
  }

 private:
  CsvTable table_;
  std::vector<std::string> names_, feature_names_;
  std::vector<std::int64_t> labels_;
};

}  // namespace

std::vector<fs::path> find_csv(const fs::path& folder) {
  if (fs::exists(folder / "train.csv")) {
    std::vector<fs::path> files = {folder / "train.csv"};
    if (fs::exists(folder / "test.csv")) files.push_back(folder / "test.csv");
    return files;
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string extension = entry.path().extension().string();
    if (entry.is_regular_file() && (extension == ".csv" || extension == ".data")) files.push_back(entry.path());
  }
  if (files.size() > 1) {
    throw DataError("[csv] expected train.csv or a single .csv or .data file, got " + std::to_string(files.size()) +
                    " (" + folder.string() + ")");
  }
  return files;
}

RawData open_csv(std::span<const fs::path> files, const CsvOptions& options) {
  if (files.empty() || files.size() > 2) {
    throw DataError("[csv] expected 1 file or 2 (training rows, test rows), got " + std::to_string(files.size()));
  }
  if (options.header == false && std::holds_alternative<std::string>(options.label)) {
    throw ConfigError("[csv] expected the label's column by its number where header = false, got the name \"" +
                      printable(std::get<std::string>(options.label)) + "\"");
  }
  CsvTable train = read_csv(files[0], options);
  RawData raw{.format = "csv", .train = nullptr, .test = nullptr, .files = {train.source}, .notes = train.notes};
  const Classes classes(train);
  const std::vector<std::string> feature_names = train.feature_names();
  if (files.size() == 2) {
    CsvTable test = read_csv(files[1], options, &train);
    raw.files.push_back(test.source);
    raw.notes.insert(raw.notes.end(), test.notes.begin(), test.notes.end());
    raw.test = std::make_unique<CsvSource>(std::move(test), classes, feature_names);
  }
  raw.train = std::make_unique<CsvSource>(std::move(train), classes, feature_names);
  return raw;
}

}  // namespace hop::data
