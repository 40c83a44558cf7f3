#include "data/formats/npy.h"

#include <algorithm>
#include <cmath>
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

std::vector<std::int64_t> read_labels(const NpyArray& array) {
  if (array.row_shape().numel() != 1) {
    fail("expected labels (rows) or (rows, 1), got " + array.shape().to_string(), array.file());
  }
  std::vector<std::int64_t> labels(static_cast<std::size_t>(array.rows()));
  visit_dtype(array.dtype(), [&]<class T>(T) {
    for (std::size_t row = 0; row < labels.size(); ++row) {
      T value{};
      array.read(static_cast<std::int64_t>(row), std::as_writable_bytes(std::span(&value, 1)));
      const auto number = static_cast<double>(value);
      const std::string where = " (row " + std::to_string(row) + ")";
      if (!(std::floor(number) == number)) {
        fail("expected classes as labels, got " + shortest(number) + where +
                 ": to predict a number is regression, which is not supported",
             array.file());
      }
      if (number < 0 || number >= kMaxClasses) {
        fail("expected labels from 0 to " + std::to_string(kMaxClasses - 1) + ", got " + shortest(number) + where,
             array.file());
      }
      labels[row] = static_cast<std::int64_t>(number);
    }
  });
  return labels;
}

class NpySource final : public RowSource {
 public:
  /// `classes`: of the training rows; none for the training rows themselves.
  NpySource(const fs::path& features, const fs::path& labels, std::optional<std::int64_t> classes) : array_(features) {
    const NpyArray array(labels);
    files_ = {array_.source_file(), array.source_file()};
    if (array_.shape().size() < 2) fail("expected features (rows, ...), got " + array_.shape().to_string(), features);
    if (array.rows() != array_.rows()) {
      fail("expected " + std::to_string(array_.rows()) + " labels, as many as rows of features, got " +
               std::to_string(array.rows()),
           labels);
    }
    labels_ = read_labels(array);
    const auto largest = std::ranges::max_element(labels_);
    classes_ = classes.value_or(*largest + 1);
    if (*largest >= classes_) {
      fail("expected the labels of the training rows, below " + std::to_string(classes_) + ", got " +
               std::to_string(*largest) + " (row " + std::to_string(largest - labels_.begin()) + ")",
           labels);
    }
  }
  std::int64_t rows() const override { return array_.rows(); }
  DType feature_dtype() const override { return array_.dtype(); }
  Shape feature_shape() const override { return array_.row_shape(); }
  std::int64_t classes() const override { return classes_; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    array_.read(row, features);
    return labels_[static_cast<std::size_t>(row)];
  }
  const std::vector<SourceFile>& files() const { return files_; }

 private:
  NpyArray array_;
  std::vector<std::int64_t> labels_;
  std::int64_t classes_ = 0;
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

RawData open_npy(std::span<const fs::path> files) {
  if (files.size() != 2 && files.size() != 4) {
    throw DataError("[npy] expected 2 files (features, labels) or 4 (and of the test rows), got " +
                    std::to_string(files.size()));
  }
  RawData raw{.format = "npy", .train = nullptr, .test = nullptr, .files = {}};
  std::optional<std::int64_t> classes;
  for (std::size_t i = 0; i < files.size(); i += 2) {
    auto source = std::make_unique<NpySource>(files[i], files[i + 1], classes);
    classes = source->classes();
    raw.files.insert(raw.files.end(), source->files().begin(), source->files().end());
    (i == 0 ? raw.train : raw.test) = std::move(source);
  }
  return raw;
}

}  // namespace hop::data
