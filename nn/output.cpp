#include "nn/output.h"

#include "kernels/copy.h"
#include "kernels/elementwise.h"

namespace hop::nn {
namespace {

// A column that does not vary has the factor 0: whatever a model says, the answer is the number of the training rows.
double width_of(const data::Scale& scale) { return scale.factor == 0 ? 0 : 1 / scale.factor; }

}  // namespace

TargetScaling::TargetScaling(Output output, std::span<const data::TargetColumn> columns, Device device)
    : output_(output) {
  if (output != Output::Standard) return;
  const auto of_columns = [&](auto value) {
    const Tensor values = Tensor::empty({static_cast<std::int64_t>(columns.size())}, DType::f32);
    for (std::size_t i = 0; i < columns.size(); ++i)
      values.data<float>()[i] = static_cast<float>(value(columns[i].scale));
    return kernels::to_device(values, device);
  };
  offsets_ = of_columns([](const data::Scale& scale) { return scale.offset; });
  factors_ = of_columns([](const data::Scale& scale) { return scale.factor; });
  widths_ = of_columns(width_of);
}

Tensor TargetScaling::to_learn(const Tensor& label) const {
  return output_ == Output::Standard ? kernels::mul(kernels::sub(label, offsets_), factors_) : label;
}

Tensor TargetScaling::answers(const Tensor& output) const {
  switch (output_) {
    case Output::Standard:
      return kernels::add(kernels::mul(output, widths_), offsets_);
    case Output::LogRate:
      return kernels::exp(output);
    case Output::Logit:
      return kernels::sigmoid(output);
    case Output::Scores:
    case Output::Plain:
    case Output::Input:
      break;
  }
  return output;
}

}  // namespace hop::nn
