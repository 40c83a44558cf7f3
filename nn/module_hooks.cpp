// Hooks of modules, and calls with hooks around them.
#include "autograd/record.h"
#include "autograd/rerun.h"
#include "nn/module_internal.h"

namespace hop::nn {

using autograd::BackwardContext;
using detail::depend_on;
using detail::kOtherCalls;

namespace {

/// The module that a backward hook sees: the handle that was called may be gone by then.
class Handle : public Module {
 public:
  explicit Handle(const Module& module)
      : Module(module), type_name_(module.type_name()), extra_repr_(module.extra_repr()) {}
  std::string type_name() const override { return type_name_; }
  std::string extra_repr() const override { return extra_repr_; }

 private:
  std::string type_name_, extra_repr_;
};

/// The same elements with an origin of their own in the graph. `pass_on` takes the gradient on its way to `x`, and
/// gives the gradient that goes on.
template <class PassOn>
Tensor watched(const Tensor& x, PassOn pass_on) {
  return autograd::record("module_hooks", x.detach(), {x},
                          [pass_on = std::move(pass_on)](BackwardContext& c) { c.set(0, pass_on(c, c.grad())); });
}

}  // namespace

/// The backward hooks of one call: of the gradient of its output, and then of the gradient of its input. The pass keeps
/// the gradient of the output in between: passes may run through one graph at the same time.
class Module::BackwardCall : public std::enable_shared_from_this<BackwardCall> {
 public:
  BackwardCall(const Module& module, std::shared_ptr<const Hooks> hooks) : module_(module), hooks_(std::move(hooks)) {}

  Tensor watch_input(const Tensor& x) {
    if (!autograd::is_recorded(x)) return x;
    has_input_ = true;
    return watched(x, [call = shared_from_this()](const BackwardContext& c, const Tensor& grad_input) {
      const Tensor grad_output = c.take(call.get());
      return grad_output.defined() ? call->end(grad_input, grad_output) : grad_input;
    });
  }

  Tensor watch_output(const Tensor& y) {
    if (!autograd::is_recorded(y)) return y;
    return watched(y, [call = shared_from_this()](const BackwardContext& c, const Tensor& grad_output) {
      const Tensor inside = call->begin(grad_output);
      if (call->has_input_) {
        c.leave(call.get(), inside);
      } else {
        call->end({}, inside);
      }
      return inside;
    });
  }

 private:
  Tensor begin(Tensor grad_output) {
    for (const auto& [number, hook] : hooks_->before_backward) replace(grad_output, hook(module_, grad_output));
    return grad_output;
  }

  Tensor end(Tensor grad_input, const Tensor& grad_output) {
    for (const auto& [number, hook] : hooks_->after_backward)
      replace(grad_input, hook(module_, grad_input, grad_output));
    return grad_input;
  }

  void replace(Tensor& grad, Tensor other) const {
    if (!other.defined()) return;
    const bool fits = grad.defined() && other.shape() == grad.shape() && other.dtype() == grad.dtype();
    if (!fits) {
      throw AutogradError("[" + module_.type_name() + "] expected a backward hook to return " +
                          (grad.defined() ? "a gradient like " + grad.describe() : "nothing for an input without one") +
                          ", got " + other.describe());
    }
    grad = std::move(other);
  }

  Handle module_;
  std::shared_ptr<const Hooks> hooks_;
  bool has_input_ = false;
};

namespace {

/// A copy of `hooks` with one more in `list`.
template <class Hooks, class List, class Hook>
std::shared_ptr<const Hooks> with(const std::shared_ptr<const Hooks>& hooks, List Hooks::*list, std::uint64_t number,
                                  Hook hook) {
  const auto more = hooks == nullptr ? std::make_shared<Hooks>() : std::make_shared<Hooks>(*hooks);
  ((*more).*list).emplace_back(number, std::move(hook));
  return more;
}

}  // namespace

std::uint64_t Module::register_forward_hook(ForwardHook hook) {
  ++state_->changes;
  state_->hooks = with(state_->hooks, &Hooks::after_forward, ++state_->hooks_made, std::move(hook));
  return state_->hooks_made;
}

std::uint64_t Module::register_forward_pre_hook(ForwardPreHook hook) {
  ++state_->changes;
  state_->hooks = with(state_->hooks, &Hooks::before_forward, ++state_->hooks_made, std::move(hook));
  return state_->hooks_made;
}

std::uint64_t Module::register_full_backward_hook(BackwardHook hook) {
  ++state_->changes;
  state_->hooks = with(state_->hooks, &Hooks::after_backward, ++state_->hooks_made, std::move(hook));
  return state_->hooks_made;
}

std::uint64_t Module::register_full_backward_pre_hook(BackwardPreHook hook) {
  ++state_->changes;
  state_->hooks = with(state_->hooks, &Hooks::before_backward, ++state_->hooks_made, std::move(hook));
  return state_->hooks_made;
}

void Module::remove_hook(std::uint64_t number) {
  ++state_->changes;
  if (state_->hooks == nullptr) return;
  const auto rest = std::make_shared<Hooks>(*state_->hooks);
  const auto remove_from = [number](auto& hooks) {
    std::erase_if(hooks, [number](const auto& entry) { return entry.first == number; });
  };
  remove_from(rest->before_forward);
  remove_from(rest->after_forward);
  remove_from(rest->before_backward);
  remove_from(rest->after_backward);
  state_->hooks = rest->empty() ? nullptr : rest;
}

bool Module::has_hooks() const {
  depend_on(state_, state_->changes, kOtherCalls);
  return state_->hooks != nullptr;
}

Module::Call Module::run_pre_hooks(const Tensor& x) {
  Call call{x, nullptr, nullptr};
  if (!autograd::decided(state_->hooks != nullptr)) return call;
  // The second run of a checkpoint runs the hooks of the first run.
  call.hooks = std::static_pointer_cast<const Hooks>(autograd::chosen(std::const_pointer_cast<Hooks>(state_->hooks)));
  for (const auto& [number, hook] : call.hooks->before_forward) {
    if (const Tensor other = hook(*this, call.input); other.defined()) call.input = other;
  }
  if (!call.hooks->has_backward()) return call;
  call.backward = std::make_shared<BackwardCall>(*this, call.hooks);
  call.input = call.backward->watch_input(call.input);
  return call;
}

Tensor Module::after_forward(const Call& call, Tensor y) {
  if (call.hooks == nullptr) return y;
  for (const auto& [number, hook] : call.hooks->after_forward) {
    if (const Tensor other = hook(*this, call.input, y); other.defined()) y = other;
  }
  return call.backward != nullptr ? call.backward->watch_output(y) : y;
}

Tensor Module::with_hooks(const Tensor& x, Tensor y) {
  const std::shared_ptr<const Hooks>& hooks = state_->hooks;
  if (hooks != nullptr && (!hooks->before_forward.empty() || hooks->has_backward())) {
    throw StateError("[" + type_name() + "] expected a call that runs all hooks (with_hooks(x, f), where f computes " +
                     "the output), got with_hooks(x, y)");
  }
  return after_forward(before_forward(x), std::move(y));
}

Module::Call Module::before_forward(const Tensor& x) {
  if (autograd::decided(state_->is_replaced && !state_->place->runs)) {
    throw StateError("[" + type_name() +
                     "] expected operator()(x) on a module that was replaced, got a call of its own");
  }
  depend_on(state_, state_->changes, kOtherCalls);
  return run_pre_hooks(x);
}

}  // namespace hop::nn
