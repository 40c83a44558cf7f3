// The common part of all optimizers: the table of parameters, the gradient block, the step count and PyTorch's calling
// style.
//
//   optim::Adam adam(model.parameters(), {.lr = 1e-3});
//   adam.zero_grad();
//   backward(cross_entropy(model(x), y));
//   adam.step();
//
// Gradients add up until zero_grad(). So a large batch fits into a small memory, piece by piece:
//
//   adam.zero_grad();
//   for (const auto& [x, y] : pieces) backward(cross_entropy(model(x), y) / 4.0);  // 4 pieces of one size
//   nn::clip_grad_norm_(model, 1.0);
//   adam.step();
//
// Ours are rows of kernels/update_rules.h (rule_optimizer.h). An application derives its own from Optimizer and writes
// step() from tensor operations: examples/own_optimizer.cpp.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
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
  /// All lists as one. If a name stands twice, each name gets the number of its list in front: "0.weight", "1.weight".
  static ParameterList join(std::span<const ParameterList> lists);

 private:
  std::vector<nn::NamedTensor> parameters_;
};

/// One parameter as the optimizer sees it: a row of its table.
struct ParameterSegment {
  std::string name{};
  Tensor parameter{};
  std::vector<Tensor> slots{};      ///< of the parameter's shape and dtype: momentum, moments
  std::size_t gradient_offset = 0;  ///< in bytes, in the gradient block
  double lr_scale = 1;              ///< multiplies lr; finite, otherwise step() throws ConfigError
  double weight_decay_scale = 1;    ///< multiplies the weight decay; finite, otherwise step() throws ConfigError
  bool frozen = false;              ///< not updated, even if requires_grad() is true
  std::size_t group = 0;            ///< which settings hold for it, in the order of the groups
};

/// Gradients lie in one block that never travels. Every parameter's grad() is a view into it, and backward() writes
/// there. zero_grad() keeps gradients defined. As in torch.optim, step() skips a parameter that has been given no
/// gradient since: neither decay nor old moments move a parameter that no loss reached. (A gradient that was written
/// through its address, without an operation, set_grad() or bump_version(), is not noticed.) Slots, the step count and
/// the learning rate are tensors on the parameters' device. A state block takes in slots and step count, and a captured
/// step reads all three when it is replayed.
///
/// Differences to PyTorch: all parameters share one step count. So a parameter that is first reached late starts with
/// the bias correction of that step, and its first momentum is dampened. A frozen parameter is not updated by an old
/// gradient.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Sets all gradients to zero. Their bytes are cleared only if the next backward() does not overwrite them. Throws
  /// DtypeError or DeviceError if Module::to() has converted or moved a parameter since the optimizer was made.
  void zero_grad();
  /// One update with the present lr(). It updates the parameters that require a gradient now, are not frozen, and were
  /// given a gradient. No graph is recorded.
  virtual void step() = 0;

  double lr() const { return lr_; }
  /// Throws ConfigError unless `lr` is finite and at least 0, StateError while a step is captured: replays read
  /// lr_tensor().
  void set_lr(double lr);
  /// The learning rate that step() reads: () f64 on the parameters' device.
  const Tensor& lr_tensor() const { return lr_tensor_; }
  /// momentum, or beta1 of those that call it so; nothing for an optimizer without.
  virtual std::optional<double> momentum() const { return std::nullopt; }
  /// For schedules that move the momentum, too. A step that was captured with another momentum is captured anew. Throws
  /// ConfigError for a value out of range, for an optimizer without momentum, and where slots would come or go with it
  /// (momentum 0 of SGD and RMSprop has none); StateError while a step is captured.
  virtual void set_momentum(double momentum);
  /// From now on, also in steps captured from now on, step() changes nothing while `flag` is not 0. flag: () f64 on the
  /// parameters' device; undefined for none.
  void stop_when(const Tensor& flag);
  /// The flag of stop_when(); undefined if there is none.
  const Tensor& stop_flag() const { return table_->stop; }
  /// From now on `tensor` travels with the optimizer's state, as `name`. A state block that is made later takes it in.
  /// Throws ConfigError if state() has the name.
  void carry(std::string name, const Tensor& tensor);
  /// Ends carry(). A state block that has the tensor keeps it. Does nothing for a name that is not carried.
  void drop(std::string_view name);
  /// What carry() added, in its order.
  const nn::StateDict& carried() const { return carried_; }
  /// Steps taken, over the whole life of the model: it travels with the state block.
  std::int64_t step_count() const { return step_.item<std::int64_t>(); }
  /// () i64 on the parameters' device.
  const Tensor& step_tensor() const { return step_; }

  /// The table, in the order of the parameters. Scales and `frozen` may be changed between steps; a captured step holds
  /// only for the values that it was recorded with.
  std::span<ParameterSegment> segments() { return table_->segments; }
  /// The row of a parameter; throws ConfigError for an unknown name.
  ParameterSegment& segment(std::string_view name);

  /// The tensors that travel besides the parameters: "step" (i64), then each slot for each parameter
  /// ("exp_avg.fc1.weight"), then those of carry().
  nn::StateDict state() const;
  /// Copies the values of another optimizer's state() by name. Throws StateError for missing or unexpected names and
  /// for another shape; then nothing was written.
  void load_state(const nn::StateDict& state);
  /// All gradients, one after the other, each on a 64-byte boundary with zero padding: bytes on the parameters' device.
  /// Call it again after each zero_grad().
  const Tensor& gradients();

 protected:
  /// Parameters are floating, contiguous, distinct, on one device, and not computed from others (DtypeError,
  /// ShapeError, ConfigError, DeviceError, AutogradError). Those with channels last are laid contiguous:
  /// tensors that shared their bytes (detach(), views) keep the old bytes. Parameters that require no gradient now may
  /// require one later. Existing gradients are kept. `slots` names the tensors that the method keeps per parameter;
  /// they start at zero.
  Optimizer(const ParameterList& parameters, const std::vector<std::string_view>& slots, double lr);

  // ---- The parts of a step(). An optimizer of an application computes with tensor operations between them:
  //
  //   void step() override {
  //     const NoGradGuard no_grad;
  //     for (const auto& [p, g, slots, lr_scale, weight_decay_scale] : updates()) write(p, p - lr_tensor() * g);
  //     count_step();
  //   }
  //
  // A captured step replays the operations alone. So a number that changes from step to step is read from a tensor
  // (lr_tensor(), step_tensor(), a slot), and all that the optimizer remembers lies in slots: they travel with the
  // model.

  /// The parameters that this step updates, with their gradients and slots.
  std::vector<kernels::UpdateSegment> updates() const;
  /// `to` takes the value. Changes nothing while the flag of stop_when() is set. Throws ShapeError unless the shapes
  /// are equal.
  void write(const Tensor& to, const Tensor& value) const;
  /// Adds one to step_tensor(), unless the flag of stop_when() is set.
  void count_step() const;
  /// A whole step: updates() by a rule in one fused pass, and the count.
  void update_by(const kernels::UpdateRule& rule);
  /// Before the first step with groups.
  void make_group_step();
  /// Parameters of another group, with zero slots. Steps that were captured before are captured anew. Throws as the
  /// constructor; ConfigError, too, for a parameter that is there already, and for a name that is there even with the
  /// number of the group in front; StateError while a step is captured. Then nothing was added.
  void add_parameters(const ParameterList& parameters, std::size_t group, double lr_scale);
  /// A whole step in one pass per group: rules[i] updates the parameters of group i. All rules have the same slots.
  void update_by(std::span<const kernels::UpdateRule> rules);
  /// A captured step holds only while `setting`, a part of `owner`, keeps its value.
  void depend_on(const std::shared_ptr<const void>& owner, const double& setting) const;

 private:
  struct Table {  // shared with captured steps, which check it before each replay
    std::vector<ParameterSegment> segments;
    Tensor stop;                    // () f64 or undefined
    const void* stop_id = nullptr;  // its identity
    std::vector<DType> dtypes;      // of the parameters, for which the gradient block has room
  };
  void append(const ParameterList& parameters, Device device, std::size_t group, double lr_scale);
  void attach_gradients(bool keep_values);
  void check_unmoved(std::size_t i) const;
  void depend_on(const ParameterSegment& segment) const;
  void depend_on_stop() const;

  double lr_;
  std::vector<std::string> slot_names_;
  std::shared_ptr<Table> table_;
  Tensor gradients_;   // (bytes) u8
  Tensor lr_tensor_;   // () f64
  Tensor step_;        // () i64
  Tensor group_step_;  // () i64: the count that all groups but the last one see; undefined before there are two
  nn::StateDict carried_;
};

}  // namespace hop::optim
