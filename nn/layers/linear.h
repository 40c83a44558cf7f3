#pragma once

#include "nn/module.h"

namespace hop::nn {

struct LinearOptions {
  bool bias = true;
  DType dtype = DType::f32;
};

/// Operations that a call fuses with the layer's product.
struct LinearTail {
  bool relu = false;
};

/// y = x W^T + b: x (.., in) -> (.., out). torch.nn.Linear. A call can include the activation: fc(x, {.relu = true}) is
/// relu(fc(x)), with the same bits on the CPU and fewer launches on a GPU. Hooks then see the result of both.
/// Sequential fuses the two by itself.
class Linear : public Module {
 public:
  using Module::operator();
  Tensor operator()(const Tensor& x, const LinearTail& tail) {
    return with_hooks(x, [&](const Tensor& input) { return forward(input, tail); });
  }
  Tensor forward(const Tensor& x, const LinearTail& tail);
  Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options = {});
  /// Shares the weight (out, in) of another module, which initialises it: nn::Linear(table.weight) ties a language
  /// model's last layer to its embedding. The layer takes the weight's dtype. A frozen weight stays frozen.
  explicit Linear(const Parameter& shared_weight, LinearOptions options = {});

  Tensor forward(const Tensor& x) override;
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Linear"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (out, in)
  Parameter bias;    ///< (out), or undefined

 private:
  Linear(const Tensor& weight, bool bias, bool shares_weight);
  Parameter register_weight(const Tensor& w, bool is_shared);

  bool shares_weight_;
};

/// y_o = a W_o b^T + bias_o: a (.., in1), b (.., in2) with equal leading dimensions -> (.., out). torch.nn.Bilinear. It
/// stores in2 numbers per row and output. A call with one tensor throws hop::Error.
class Bilinear : public Module {
 public:
  /// Throws ConfigError for sizes below 1.
  Bilinear(std::int64_t in1_features, std::int64_t in2_features, std::int64_t out_features, LinearOptions options = {});

  using Module::operator();
  using Module::forward;
  /// Throws ShapeError, DtypeError. Hooks see a.
  Tensor operator()(const Tensor& a, const Tensor& b) {
    return with_hooks(a, [&](const Tensor& input) { return forward(input, b); });
  }
  Tensor forward(const Tensor& a, const Tensor& b);
  void reset_parameters(const ParameterKeys& keys) override;
  std::string type_name() const override { return "Bilinear"; }
  std::string extra_repr() const override;

  Parameter weight;  ///< (out, in1, in2)
  Parameter bias;    ///< (out), or undefined
};

}  // namespace hop::nn
