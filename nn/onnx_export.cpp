#include "nn/onnx_export.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/files.h"
#include "nn/detail/onnx_layers.h"
#include "nn/detail/onnx_model.h"
#include "nn/detail/onnx_rows.h"
#include "nn/detail/spec_plan.h"
#include "nn/families.h"
#include "nn/predictor_file.h"
#include "nn/spec.h"

namespace hop::nn {
namespace {

using detail::OnnxModel;
using detail::OnnxType;
using detail::OnnxValue;

std::size_t bytes_of(const StateDict& state) {
  std::size_t bytes = 0;
  for (const NamedTensor& entry : state) bytes += static_cast<std::size_t>(entry.tensor.numel()) * sizeof(float);
  return bytes;
}

bool is_ours(std::string_view family) {
  return std::ranges::find(families(), family, &FamilyRow::name) != families().end();
}

OnnxValue add_layers(OnnxModel& model, const Predictor& predictor, const StateDict& state, OnnxValue x) {
  const ModelDescription& description = predictor.description();
  const data::Input sample = predictor.schema().input();
  std::vector<NamedLayer> named;
  if (!description.family.empty() || !description.layers.empty()) {
    named = layers_of(description, sample, predictor.target().outputs());
  }
  if (named.empty()) {
    throw ConfigError("[onnx] expected a model of layers, or of a family of Hopscotch, got one " +
                      (description.family.empty() ? "without a description"
                       : is_ours(description.family)
                           ? "of the family \"" + description.family + "\", which is no row of layers"
                           : "of the application's family \"" + description.family + "\""));
  }
  std::vector<std::string> texts;
  for (const NamedLayer& layer : named) texts.push_back(layer.text);
  const std::vector<LayerSpec> layers = parse_spec(texts);
  const SpecPlan plan = plan_spec(layers, sample);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const detail::Arguments arguments = detail::arguments_of(layers[i], detail::words_for(i, sample));
    const Shape& before = i == 0 ? sample.shape : plan.shapes[i - 1];
    x = add_onnx_layer(*detail::find_layer_kind(layers[i].kind), {model, arguments, before, named[i].name, state}, x);
  }
  return x;
}

// f32 (n) of the columns of a target.
Tensor of_columns(const std::vector<data::TargetColumn>& columns, double (*value)(const data::Scale&)) {
  const Tensor values = Tensor::empty({static_cast<std::int64_t>(columns.size())}, DType::f32);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    values.data<float>()[i] = static_cast<float>(value(columns[i].scale));
  }
  return values;
}

// As TargetScaling::answers.
OnnxValue answers(OnnxModel& model, const Predictor& predictor, const OnnxValue& y) {
  const std::vector<data::TargetColumn>& columns = predictor.target().columns;
  switch (predictor.output()) {
    case Output::Scores:
      return model.node("Softmax", {y});
    case Output::LogRate:
      return model.node("Exp", {y});
    case Output::Logit:
      return model.node("Sigmoid", {y});
    case Output::Standard: {
      const Tensor widths = of_columns(columns, [](const data::Scale& s) { return data::undo({0, s.factor}, 1); });
      const Tensor offsets = of_columns(columns, [](const data::Scale& s) { return s.offset; });
      return model.node("Add",
                        {model.node("Mul", {y, model.tensor("widths", widths)}), model.tensor("offsets", offsets)});
    }
    case Output::Plain:
    case Output::Input:
      break;
  }
  return y;
}

// (N): the most probable class by its name, or by its number if it has none; "" or -1 for a refused row.
OnnxValue label_of(OnnxModel& model, std::vector<std::string> names, const OnnxValue& probabilities,
                   const OnnxValue& refused) {
  OnnxValue label = model.node("ArgMax", {probabilities}, {{"axis", std::int64_t{1}}, {"keepdims", std::int64_t{0}}});
  if (!refused.empty()) {
    const OnnxValue is_refused = model.node("IsNaN", {model.node("Squeeze", {refused, model.integers({1})})});
    label = model.node("Where", {is_refused, model.integers({-1}), label});
  }
  if (names.empty()) return label;
  names.emplace_back();  // Gather takes -1 for the last one
  return model.node("Gather", {model.texts("classes", names), label});
}

SafetensorsMetadata metadata_with(const Predictor& predictor, const SafetensorsMetadata& more) {
  SafetensorsMetadata metadata = metadata_of(predictor);
  metadata.erase("format");  // "pt": how safetensors calls PyTorch's order of elements
  metadata.insert(more.begin(), more.end());
  return metadata;
}

}  // namespace

OnnxFile encode_onnx(const Predictor& predictor, const SafetensorsMetadata& more) {
  const StateDict state = predictor.module().state_dict();
  const data::Target& target = predictor.target();
  const bool is_classes = target.kind == data::TargetKind::classes;
  OnnxModel model(bytes_of(state));
  OnnxValue label;  // outputs come first, so that no column of that name takes theirs
  if (is_classes) label = model.output("label", target.class_names.empty() ? OnnxType::i64 : OnnxType::text, {});
  const OnnxValue numbers = model.output(is_classes ? "probabilities" : "values", OnnxType::f32, {target.outputs()});

  const detail::OnnxRows rows = add_onnx_rows(model, predictor.schema());
  OnnxValue y = answers(model, predictor, add_layers(model, predictor, state, rows.features));
  if (!rows.refused.empty()) y = model.node("Add", {y, rows.refused});
  model.node("Identity", {y}, {}, numbers);
  if (is_classes) model.node("Identity", {label_of(model, target.class_names, y, rows.refused)}, {}, label);
  return {model.inputs(), model.outputs(), model.finish(metadata_with(predictor, more))};
}

void save_onnx(const Predictor& predictor, const std::filesystem::path& path, const SafetensorsMetadata& more) {
  write_output(path, as_bytes(encode_onnx(predictor, more).bytes), raise<StateError>);
}

}  // namespace hop::nn
