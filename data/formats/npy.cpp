#include "data/formats/npy.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/formats/npy_array.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxClasses = 10'000;  // as in CSV: more are measurements

[[noreturn]] void fail(const std::string& message, const fs::path& file) {
  throw DataError("[npy] " + message + " (" + file.string() + ")");
}

std::string at_row(std::int64_t row) { return " (row " + std::to_string(row) + ")"; }

// Calls `use(number)` with the labels of each row, one after the other.
template <class Use>
void for_each_label(const NpyArray& array, Use use) {
  visit_dtype(array.dtype(), [&]<class T>(T) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(array.row_shape().numel()) * sizeof(T));
    for (std::int64_t row = 0; row < array.rows(); ++row) {
      array.read(row, bytes);
      for (std::size_t at = 0; at < bytes.size(); at += sizeof(T)) {
        T value{};
        std::memcpy(&value, bytes.data() + at, sizeof value);
        use(static_cast<double>(value), row);
      }
    }
  });
}

TargetKind kind_of_labels(const NpyArray& array) {
  if (array.row_shape().numel() != 1) return TargetKind::numbers;
  bool has_fraction = false;
  for_each_label(array, [&](double value, std::int64_t) { has_fraction |= std::floor(value) != value; });
  return has_fraction ? TargetKind::numbers : TargetKind::classes;
}

std::vector<std::int64_t> read_classes(const NpyArray& array) {
  if (array.row_shape().numel() != 1) {
    fail("expected labels (rows) or (rows, 1), got " + array.shape().to_string(), array.file());
  }
  std::vector<std::int64_t> labels;
  for_each_label(array, [&](double number, std::int64_t row) {
    if (!(std::floor(number) == number)) {
      fail("expected classes as labels, got " + shortest(number) + at_row(row) +
               ": to predict a number is regression, target = \"number\" and a loss such as \"mse\"",
           array.file());
    }
    if (number < 0 || number >= kMaxClasses) {
      fail("expected labels from 0 to " + std::to_string(kMaxClasses - 1) + ", got " + shortest(number) + at_row(row) +
               ": to predict a number, say target = \"number\"",
           array.file());
    }
    labels.push_back(static_cast<std::int64_t>(number));
  });
  return labels;
}

std::vector<float> read_numbers_of(const NpyArray& array) {
  if (array.shape().size() > 2 || array.row_shape().numel() < 1) {
    fail("expected numbers to predict (rows) or (rows, k), got " + array.shape().to_string(), array.file());
  }
  std::vector<float> numbers;
  for_each_label(array, [&](double number, std::int64_t row) {
    if (!(std::abs(number) <= std::numeric_limits<float>::max())) {
      fail("expected finite numbers to predict, got " + shortest(number) + at_row(row), array.file());
    }
    numbers.push_back(static_cast<float>(number));
  });
  return numbers;
}

class NpySource final : public RowSource {
 public:
  /// `train`: the source of the training rows; null for the training rows themselves.
  NpySource(const fs::path& features, const fs::path& labels, std::optional<TargetKind> target, const NpySource* train)
      : array_(features) {
    const NpyArray array(labels);
    files_ = {array_.source_file(), array.source_file()};
    if (array_.shape().size() < 2) fail("expected features (rows, ...), got " + array_.shape().to_string(), features);
    if (array.rows() != array_.rows()) {
      fail("expected " + std::to_string(array_.rows()) + " labels, as many as rows of features, got " +
               std::to_string(array.rows()),
           labels);
    }
    kind_ = target ? *target : train != nullptr ? train->kind_ : kind_of_labels(array);
    kind_ == TargetKind::classes ? take_classes(array, train) : take_numbers(array);
  }
  std::int64_t rows() const override { return array_.rows(); }
  DType feature_dtype() const override { return array_.dtype(); }
  Shape feature_shape() const override { return array_.row_shape(); }
  std::int64_t classes() const override { return classes_; }
  std::vector<std::string> number_names() const override { return std::vector<std::string>(columns_); }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    array_.read(row, features);
    check_finite(row, features);
    return kind_ == TargetKind::classes ? labels_[static_cast<std::size_t>(row)] : 0;
  }
  void read_numbers(std::int64_t row, std::span<float> numbers) const override {
    std::ranges::copy(std::span(numbers_).subspan(static_cast<std::size_t>(row) * columns_, columns_), numbers.begin());
  }
  const std::vector<SourceFile>& files() const { return files_; }
  TargetKind kind() const { return kind_; }

 private:
  // A model would answer such a row with NaN, and no model would learn anything.
  void check_finite(std::int64_t row, ByteView features) const {
    if (!is_floating(array_.dtype())) return;
    visit_dtype(array_.dtype(), [&]<class T>(T) {
      for (std::size_t i = 0; i < features.size() / sizeof(T); ++i) {
        T value{};
        std::memcpy(&value, features.data() + i * sizeof(T), sizeof value);
        if (std::isfinite(static_cast<double>(value))) continue;
        fail("expected finite features, got " + shortest(static_cast<double>(value)) + " (row " + std::to_string(row) +
                 ", element " + std::to_string(i) +
                 "): leave the row out, put a number there (numpy.nan_to_num), or write a CSV file, whose missing "
                 "values are filled",
             array_.file());
      }
    });
  }
  void take_classes(const NpyArray& array, const NpySource* train) {
    labels_ = read_classes(array);
    const auto largest = std::ranges::max_element(labels_);
    classes_ = train != nullptr ? train->classes_ : *largest + 1;
    if (*largest >= classes_) {
      fail("expected the labels of the training rows, below " + std::to_string(classes_) + ", got " +
               std::to_string(*largest) + at_row(largest - labels_.begin()),
           array.file());
    }
  }
  void take_numbers(const NpyArray& array) {
    numbers_ = read_numbers_of(array);
    columns_ = static_cast<std::size_t>(array.row_shape().numel());
  }

  NpyArray array_;
  TargetKind kind_ = TargetKind::classes;
  std::vector<std::int64_t> labels_;
  std::int64_t classes_ = 0;
  std::vector<float> numbers_;
  std::size_t columns_ = 0;  // of numbers
  std::vector<SourceFile> files_;
};

// Nothing, or both files.
std::vector<fs::path> pair_of(const fs::path& folder, const std::string& end) {
  const fs::path x = folder / ("x" + end + ".npy"), y = folder / ("y" + end + ".npy");
  if (!fs::exists(x) && !fs::exists(y)) return {};
  if (!fs::exists(x)) fail("expected " + x.filename().string() + " beside " + y.filename().string(), folder);
  if (!fs::exists(y)) fail("expected " + y.filename().string() + " beside " + x.filename().string(), folder);
  return {x, y};
}

}  // namespace

std::vector<fs::path> find_npy(const fs::path& folder) {
  std::vector<fs::path> files = pair_of(folder, "_train");
  if (files.empty()) files = pair_of(folder, "");
  if (files.empty()) return {};
  const std::vector<fs::path> test = pair_of(folder, "_test");
  files.insert(files.end(), test.begin(), test.end());
  return files;
}

RawData open_npy(std::span<const fs::path> files, std::optional<TargetKind> target) {
  if (files.size() != 2 && files.size() != 4) {
    throw DataError("[npy] expected 2 files (features, labels) or 4 (and of the test rows), got " +
                    std::to_string(files.size()));
  }
  RawData raw{.format = "npy", .train = nullptr, .test = nullptr, .files = {}};
  auto train = std::make_unique<NpySource>(files[0], files[1], target, nullptr);
  raw.files = train->files();
  if (files.size() == 4) {
    auto test = std::make_unique<NpySource>(files[2], files[3], target, train.get());
    raw.files.insert(raw.files.end(), test->files().begin(), test->files().end());
    raw.test = std::move(test);
  }
  if (train->kind() == TargetKind::numbers && !target) {
    raw.notes.push_back(files[1].filename().string() +
                        ": the labels are numbers: regression; target = \"class\" or \"number\" decides");
  }
  raw.train = std::move(train);
  return raw;
}

}  // namespace hop::data
