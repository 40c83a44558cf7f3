#include "data/source.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/manifest_internal.h"
#include "data/mapped_file.h"

namespace hop::data {
namespace {

void check_features(const Tensor& features, const Tensor& labels) {
  if (!features.defined() || features.dim() < 1 || !features.is_contiguous()) {
    throw ShapeError("[tensors] expected contiguous features (rows, ...), got " + features.describe());
  }
  if (!features.device().is_cpu() || (labels.defined() && !labels.device().is_cpu())) {
    throw DeviceError("[tensors] expected features and labels on the CPU, got " + features.describe() + " and " +
                      labels.describe());
  }
}

void check_labels(const Tensor& labels, std::int64_t rows, std::int64_t classes) {
  if (!labels.defined() || labels.dtype() != DType::i64)
    throw DtypeError("[tensors] expected i64 labels, got " + labels.describe());
  if (labels.dim() != 1 || labels.size(0) != rows || !labels.is_contiguous()) {
    throw ShapeError("[tensors] expected " + std::to_string(rows) + " contiguous labels, got " + labels.describe());
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t label = labels.data<std::int64_t>()[i];
    if (label < 0 || label >= classes) {
      throw DataError("[tensors] expected labels below " + std::to_string(classes) + ", got " + std::to_string(label) +
                      " (row " + std::to_string(i) + ")");
    }
  }
}

// Columns of numbers to predict.
std::int64_t check_numbers(const Tensor& numbers, std::int64_t rows) {
  if (!numbers.defined() || numbers.dtype() != DType::f32)
    throw DtypeError("[tensors] expected f32 numbers to predict, got " + numbers.describe());
  const bool is_table = numbers.dim() == 1 || (numbers.dim() == 2 && numbers.size(1) > 0);
  if (!is_table || numbers.size(0) != rows || !numbers.is_contiguous()) {
    throw ShapeError("[tensors] expected contiguous numbers to predict, (" + std::to_string(rows) + ") or (" +
                     std::to_string(rows) + ", k), got " + numbers.describe());
  }
  const std::int64_t columns = numbers.dim() == 1 ? 1 : numbers.size(1);
  for (std::int64_t i = 0; i < numbers.numel(); ++i) {
    const float number = numbers.data<float>()[i];
    if (std::isfinite(number)) continue;
    throw DataError("[tensors] expected finite numbers to predict, got " + shortest(number) + " (row " +
                    std::to_string(i / columns) + ")");
  }
  return columns;
}

class TensorSource : public RowSource {
 public:
  explicit TensorSource(Tensor features) : features_(std::move(features)) {}
  std::int64_t rows() const override { return features_.size(0); }
  DType feature_dtype() const override { return features_.dtype(); }
  Shape feature_shape() const override { return Shape(std::span<const std::int64_t>(features_.shape()).subspan(1)); }

 protected:
  void copy(std::int64_t row, MutableByteView features) const {
    const auto offset = static_cast<std::size_t>(row) * features.size();
    std::memcpy(features.data(), features_.raw_data() + offset, features.size());
  }

 private:
  Tensor features_;
};

class ClassTensors final : public TensorSource {
 public:
  ClassTensors(Tensor features, Tensor labels, std::int64_t classes, std::vector<std::string> names)
      : TensorSource(std::move(features)), labels_(std::move(labels)), classes_(classes), names_(std::move(names)) {
    check_labels(labels_, rows(), classes_);
    if (!names_.empty() && std::cmp_not_equal(names_.size(), classes_)) {
      throw DataError("[tensors] expected one name per class, got " + std::to_string(names_.size()) + " for " +
                      std::to_string(classes_));
    }
  }
  std::int64_t classes() const override { return classes_; }
  std::vector<std::string> class_names() const override { return names_; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    copy(row, features);
    return labels_.data<std::int64_t>()[row];
  }

 private:
  Tensor labels_;
  std::int64_t classes_;
  std::vector<std::string> names_;
};

class NumberTensors final : public TensorSource {
 public:
  NumberTensors(Tensor features, Tensor numbers, std::vector<std::string> names)
      : TensorSource(std::move(features)), numbers_(std::move(numbers)), names_(std::move(names)) {
    const std::int64_t columns = check_numbers(numbers_, rows());
    if (names_.empty()) names_.resize(static_cast<std::size_t>(columns));
    if (std::cmp_equal(names_.size(), columns)) return;
    throw DataError("[tensors] expected one name per number to predict, got " + std::to_string(names_.size()) +
                    " for " + std::to_string(columns));
  }
  std::int64_t classes() const override { return 0; }
  std::vector<std::string> number_names() const override { return names_; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    copy(row, features);
    return 0;
  }
  void read_numbers(std::int64_t row, std::span<float> numbers) const override {
    std::memcpy(numbers.data(), numbers_.data<float>() + static_cast<std::size_t>(row) * numbers.size(),
                numbers.size_bytes());
  }

 private:
  Tensor numbers_;
  std::vector<std::string> names_;
};

}  // namespace

void RowSource::read_numbers(std::int64_t, std::span<float>) const {
  throw DataError("[data] expected a source that has numbers to predict, got one of classes");
}

std::size_t RowSource::label_bytes() const {
  const std::vector<std::string> numbers = number_names();
  return numbers.empty() ? sizeof(std::int64_t) : numbers.size() * sizeof(float);
}

std::size_t RowSource::feature_bytes() const {
  return static_cast<std::size_t>(feature_shape().numel()) * size_of(feature_dtype());
}

std::size_t RowSource::weight_bytes() const { return has_weights() ? sizeof(float) : 0; }

std::size_t RowSource::record_bytes() const { return feature_bytes() + weight_bytes() + label_bytes(); }

void RowSource::read_many(std::int64_t first, MutableByteView records) const {
  const std::size_t stride = record_bytes(), label_size = label_bytes(), weight_size = weight_bytes();
  const bool are_numbers = !number_names().empty();
  std::vector<float> numbers(are_numbers ? label_size / sizeof(float) : 0);
  AlignedBuffer features(feature_bytes());  // a source may write elements, which a record need not align
  for (; !records.empty(); records = records.subspan(stride), ++first) {
    const std::int64_t label = read(first, features.span());
    std::memcpy(records.data(), features.data(), features.size());
    const float weight = weight_size > 0 ? read_weight(first) : 1;
    std::memcpy(records.data() + features.size(), &weight, weight_size);
    if (are_numbers) read_numbers(first, numbers);
    const void* from = are_numbers ? static_cast<const void*>(numbers.data()) : &label;
    std::memcpy(records.data() + stride - label_size, from, label_size);
  }
}

SourceFile source_file(const MappedFile& file) {
  return {name_in_manifest(file.file()), file.bytes().size(), file.digest()};
}

std::unique_ptr<RowSource> tensor_source(Tensor features, Tensor labels, std::int64_t classes,
                                         std::vector<std::string> class_names) {
  check_features(features, labels);
  return std::make_unique<ClassTensors>(std::move(features), std::move(labels), classes, std::move(class_names));
}

std::unique_ptr<RowSource> tensor_source(Tensor features, Tensor numbers, std::vector<std::string> names) {
  check_features(features, numbers);
  return std::make_unique<NumberTensors>(std::move(features), std::move(numbers), std::move(names));
}

}  // namespace hop::data
