#include "autograd/hooks.h"

#include <utility>

#include "autograd/node.h"
#include "base/error.h"
#include "tensor/autograd_slot.h"

namespace hop {
namespace autograd {

std::uint64_t Hooks::add(std::uint32_t output, GradHook hook) {
  entries_.push_back({next_id_, output, std::move(hook)});
  ++changes_;
  return next_id_++;
}

void Hooks::remove(std::uint64_t id) {
  std::erase_if(entries_, [id](const Entry& entry) { return entry.id == id; });
  ++changes_;
}

void Hooks::run(std::span<Tensor> grads) const {
  const std::vector<Entry> entries = entries_;
  for (const Entry& entry : entries) {
    Tensor& grad = grads[entry.output];
    if (!grad.defined()) continue;
    Tensor changed = entry.hook(grad);
    if (!changed.defined()) continue;
    if (changed.shape() != grad.shape() || changed.dtype() != grad.dtype()) {
      throw AutogradError("[register_hook] expected the hook to return a gradient like " + grad.describe() + ", got " +
                          changed.describe());
    }
    grad = std::move(changed);
  }
}

}  // namespace autograd

void HookHandle::remove() {
  if (const auto hooks = hooks_.lock()) hooks->remove(id_);
}

HookHandle register_hook(const Tensor& x, GradHook hook) {
  if (!x.defined() || !x.requires_grad()) {
    throw AutogradError("[register_hook] expected a tensor that requires a gradient, got " + x.describe());
  }
  AutogradSlot& slot = x.ensure_autograd_slot();
  auto& hooks = slot.grad_fn ? slot.grad_fn->hooks() : slot.hooks;
  if (!hooks) hooks = std::make_shared<autograd::Hooks>();
  return {hooks, hooks->add(slot.grad_fn ? slot.output_index : 0, std::move(hook))};
}

}  // namespace hop
