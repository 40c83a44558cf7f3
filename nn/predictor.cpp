#include "nn/predictor.h"

#include <algorithm>
#include <utility>

#include "autograd/grad_mode.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/view.h"

namespace hop::nn {
namespace {

constexpr std::int64_t kBatch = 256;  // rows per call of the module: bounds the memory between its layers

Shape batch_of(std::int64_t rows, const Shape& row) {
  Shape shape = {rows};
  for (const std::int64_t size : row) shape.push_back(size);
  return shape;
}

}  // namespace

Predictor::Predictor(std::shared_ptr<Module> module, data::RowSchema schema, Output output,
                     ModelDescription description)
    : module_(std::move(module)),
      schema_(std::move(schema)),
      output_(output),
      scaling_(output, schema_.target.columns, Device::cpu()),
      description_(std::move(description)) {
  module_->eval();
}

std::string Predictor::class_name(std::int64_t index) const {
  const std::vector<std::string>& names = target().class_names;
  return names.empty() ? std::to_string(index) : names[static_cast<std::size_t>(index)];
}

data::RowEncoder& Predictor::encoder() {
  if (encoder_ == nullptr) encoder_ = std::make_shared<data::RowEncoder>(schema_);
  return *encoder_;
}

Predictions Predictor::predict(const Tensor& rows) {
  data::RowEncoder& encoder = this->encoder();
  const auto columns = static_cast<std::int64_t>(encoder.columns());
  const std::int64_t count = rows.dim() == 0 ? 0 : rows.size(0);
  const bool is_image = !schema_.table && rows.shape() == batch_of(count, schema_.features.shape);
  if (!is_image && rows.shape() != Shape{count, columns}) {
    const std::string image =
        schema_.features.shape.size() > 1 ? " or (N, ..) of " + schema_.features.shape.to_string() : "";
    throw ShapeError("[predict] expected rows (N, " + std::to_string(columns) + ")" + image + ", got " +
                     rows.shape().to_string());
  }
  const Tensor numbers = kernels::contiguous(kernels::cast(kernels::to_device(rows, Device::cpu()), DType::f64));
  const Tensor inputs = Tensor::empty({count, encoder.inputs()}, DType::f32);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::span<const double> row(numbers.data<double>() + i * columns, static_cast<std::size_t>(columns));
    encoder.encode(row, {.number = i},
                   {inputs.data<float>() + i * encoder.inputs(), static_cast<std::size_t>(encoder.inputs())});
  }
  return predict_encoded(inputs);
}

Predictions Predictor::predict(const std::vector<std::string>& columns,
                               const std::vector<std::vector<std::string>>& rows) {
  data::RowEncoder& encoder = this->encoder();
  const std::vector<std::string_view> names(columns.begin(), columns.end());
  encoder.match_names(names, "rows");
  const auto width = static_cast<std::size_t>(encoder.inputs());
  const Tensor inputs = Tensor::empty({static_cast<std::int64_t>(rows.size()), encoder.inputs()}, DType::f32);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::vector<std::string_view> cells(rows[i].begin(), rows[i].end());
    encoder.encode(cells, {.number = static_cast<std::int64_t>(i)}, {inputs.data<float>() + i * width, width});
  }
  return predict_encoded(inputs);
}

Predictions Predictor::predict_encoded(const Tensor& inputs) {
  const NoGradGuard no_grad;
  const std::int64_t rows = inputs.size(0), outputs = target().outputs();
  Predictions predictions{.outputs = Tensor::empty({rows, outputs}, DType::f32), .classes = {}};
  for (std::int64_t first = 0; first < rows; first += kBatch) {
    const std::int64_t count = std::min(kBatch, rows - first);
    const Tensor part = kernels::slice(inputs, 0, first, first + count);
    Tensor y = (*module_)(reshape(part, batch_of(count, schema_.features.shape)));
    if (y.shape() == Shape{count} && outputs == 1) y = reshape(y, {count, 1});
    if (y.shape() != Shape{count, outputs}) {
      throw ShapeError("[predict] expected outputs " + Shape{count, outputs}.to_string() + " of the model, got " +
                       y.shape().to_string());
    }
    kernels::copy_(kernels::slice(predictions.outputs, 0, first, first + count),
                   output_ == Output::Scores ? kernels::softmax(y) : scaling_.answers(y));
  }
  if (target().kind == data::TargetKind::numbers || rows == 0) return predictions;
  const Tensor best = kernels::argmax(predictions.outputs, -1);
  predictions.classes.assign(best.data<std::int64_t>(), best.data<std::int64_t>() + rows);
  return predictions;
}

}  // namespace hop::nn
