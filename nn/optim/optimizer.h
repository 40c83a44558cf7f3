// What all optimizers share: the table of parameters, the gradient block, the step count and PyTorch's calling style.
//
//   optim::Adam adam(model.parameters(), {.lr = 1e-3});
//   adam.zero_grad();
//   backward(cross_entropy(model(x), y));
//   adam.step();
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/optimizer.h"
#include "nn/module.h"

namespace hop::optim {

/// The parameters that an optimizer updates: module.named_parameters(), or module.parameters(), whose names are
/// numbers.
class ParameterList {
 public:
  ParameterList(std::vector<nn::NamedTensor> parameters) : parameters_(std::move(parameters)) {}
  ParameterList(const std::vector<Tensor>& parameters);
  ParameterList(std::initializer_list<Tensor> parameters) : ParameterList(std::vector<Tensor>(parameters)) {}
  const std::vector<nn::NamedTensor>& tensors() const { return parameters_; }

 private:
  std::vector<nn::NamedTensor> parameters_;
};

/// One parameter as the optimizer sees it: a row of its table.
struct ParameterSegment {
  std::string name{};
  Tensor parameter{};
  std::vector<Tensor> slots{};      ///< of the parameter's shape and dtype: momentum, moments
  std::size_t gradient_offset = 0;  ///< in bytes, in the gradient block
  double lr_scale = 1;              ///< multiplies lr
  double weight_decay_scale = 1;    ///< multiplies the weight decay
  bool frozen = false;              ///< not updated, whatever requires_grad() says
};

/// Gradients lie in one block that never travels; every parameter's grad() is a view into it, and backward() writes
/// there. zero_grad() keeps gradients defined, but as torch.optim a step() leaves a parameter alone whose gradient
/// nobody gave since: neither decay nor old moments move a parameter that no loss reached. (A gradient that was written
/// through its address without an operation, set_grad() or bump_version() is not noticed.) Slots, the step count and
/// the learning rate are tensors on the parameters' device: a state block can take the first two in, and a captured
/// step reads them when it is replayed.
///
/// Beside PyTorch: the step count is one for all parameters, so one that is first reached late starts with the bias
/// correction of that step, and its first momentum is dampened; a frozen parameter is not updated by an old gradient.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// All gradients to zero; their bytes are cleared only where the next backward() does not write over them.
  void zero_grad();
  /// One update, with the present lr(), of all parameters that require a gradient now, are not frozen, and were given a
  /// gradient. No graph is recorded.
  void step();

  double lr() const { return lr_; }
  /// Throws ConfigError unless it is finite and at least 0, StateError while a step is captured: replays read
  /// lr_tensor().
  void set_lr(double lr);
  /// () f64 on the parameters' device: what step() reads.
  const Tensor& lr_tensor() const { return lr_tensor_; }
  /// From now on (and in steps captured from now on) step() changes nothing while `flag`, () f64 on the parameters'
  /// device, is not 0.
  void stop_when(const Tensor& flag);
  /// Steps taken, over the whole life of the model: it travels with the state block.
  std::int64_t step_count() const { return step_.item<std::int64_t>(); }
  /// () i64 on the parameters' device.
  const Tensor& step_tensor() const { return step_; }

  /// The table, in the order of the parameters. Scales and `frozen` may be changed between steps: a captured step holds
  /// for those that it was recorded with.
  std::span<ParameterSegment> segments() { return table_->segments; }
  /// The row of a parameter; throws ConfigError for an unknown name.
  ParameterSegment& segment(std::string_view name);

  /// What must travel besides the parameters: "step" (i64), then each slot for each parameter ("exp_avg.fc1.weight").
  nn::StateDict state() const;
  /// All gradients, one after the other, each on a 64-byte boundary with zero padding: bytes on the parameters' device.
  /// To be asked for anew after each zero_grad().
  const Tensor& gradients();

 protected:
  /// Parameters are floating, contiguous, distinct, on one device, and not computed from others (DtypeError,
  /// ShapeError, ConfigError, DeviceError, AutogradError). Those that require no gradient may do so later. Gradients
  /// that are there are kept. `slots` names what the method keeps per parameter, zero at first.
  Optimizer(const ParameterList& parameters, std::vector<std::string> slots, double lr);

  /// The method and its settings.
  virtual kernels::UpdateRule rule() const = 0;

 private:
  struct Table {  // shared with captured steps, which look at it before each replay
    std::vector<ParameterSegment> segments;
    Tensor stop;                    // () f64 or undefined
    const void* stop_id = nullptr;  // its identity
  };
  void attach_gradients(bool keep_values);
  void depend_on(const ParameterSegment& segment) const;

  double lr_;
  std::vector<std::string> slot_names_;
  std::shared_ptr<Table> table_;
  Tensor gradients_;  // (bytes) u8
  Tensor lr_tensor_;  // () f64
  Tensor step_;       // () i64
};

}  // namespace hop::optim
