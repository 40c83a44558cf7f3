// Module: a handle to a tree of parameters, buffers and children, as torch.nn.Module.
//
//   struct Mlp : nn::Module {
//     nn::Linear fc1 = register_module("fc1", nn::Linear(784, 128));
//     nn::Linear fc2 = register_module("fc2", nn::Linear(128, 10));
//     Tensor forward(const Tensor& x) override { return fc2(relu(fc1(x))); }
//   };
//   Mlp model;
//   nn::init_parameters(model, /*key=*/2026);
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nn/any_module.h"
#include "nn/parameter.h"
#include "tensor/memory_format.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop::nn {

class Module;
class ParameterKeys;
namespace detail {
class CloneScope;
}

struct NamedTensor {
  std::string name{};
  Tensor tensor{};
};
struct NamedModule {
  std::string name{};
  std::shared_ptr<Module> module{};
};
/// Names and tensors in PyTorch's order: a module's own parameters, its own buffers, then its children, each as
/// declared.
using StateDict = std::vector<NamedTensor>;

/// Names that load_state_dict(.., strict = false) skipped.
struct LoadReport {
  std::vector<std::string> missing{};     ///< in the module, not in the dict
  std::vector<std::string> unexpected{};  ///< in the dict, not in the module
};

/// Called after forward. Returns an output to use instead, or an undefined tensor to keep the output.
using ForwardHook = std::function<Tensor(Module& module, const Tensor& input, const Tensor& output)>;
/// Called before forward. Returns an input to use instead, or an undefined tensor to keep the input.
using ForwardPreHook = std::function<Tensor(Module& module, const Tensor& input)>;
/// Called in a backward pass when the gradients of a call's input and output are complete. `grad_input` is undefined if
/// the input wanted no gradient. Returns a gradient of the input to use instead, or an undefined tensor to keep it.
/// Throws AutogradError for another shape or dtype, and for a returned gradient of an input that wanted none. `module`
/// is a handle to the module's parameters, buffers and children: it has the module's name, but no forward().
using BackwardHook = std::function<Tensor(Module& module, const Tensor& grad_input, const Tensor& grad_output)>;
/// Called in a backward pass before the gradient of a call's output goes into the module. Returns a gradient to use
/// instead, or an undefined tensor to keep it.
using BackwardPreHook = std::function<Tensor(Module& module, const Tensor& grad_output)>;

/// A copy of a module is the same module: parameters, mode, hooks and children are shared (nn::clone() makes another).
/// Members of a derived class are handles (nn::Parameter, modules) or constants. A fresh module's weights are NaN until
/// init_parameters() or a load fills them, so that a forgotten initialisation shows in the first loss. Not thread-safe:
/// one thread trains a module.
class Module {
 public:
  virtual ~Module() = default;
  /// Modules can't be assigned: `net.fc = nn::Linear(3, 2)` would change what forward() computes and leave the old
  /// layer in parameters(), the optimizer and the file. Write net.replace_module("fc", nn::Linear(3, 2)).
  Module& operator=(const Module&) = delete;

  /// The computation, without hooks. The base throws hop::Error: modules with other signatures declare their own.
  virtual Tensor forward(const Tensor& x);
  /// forward() and the hooks. If another module has replaced this one, runs that module: see replace_module().
  Tensor operator()(const Tensor& x);

  /// Distinct parameters in state_dict order; a shared one appears once, under its first name.
  std::vector<Tensor> parameters() const;
  std::vector<NamedTensor> named_parameters() const;
  /// Distinct buffers (running statistics) in the order of state_dict(), also those that are not persistent; a shared
  /// one appears once, under its first name.
  std::vector<NamedTensor> named_buffers() const;
  /// Direct children in declaration order.
  const std::vector<NamedModule>& named_children() const;
  /// This module (name "") and all descendants, parents first; a shared one appears once.
  std::vector<std::pair<std::string, Module*>> named_modules();
  /// Every name with its tensor, shared ones under each of their names. Without the buffers that are not persistent.
  StateDict state_dict() const;
  /// Copies values by name and converts dtypes. Throws StateError for a different shape and, if `strict`, for missing
  /// or unexpected names, which it lists. If it throws, nothing was written.
  LoadReport load_state_dict(const StateDict& state, bool strict = true);

  /// The number of parameter elements; `trainable_only` counts those that require a gradient.
  std::int64_t parameter_count(bool trainable_only = false) const;
  /// Sets all defined gradients to zero: see Tensor::zero_grad().
  void zero_grad();
  /// Freezes or thaws all parameters.
  void requires_grad_(bool requires_grad = true);

  /// Moves all parameters, their gradients and all buffers, in place: every handle to them stays valid, as in PyTorch.
  /// Tensors that were made from them before (a graph, an optimizer's state) stay where they are, so make those
  /// afterwards. Throws DeviceError for a device that is not there; nothing has moved then.
  Module& to(Device device) { return to(device, std::nullopt); }
  /// The same, and converts parameters, gradients and buffers that are floating to `dtype`: torch.nn.Module.to(device,
  /// dtype). Integers stay as they are. Throws DtypeError unless dtype is floating, before anything has moved.
  Module& to(Device device, std::optional<DType> dtype);
  /// Converts them where they are.
  Module& to(DType dtype);
  /// torch.nn.Module.to(memory_format): lays parameters and buffers of four dimensions so, in place, as the others move
  /// them; their gradients stay contiguous. Values and files do not change, and no convolution becomes faster: each
  /// call turns its weights to the format of its kernel, whatever theirs is. What makes convolutions and the layers
  /// between them work on channels last is the format of the images, `net(to(x, MemoryFormat::channels_last))`. An
  /// optimizer and a state block lay parameters contiguous again. Throws ShapeError for channels last if there is a
  /// parameter or buffer of five dimensions, as PyTorch does, before anything has moved.
  Module& to(MemoryFormat format);

  /// Training mode of this module and all descendants (Dropout, BatchNorm).
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const;

  /// Children first, then the module itself, as torch.nn.Module.apply.
  void apply(const std::function<void(Module&)>& f);

  /// Hooks run in the order of registration. Returns the number for remove_hook().
  std::uint64_t register_forward_hook(ForwardHook hook);
  /// The same, before forward(). Of a module with several inputs, hooks see the first one.
  std::uint64_t register_forward_pre_hook(ForwardPreHook hook);
  /// For the gradients of calls that begin after the registration, as torch.nn.Module.register_full_backward_hook. A
  /// call leaves its hooks in the graph: if a hook is removed later, the backward pass of the call still runs it. The
  /// first input and the output of the call count. A gradient that comes by another result (the last state of a GRU)
  /// passes no hook, and if no gradient comes by the output, no hook runs. Nor does a hook see the gradient of a second
  /// derivative that reaches the input without having passed the output. In a captured step hooks run while the step is
  /// recorded; replays repeat their tensor operations, not their host code.
  std::uint64_t register_full_backward_hook(BackwardHook hook);
  /// The same, before the gradient of the output goes into the module.
  std::uint64_t register_full_backward_pre_hook(BackwardPreHook hook);
  void remove_hook(std::uint64_t hook);
  /// Whether there are hooks of any kind.
  bool has_hooks() const;

  /// Gives this module and its present descendants one source of random numbers (Dropout): draw d of step s has the
  /// address (key, s, d), independent of draws in other steps. Starts at step 0, draw 0. A captured step that draws
  /// from a plain key would hold only for one address, so such a step runs eagerly. This function and the next two
  /// throw StateError while a step is captured.
  void set_random_key(std::uint64_t key);
  /// The same, but key and step are the first elements of two tensors (i64, on the module's device), which are read at
  /// the moment that the numbers are made. For captured steps. Do not change either tensor between a forward pass and
  /// the end of its backward passes, which make the same numbers again.
  void set_random_source(const Tensor& key, const Tensor& step);
  /// Starts the draws of training step `step` at 0. Throws ConfigError without a random key.
  void set_step(std::uint64_t step);
  /// Starts the draws of the next step at 0. For a source whose step is read from a tensor, or before the first draw.
  void begin_step();

  /// Puts `module` in the place of the child at `path` ("fc", "blocks.0.conv"), as `net.fc = nn.Linear(3, 2)` does in
  /// PyTorch: forward(), parameters() and the file have the new one from then on, whichever handle calls it. An
  /// optimizer keeps the old parameters; build it afterwards. `module` may be a wrapper around the old one. If a part
  /// of the model ran within checkpoint() before the call, its second run uses the old module. The member keeps its
  /// type and its own tensors: reach the new ones by the handle that is returned. Throws ConfigError if no child has
  /// that name, if the child has other names (their calls would change, too), or if a wrapper has taken its place.
  template <class M>
  M replace_module(std::string_view path, M module) {
    replace_child(path, std::make_shared<M>(module));
    return module;
  }

  /// Fills the module's own parameters (not its children's) with their initial values. The base does nothing.
  virtual void reset_parameters(const ParameterKeys& keys);

  /// "Linear" and "in_features=784, out_features=128, bias=True", for to_string().
  virtual std::string type_name() const;
  virtual std::string extra_repr() const { return {}; }
  /// The tree in PyTorch's print format.
  std::string to_string() const;

 protected:
  Module();
  // Only derived classes make copies: a copy as a plain Module would lose its forward().
  Module(const Module& other);

  /// hop::to() of a tensor, which the member functions of the same name hide inside forward().
  static Tensor to(const Tensor& x, DType dtype);
  static Tensor to(const Tensor& x, Device device);
  static Tensor to(const Tensor& x, MemoryFormat format);

  /// Registers `tensor` under `name` and returns the handle to keep: `nn::Parameter scale = register_parameter(..)`.
  /// Names are not empty, have no dot and are taken once: ConfigError.
  Parameter register_parameter(std::string_view name, const Tensor& tensor);
  /// A buffer that is not `persistent` is moved, converted and cloned with the module and hops with a model's state,
  /// but it is not in state_dict() and so not in a .safetensors file.
  Buffer register_buffer(std::string_view name, const Tensor& tensor, bool persistent = true);
  /// Registers a child and returns the handle to keep: `nn::Linear fc = register_module("fc", nn::Linear(2, 3));`
  template <class M>
  M register_module(std::string_view name, M module) {
    static_assert(std::is_base_of_v<Module, M>);
    add_child(name, std::make_shared<M>(module));
    return module;
  }
  /// Registers a child that this module calls through named_children(), as Sequential does. Throws ConfigError for a
  /// child that contains this module.
  void add_child(std::string_view name, AnyModule child);

  /// forward(x) with the hooks around it. For modules with more calls than operator()(x):
  /// `return with_hooks(x, [&](const Tensor& input) { return forward(input, tail); });`
  template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const Tensor&> Tensor with_hooks(const Tensor& x, F&& forward) {
    const Call call = before_forward(x);
    return after_forward(call, forward(call.input));
  }
  /// Applies the forward hooks to y, the output for x. Throws StateError if there are hooks of another kind, which
  /// would not run.
  Tensor with_hooks(const Tensor& x, Tensor y);

  /// The next random address of the current step: addresses follow the order of the calls. C++ leaves the order of
  /// calls within one expression to the compiler, so call two modules that draw random numbers in two statements.
  /// Throws ConfigError if set_random_key() was not called.
  RandomAddress next_random();
  /// Whether operator()(x) is forward(x) alone: the module has no hooks, and no other module has taken its place.
  bool is_forward_alone() const;

 private:
  RandomAddress draw_random();
  struct State;
  struct Hooks;
  class BackwardCall;
  /// A call of forward() between its hooks.
  struct Call {
    Tensor input;
    std::shared_ptr<const Hooks> hooks;      // null without hooks
    std::shared_ptr<BackwardCall> backward;  // null without backward hooks
  };
  class Cloning;
  friend class detail::CloneScope;
  friend class Parameter;

  void replace_child(std::string_view path, AnyModule module);
  Tensor call_last(const Tensor& x);
  Call before_forward(const Tensor& x);
  Call run_pre_hooks(const Tensor& x);
  Tensor after_forward(const Call& call, Tensor y);
  static Tensor member_of_copy(const Tensor& original);

  std::shared_ptr<State> state_;
};

}  // namespace hop::nn
