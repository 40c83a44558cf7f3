#include "data/formats/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_table_internal.h"

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
    const auto& words = table.labels.words.words();
    const std::set<std::string> distinct(words.begin(), words.end());
    check_kind(table, distinct);
    std::map<std::string, std::string>
        names;  // of each class: as the file writes it, if it always writes it the same way
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

  /// The class of each label of a table, by the label's number. Throws DataError for a label that is no class.
  std::vector<std::int64_t> of(const CsvTable& table) const {
    std::vector<std::int64_t> classes;
    for (const std::string& label : table.labels.words.words()) {
      const auto found = places_.find(canonical(label));
      if (found == places_.end()) {
        throw DataError("[csv] expected a label of the training rows, got \"" + printable(label) + "\" (" +
                        table.file.string() + ", line " + std::to_string(table.labels.lines[classes.size()]) + ")");
      }
      classes.push_back(found->second);
    }
    return classes;
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
                    (table.labels.too_many ? "more than " : "") + std::to_string(distinct.size()) +
                    " different ones in " + label_column(table) + ", " + table.file.string() +
                    "): to predict a number is regression, which is not supported; is it the right label column? "
                    "For classes, write whole numbers or words");
  }

  static void check_count(const CsvTable& table, std::size_t count) {
    const std::string column = " in " + label_column(table) + " of " + table.file.string();
    if (table.labels.too_many || count > kMaxCsvClasses) {
      throw DataError("[csv] expected at most 10,000 different labels, got more" + column +
                      ": is it the right label column?");
    }
    if (count > kFewestSuspicious && std::cmp_greater(2 * count, table.rows())) {
      throw DataError("[csv] expected labels that repeat, got " + std::to_string(count) + " different ones in " +
                      std::to_string(table.rows()) + " rows" + column +
                      ": it looks like a name or a measurement; is it the right label column?");
    }
  }

  static std::string label_column(const CsvTable& table) { return table.title(table.places.label); }

  std::string canonical(const std::string& label) const {
    const auto whole = are_numbers_ ? whole_number_in(label) : std::nullopt;
    return whole ? std::to_string(*whole) : label;
  }

  static constexpr std::size_t kFewestSuspicious = 100;
  bool are_numbers_ = false;
  std::vector<std::string> names_;
  std::map<std::string, std::int64_t> places_;
};

// All columns of the training file. A column has missing values if it has some in either table.
std::vector<RawColumn> raw_columns(const CsvTable& train, const CsvTable* test, MissingValues missing) {
  std::vector<RawColumn> columns;
  std::size_t feature = 0;
  for (std::size_t place = 0; place < train.places.width; ++place) {
    RawColumn& column = columns.emplace_back();
    if (!train.header.empty()) column.name = train.header[place];
    column.place = static_cast<std::int64_t>(place);
    column.kind = place == train.places.label ? ColumnKind::label : train.places.rules[place]->kind;
    if (column.kind == ColumnKind::label || column.kind == ColumnKind::ignored) continue;
    const CsvFeature& read = train.features[feature];
    column.scale = read.rule->scale;
    column.missing = missing;
    column.has_missing = read.numbers.missing > 0 || (test != nullptr && test->features[feature].numbers.missing > 0);
    if (read.words) {
      const auto& words = read.words->words();
      column.words = std::make_shared<const std::vector<std::string>>(words.begin(), words.end());
    }
    ++feature;
  }
  return columns;
}

class CsvSource final : public RowSource {
 public:
  CsvSource(CsvTable table, const Classes& classes, std::vector<RawColumn> columns)
      : table_(std::move(table)),
        names_(classes.names()),
        class_of_(classes.of(table_)),
        columns_(std::move(columns)) {}
  std::int64_t rows() const override { return table_.rows(); }
  DType feature_dtype() const override { return DType::f32; }
  Shape feature_shape() const override { return {static_cast<std::int64_t>(table_.features.size())}; }
  std::int64_t classes() const override { return static_cast<std::int64_t>(names_.size()); }
  std::vector<std::string> class_names() const override { return names_; }
  std::vector<RawColumn> table() const override { return columns_; }
  std::vector<std::string> feature_names() const override {
    std::vector<std::string> names;
    for (const RawColumn& column : columns_) {
      if (column.kind == ColumnKind::number || column.kind == ColumnKind::category) names.push_back(column.name);
    }
    return names;
  }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    return class_of_[table_.store.read(row + table_.skipped, features)];
  }

 private:
  CsvTable table_;
  std::vector<std::string> names_;
  std::vector<std::int64_t> class_of_;  // by the label's number
  std::vector<RawColumn> columns_;
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
  std::optional<CsvTable> test;
  if (files.size() == 2) {
    test = read_csv(files[1], options, &train);
    raw.files.push_back(test->source);
    raw.notes.insert(raw.notes.end(), test->notes.begin(), test->notes.end());
  }
  const Classes classes(train);
  const std::vector<RawColumn> columns = raw_columns(train, test ? &*test : nullptr, options.missing);
  if (test) raw.test = std::make_unique<CsvSource>(std::move(*test), classes, columns);
  raw.train = std::make_unique<CsvSource>(std::move(train), classes, columns);
  return raw;
}

}  // namespace hop::data
