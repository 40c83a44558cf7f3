// A case of each family that ships, for all tests that build or train every one of them.
#pragma once

#include <string>
#include <vector>

#include "kernels/copy.h"
#include "nn/families.h"
#include "nn/model.h"

namespace hop::nn::testing {

/// A family that ships, and what it may be built and called with.
struct FamilyCase {
  std::string family;
  FamilyRequest request;
  Tensor batch;  ///< of two rows
};

inline Tensor family_pictures(const Shape& sample) {
  Shape shape{2};
  for (const std::int64_t size : sample) shape.push_back(size);
  const Tensor x = kernels::zeros(shape);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  return x;
}

/// The same with values from 0 to 1.
inline Tensor family_shades(const Shape& sample) {
  const Tensor x = family_pictures(sample);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = (x.data<float>()[i] + 1) / 2;
  return x;
}

/// All families, so small that they are built and run in a second.
inline std::vector<FamilyCase> family_cases() {
  const Shape small = {1, 32, 32}, text = {5}, row = {4};
  const Tensor tokens = Tensor::from<std::int32_t>({0, 1, 2, 3, 4, 4, 3, 2, 1, 0}, {2, 5});
  const Tensor words = Tensor::from<float>({0.5F, -1, 0, 2, 3, 4, 1, 0}, {2, 4});
  const auto picture = [&](const std::string& family, const ConfigText& config) {
    return FamilyCase{family, {config, small, 3, {}}, family_pictures(small)};
  };
  const auto of_text = [&](const std::string& family, const ConfigText& config) {
    return FamilyCase{family, {config, text, 7, {}}, kernels::cast(tokens, DType::f32)};
  };
  const auto of_table = [&](const std::string& family, const ConfigText& config) {
    return FamilyCase{family, {config, row, 2, {1, 2}}, words};
  };
  return {of_text("bert", {{"hidden_size", "8"}, {"num_hidden_layers", "1"}, {"intermediate_size", "8"}}),
          {"dcgan", {{{"latent", "3"}, {"width", "2"}}, {2, 9, 9}, 1, {}}, family_pictures({2, 9, 9})},
          of_table("dlrm", {{"embedding", "4"}, {"bottom", "8 4"}, {"top", "[8]"}}),
          of_text("gpt", {{"n_layer", "1"}, {"n_head", "2"}, {"n_embd", "8"}}),
          picture("lenet", {}),
          of_text("lstm_lm", {{"embedding", "6"}, {"hidden", "6"}, {"layers", "1"}, {"tied", "true"}}),
          picture("mlp", {{"hidden", "4"}}),
          picture("mobilenet_v2", {{"width", "0.1"}}),
          picture("resnet18", {{"width", "2"}}),
          picture("resnet20", {{"width", "2"}, {"blocks", "1"}}),
          picture("resnet34", {{"width", "2"}, {"stem", "large"}}),
          picture("resnet50", {{"width", "2"}}),
          of_table("tab_transformer", {{"embedding", "4"}, {"heads", "2"}, {"layers", "1"}, {"hidden", "4"}}),
          {"unet", {{{"width", "2"}}, small, 2 * 32 * 32, {}}, family_pictures(small)},
          {"vae", {{{"hidden", "5"}, {"latent", "2"}}, {2, 3, 4}, 24, {}}, family_shades({2, 3, 4})},
          picture("vgg11", {{"width", "2"}, {"hidden", "4"}}),
          picture("vgg16", {{"width", "2"}, {"hidden", "4"}, {"batch_norm", "true"}}),
          picture("vit", {{"num_layers", "1"}, {"hidden_dim", "8"}, {"num_heads", "2"}, {"mlp_dim", "8"}})};
}

}  // namespace hop::nn::testing
