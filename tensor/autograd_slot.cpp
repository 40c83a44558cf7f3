#include "tensor/autograd_slot.h"

#include <new>
#include <utility>
#include <vector>

namespace hop {
namespace autograd {
namespace {

// Parts whose last owner is being destroyed. Not null while a bury() further up the stack empties the list.
constinit thread_local std::vector<std::shared_ptr<const void>>* dying = nullptr;

}  // namespace

// If there is no memory for the list, the part dies at once, by recursion.
void bury(std::shared_ptr<const void> part) noexcept {
  if (part == nullptr || part.use_count() != 1) return;
  if (dying != nullptr) {
    try {
      dying->push_back(std::move(part));
    } catch (const std::bad_alloc&) {
    }
    return;
  }
  std::vector<std::shared_ptr<const void>> list;
  dying = &list;
  part.reset();
  while (!list.empty()) {
    const std::shared_ptr<const void> last = std::move(list.back());
    list.pop_back();
  }
  dying = nullptr;
}

}  // namespace autograd

AutogradSlot::~AutogradSlot() {
  if (hooks) autograd::bury(std::move(hooks));
  if (grad_fn) autograd::bury(std::move(grad_fn));
}

}  // namespace hop
