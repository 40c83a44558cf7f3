#include "data/formats/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/class_places.h"
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
      const std::string canonical = canonical_label(label, are_numbers_);
      const auto [name, is_new] = names.try_emplace(canonical, integer(label) ? label : canonical);
      if (!is_new) name->second = name->first;
    }
    check_count(table, names.size());
    for (const auto& [value, name] : names) names_.push_back(name);
    if (std::ranges::all_of(names_, [](const std::string& name) { return integer(name).has_value(); })) {
      std::ranges::stable_sort(names_, {}, [](const std::string& name) { return *integer(name); });
    }
    places_ = ClassPlaces(names_);
  }

  const std::vector<std::string>& names() const { return names_; }

  /// The class of each label of a table, by the label's number. Throws DataError for a label that is no class.
  std::vector<std::int64_t> of(const CsvTable& table) const {
    std::vector<std::int64_t> classes;
    for (const std::string& label : table.labels.words.words()) {
      const auto found = places_.find(label);
      if (!found) {
        throw DataError("[csv] expected a label of the training rows, got \"" + printable(label) + "\" (" +
                        table.file.string() + ", line " + std::to_string(table.labels.lines[classes.size()]) + ")");
      }
      classes.push_back(*found);
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
                    "): to predict a number is regression, which needs loss = \"mse\" or another loss of numbers (or "
                    "target = \"number\"); is it the right label column? For classes, write whole numbers or words");
  }

  static void check_count(const CsvTable& table, std::size_t count) {
    const std::string column = " in " + label_column(table) + " of " + table.file.string();
    if (table.labels.too_many || count > kMaxCsvClasses) {
      throw DataError("[csv] expected at most 10,000 different labels, got more" + column +
                      ": is it the right label column?" + kSayNumber);
    }
    if (count > kFewestSuspicious && std::cmp_greater(2 * count, table.rows())) {
      throw DataError("[csv] expected labels that repeat, got " + std::to_string(count) + " different ones in " +
                      std::to_string(table.rows()) + " rows" + column +
                      ": it looks like a name or a measurement; is it the right label column?" + kSayNumber);
    }
  }

  static std::string label_column(const CsvTable& table) { return table.title(table.places.labels[0]); }

  static constexpr const char* kSayNumber = " To predict a number, say target = \"number\", or a loss such as \"mse\"";
  static constexpr std::size_t kFewestSuspicious = 100;
  bool are_numbers_ = false;
  std::vector<std::string> names_;
  ClassPlaces places_;
};

// All columns of the training file. A column has missing values if it has some in either table.
std::vector<RawColumn> raw_columns(const CsvTable& train, const CsvTable* test, const CsvOptions& options) {
  std::vector<RawColumn> columns;
  std::size_t feature = 0;
  for (std::size_t place = 0; place < train.places.width; ++place) {
    RawColumn& column = columns.emplace_back();
    if (!train.header.empty()) column.name = train.header[place];
    column.place = static_cast<std::int64_t>(place);
    const bool is_label = std::ranges::find(train.places.labels, place) != train.places.labels.end();
    column.kind = is_label ? ColumnKind::label : train.places.rules[place]->kind;
    if (column.kind != ColumnKind::number && column.kind != ColumnKind::category) continue;
    const CsvFeature& read = train.features[feature];
    column.scale = read.rule->scale;
    column.missing = options.missing;
    column.has_missing = read.numbers.missing > 0 || (test != nullptr && test->features[feature].numbers.missing > 0);
    if (read.words) {
      column.categories = options.categories;
      const auto& words = read.words->words();
      column.words = std::make_shared<const std::vector<std::string>>(words.begin(), words.end());
    }
    ++feature;
  }
  return columns;
}

/// The rows of a table. What differs between classes and numbers to predict is the label.
class CsvSource : public RowSource {
 public:
  CsvSource(CsvTable table, std::vector<RawColumn> columns) : table_(std::move(table)), columns_(std::move(columns)) {}
  std::int64_t rows() const override { return table_.rows(); }
  DType feature_dtype() const override { return DType::f32; }
  Shape feature_shape() const override { return {static_cast<std::int64_t>(table_.features.size())}; }
  std::vector<RawColumn> table() const override { return columns_; }
  std::vector<std::string> feature_names() const override {
    std::vector<std::string> names;
    for (const RawColumn& column : columns_) {
      if (column.kind == ColumnKind::number || column.kind == ColumnKind::category) names.push_back(column.name);
    }
    return names;
  }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    const std::vector<std::byte> stored = read_stored(row, 1);
    std::memcpy(features.data(), stored.data(), features.size());
    std::int64_t label = 0;
    copy_label(stored.data(), reinterpret_cast<std::byte*>(&label));
    return label;
  }
  bool has_weights() const override { return table_.places.weight.has_value(); }
  float read_weight(std::int64_t row) const override {
    float weight = 0;
    std::memcpy(&weight, weight_in(read_stored(row, 1).data()), sizeof weight);
    return weight;
  }
  void read_many(std::int64_t first, MutableByteView records) const override {
    const std::size_t features = feature_bytes(), weight = weight_bytes(), stride = record_bytes();
    const std::vector<std::byte> stored = read_stored(first, records.size() / stride);
    for (const std::byte* from = stored.data(); !records.empty(); from += table_.store.stride()) {
      std::memcpy(records.data(), from, features);
      std::memcpy(records.data() + features, weight_in(from), weight);
      copy_label(from, records.data() + features + weight);
      records = records.subspan(stride);
    }
  }

 protected:
  const CsvTable& contents() const { return table_; }
  std::vector<std::byte> read_stored(std::int64_t first, std::size_t rows) const {
    std::vector<std::byte> stored(rows * table_.store.stride());
    table_.store.read_many(first + table_.skipped, stored);
    return stored;
  }
  /// From a row of the store to label_bytes() bytes.
  virtual void copy_label(const std::byte* stored, std::byte* label) const = 0;

 private:
  // The last number of a row.
  const std::byte* weight_in(const std::byte* stored) const {
    return stored + table_.store.row_bytes() - sizeof(float);
  }

  CsvTable table_;
  std::vector<RawColumn> columns_;
};

class CsvClasses final : public CsvSource {
 public:
  CsvClasses(CsvTable table, const Classes& classes, std::vector<RawColumn> columns)
      : CsvSource(std::move(table), std::move(columns)), names_(classes.names()), class_of_(classes.of(contents())) {}
  std::int64_t classes() const override { return static_cast<std::int64_t>(names_.size()); }
  std::vector<std::string> class_names() const override { return names_; }

 private:
  void copy_label(const std::byte* stored, std::byte* label) const override {
    std::uint32_t word = 0;
    std::memcpy(&word, stored + contents().store.stride() - sizeof word, sizeof word);
    std::memcpy(label, &class_of_[word], sizeof(std::int64_t));
  }

  std::vector<std::string> names_;
  std::vector<std::int64_t> class_of_;  // by the number of the label's word
};

class CsvNumbers final : public CsvSource {
 public:
  using CsvSource::CsvSource;
  std::int64_t classes() const override { return 0; }
  std::vector<std::string> number_names() const override {
    std::vector<std::string> names;
    for (const std::size_t place : contents().places.labels) {
      names.push_back(contents().header.empty() ? "" : contents().header[place]);
    }
    return names;
  }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    std::memcpy(features.data(), read_stored(row, 1).data(), features.size());
    return 0;
  }
  void read_numbers(std::int64_t row, std::span<float> numbers) const override {
    std::memcpy(numbers.data(), read_stored(row, 1).data() + feature_bytes(), numbers.size_bytes());
  }

 private:
  void copy_label(const std::byte* stored, std::byte* label) const override {
    std::memcpy(label, stored + feature_bytes(), contents().places.labels.size() * sizeof(float));
  }
};

// Both files of one kind of label.
void make_sources(RawData& raw, CsvTable train, std::optional<CsvTable> test, const CsvOptions& options) {
  const std::vector<RawColumn> columns = raw_columns(train, test ? &*test : nullptr, options);
  if (train.labels.kind() == TargetKind::numbers) {
    if (test) raw.test = std::make_unique<CsvNumbers>(std::move(*test), columns);
    raw.train = std::make_unique<CsvNumbers>(std::move(train), columns);
    return;
  }
  const Classes classes(train);
  if (test) raw.test = std::make_unique<CsvClasses>(std::move(*test), classes, columns);
  raw.train = std::make_unique<CsvClasses>(std::move(train), classes, columns);
}

// Several label columns are numbers to predict.
CsvOptions checked(CsvOptions options) {
  const std::vector<ColumnPlace> labels = label_columns(options.label);
  if (labels.empty()) throw ConfigError("[csv] expected a label column, got none");
  const auto by_name = std::ranges::find_if(
      labels, [](const ColumnPlace& column) { return std::holds_alternative<std::string>(column); });
  if (options.header == false && by_name != labels.end()) {
    throw ConfigError("[csv] expected the label's column by its number where header = false, got the name \"" +
                      printable(std::get<std::string>(*by_name)) + "\"");
  }
  if (labels.size() == 1) return options;
  if (options.target == TargetKind::classes) {
    throw ConfigError("[csv] expected one label column for classes, got " + to_string(options.label) +
                      ": several columns are numbers to predict, target = \"number\" with a loss such as \"mse\"");
  }
  options.target = TargetKind::numbers;
  return options;
}

std::vector<fs::path> files_ending_in(const std::set<std::string>& extensions, const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && extensions.contains(entry.path().extension().string())) {
      files.push_back(entry.path());
    }
  }
  return files;
}

}  // namespace

std::vector<fs::path> find_csv(const fs::path& folder) {
  if (fs::exists(folder / "train.csv")) {
    std::vector<fs::path> files = {folder / "train.csv"};
    if (fs::exists(folder / "test.csv")) files.push_back(folder / "test.csv");
    return files;
  }
  std::vector<fs::path> files = files_ending_in({".csv", ".data"}, folder);
  if (files.empty()) files = files_ending_in({".tsv"}, folder);
  if (files.size() > 1) {
    throw DataError("[csv] expected train.csv or a single .csv, .data or .tsv file, got " +
                    std::to_string(files.size()) + " (" + folder.string() + ")");
  }
  return files;
}

RawData open_csv(std::span<const fs::path> files, const CsvOptions& options) {
  if (files.empty() || files.size() > 2) {
    throw DataError("[csv] expected 1 file or 2 (training rows, test rows), got " + std::to_string(files.size()));
  }
  CsvOptions settings = checked(options);
  CsvTable train = read_csv(files[0], settings);
  RawData raw{.format = "csv",
              .train = nullptr,
              .test = nullptr,
              .files = {train.source},
              .notes = train.notes,
              .separator = train.separator};
  std::optional<CsvTable> test;
  if (files.size() == 2) {
    settings.target = train.labels.kind();
    test = read_csv(files[1], settings, &train);
    raw.files.push_back(test->source);
    raw.notes.insert(raw.notes.end(), test->notes.begin(), test->notes.end());
  }
  make_sources(raw, std::move(train), std::move(test), options);
  return raw;
}

}  // namespace hop::data
