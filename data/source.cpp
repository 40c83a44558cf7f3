#include "data/source.h"

#include <cstring>
#include <utility>

#include "base/error.h"
#include "data/manifest_internal.h"
#include "data/mapped_file.h"

namespace hop::data {
namespace {

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

class TensorSource final : public RowSource {
 public:
  TensorSource(Tensor features, Tensor labels, std::int64_t classes, std::vector<std::string> names)
      : features_(std::move(features)), labels_(std::move(labels)), classes_(classes), names_(std::move(names)) {
    if (!features_.defined() || features_.dim() < 1 || !features_.is_contiguous()) {
      throw ShapeError("[tensors] expected contiguous features (rows, ...), got " + features_.describe());
    }
    if (!features_.device().is_cpu() || (labels_.defined() && !labels_.device().is_cpu())) {
      throw DeviceError("[tensors] expected features and labels on the CPU, got " + features_.describe() + " and " +
                        labels_.describe());
    }
    check_labels(labels_, rows(), classes_);
    if (!names_.empty() && std::cmp_not_equal(names_.size(), classes_)) {
      throw DataError("[tensors] expected one name per class, got " + std::to_string(names_.size()) + " for " +
                      std::to_string(classes_));
    }
  }
  std::int64_t rows() const override { return features_.size(0); }
  DType feature_dtype() const override { return features_.dtype(); }
  Shape feature_shape() const override { return Shape(std::span<const std::int64_t>(features_.shape()).subspan(1)); }
  std::int64_t classes() const override { return classes_; }
  std::vector<std::string> class_names() const override { return names_; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    const auto offset = static_cast<std::size_t>(row) * features.size();
    std::memcpy(features.data(), features_.raw_data() + offset, features.size());
    return labels_.data<std::int64_t>()[row];
  }

 private:
  Tensor features_;
  Tensor labels_;
  std::int64_t classes_;
  std::vector<std::string> names_;
};

}  // namespace

SourceFile source_file(const MappedFile& file) {
  return {name_in_manifest(file.file()), file.bytes().size(), file.digest()};
}

std::unique_ptr<RowSource> tensor_source(Tensor features, Tensor labels, std::int64_t classes,
                                         std::vector<std::string> class_names) {
  return std::make_unique<TensorSource>(std::move(features), std::move(labels), classes, std::move(class_names));
}

}  // namespace hop::data
