#pragma once

#include "nn/module.h"

namespace hop::nn {

struct LinearOptions {
  bool bias = true;
  DType dtype = DType::f32;
};

/// What follows a layer's product as a part of the call.
struct LinearTail {
  bool relu = false;
};

/// y = x W^T + b: x (.., in) -> (.., out). torch.nn.Linear. An activation behind it can be a part of the call,
/// fc(x, {.relu = true}) for relu(fc(x)): the same bits on the CPU, fewer launches on a GPU. Hooks then see what comes
/// out of both. Sequential does that by itself.
class Linear : public Module {
 public:
  using Module::operator();
  Tensor operator()(const Tensor& x, const LinearTail& tail) { return with_hooks(x, forward(x, tail)); }
  Tensor forward(const Tensor& x, const LinearTail& tail);
  Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options = {});
  /// Shares the weight (out, in) of another module, which initialises it: nn::Linear(table.weight) ties a language
  /// model's last layer to its embedding. The dtype is the weight's; a frozen weight stays frozen.
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

}  // namespace hop::nn
