#include "data/formats/csv.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
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

std::vector<std::string> class_names(const CsvTable& table) {
  const std::set<std::string> distinct(table.labels.begin(), table.labels.end());
  if (distinct.size() > kMaxCsvClasses) {
    throw DataError("[csv] expected at most 10,000 different labels, got " + std::to_string(distinct.size()) + " (" +
                    table.file.string() + "): is it the right label column?");
  }
  std::vector<std::string> names(distinct.begin(), distinct.end());
  if (std::ranges::all_of(names, [](const std::string& name) { return integer(name).has_value(); })) {
    std::ranges::stable_sort(names, {}, [](const std::string& name) { return *integer(name); });
  }
  return names;
}

class CsvSource final : public RowSource {
 public:
  CsvSource(CsvTable table, std::vector<std::string> names) : table_(std::move(table)), names_(std::move(names)) {
    std::map<std::string, std::int64_t> classes;
    for (std::size_t i = 0; i < names_.size(); ++i) classes[names_[i]] = static_cast<std::int64_t>(i);
    for (std::size_t row = 0; row < table_.labels.size(); ++row) {
      const auto found = classes.find(table_.labels[row]);
      if (found == classes.end()) {
        throw DataError("[csv] expected a label of the training rows, got \"" + table_.labels[row] + "\" (" +
                        table_.file.string() + ", line " + std::to_string(table_.lines[row]) + ")");
      }
      labels_.push_back(found->second);
    }
    table_.labels = {};
    table_.lines = {};
  }
  std::int64_t rows() const override { return static_cast<std::int64_t>(labels_.size()); }
  DType feature_dtype() const override { return DType::f32; }
  Shape feature_shape() const override { return {table_.width}; }
  std::int64_t classes() const override { return static_cast<std::int64_t>(names_.size()); }
  std::vector<std::string> class_names() const override { return names_; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    std::memcpy(features.data(), table_.features.data() + row * table_.width, features.size());
    return labels_[static_cast<std::size_t>(row)];
  }

 private:
  CsvTable table_;
  std::vector<std::string> names_;
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

RawData open_csv(std::span<const fs::path> files, const LabelColumn& label) {
  if (files.empty() || files.size() > 2) {
    throw DataError("[csv] expected 1 file or 2 (training rows, test rows), got " + std::to_string(files.size()));
  }
  CsvTable train = read_csv(files[0], label);
  RawData raw{.format = "csv", .train = nullptr, .test = nullptr, .files = {}};
  raw.files.push_back({files[0].filename().string(), train.bytes});
  const std::vector<std::string> names = class_names(train);
  const std::int64_t width = train.width;
  raw.train = std::make_unique<CsvSource>(std::move(train), names);
  if (files.size() == 2) {
    CsvTable test = read_csv(files[1], label);
    if (test.width != width) {
      throw DataError("[csv] expected " + std::to_string(width + 1) + " columns, as in the training rows, got " +
                      std::to_string(test.width + 1) + " (" + files[1].string() + ")");
    }
    raw.files.push_back({files[1].filename().string(), test.bytes});
    raw.test = std::make_unique<CsvSource>(std::move(test), names);
  }
  return raw;
}

}  // namespace hop::data
