#include "tensor/dependencies.h"

#include <algorithm>
#include <atomic>

#include "tensor/autograd_slot.h"

namespace hop {
namespace {

bool wants_gradient(const Tensor& x) {
  const AutogradSlot* slot = x.autograd_slot();
  return slot != nullptr && (slot->requires_grad || slot->grad_fn != nullptr);
}

// Never 0, which means no capture: the counter skips 0 when it wraps at 2^32.
std::uint32_t next_serial() {
  static constinit std::atomic<std::uint32_t> next{1};
  std::uint32_t serial = 0;
  while (serial == 0) serial = next.fetch_add(1, std::memory_order_relaxed);
  return serial;
}

}  // namespace

HeldTensor::HeldTensor(Tensor tensor) : tensor_(std::move(tensor)) {
  if (tensor_.defined()) tensor_.body_->recordings.fetch_add(1, std::memory_order_relaxed);
}

HeldTensor& HeldTensor::operator=(HeldTensor&& other) noexcept {
  release();
  tensor_ = std::move(other.tensor_);
  return *this;
}

void HeldTensor::release() {
  if (tensor_.defined()) tensor_.body_->recordings.fetch_sub(1, std::memory_order_relaxed);
  tensor_ = {};
}

Dependencies::Dependencies(Device device)
    : device_(device), grad_enabled_(autograd::grad_enabled), serial_(next_serial()) {}

Dependencies::Use& Dependencies::use_of(const Tensor& x) {
  const auto [place, is_new] = places_.try_emplace(x.id(), uses_.size());
  if (is_new) uses_.push_back({HeldTensor(x), x.body_->data});
  return uses_[place->second];
}

void Dependencies::add_address(const Tensor& x) {
  if (!made(x)) use_of(x);
}

void Dependencies::add_requires_grad(const Tensor& x) {
  if (made(x)) return;
  Use& use = use_of(x);
  if (use.asks_requires_grad) return;
  use.asks_requires_grad = true;
  use.requires_grad = wants_gradient(x);
}

// The bytes that the step made itself change no version: add_result() and the gradients tell of those that outlive it.
void Dependencies::add_write(const Tensor& x) {
  if (x.storage().born_in() == serial_ || std::ranges::find(written_, x.storage()) != written_.end()) return;
  add_address(x);
  written_.push_back(x.storage());
}

void Dependencies::add_result(const Tensor& x) {
  if (std::ranges::find(outputs_, x.storage()) == outputs_.end()) outputs_.push_back(x.storage());
}

void Dependencies::add_gradient(const Tensor& leaf, GradientUse use) {
  if (made(leaf)) return;
  if (use != GradientUse::given) take_back_given(leaf);
  auto found = std::find_if(gradients_.begin(), gradients_.end(),
                            [&](const LeafGradient& g) { return g.leaf.get().is_same(leaf); });
  if (found == gradients_.end()) {
    const AutogradSlot& slot = leaf.ensure_autograd_slot();
    LeafGradient fresh;
    fresh.leaf = HeldTensor(leaf);
    fresh.before = HeldTensor(slot.gradient.tensor());
    fresh.hooks = slot.hooks.get();
    fresh.was_given = slot.gradient.is_given();
    found = gradients_.insert(found, std::move(fresh));
    found->before_matters = use != GradientUse::replaced;
  }
  if (found->first == GradientUse::seen) found->first = use;
  if (found->settled) return;
  found->sums = use == GradientUse::given && !found->clears;
  found->clears = found->clears || use == GradientUse::read || use == GradientUse::given;
  found->asks_given = found->asks_given || use == GradientUse::asked;
  found->settled = use == GradientUse::given || use == GradientUse::zeroed || use == GradientUse::replaced;
}

void Dependencies::note_given(const Tensor& leaf, std::size_t calls) {
  if (made(leaf)) return;
  const auto known = std::ranges::find(given_, leaf.id(), &Given::leaf);
  if (known == given_.end()) {
    given_.push_back({leaf.id(), calls});
  } else {
    known->calls = calls;
  }
}

void Dependencies::take_back_given(const Tensor& leaf) {
  std::erase_if(given_, [&](const Given& given) { return given.leaf == leaf.id(); });
}

// The first value that the step saw counts: the step may have changed the value since.
void Dependencies::add_word(const Word& word, const std::shared_ptr<const void>& owner) {
  const auto is_known = [&](const Word& w) { return w.at == word.at; };
  if (std::any_of(words_.begin(), words_.end(), is_known)) return;
  words_.push_back(word);
  own(owner);
}

void Dependencies::add_word_after(const Result& result, const std::shared_ptr<const void>& owner) {
  const auto is_known = [&](const Result& r) { return r.at == result.at; };
  if (std::any_of(results_.begin(), results_.end(), is_known)) return;
  results_.push_back(result);
  own(owner);
}

void Dependencies::own(const std::shared_ptr<const void>& owner) {
  const auto is_same = [&](const std::weak_ptr<const void>& o) {
    return !o.owner_before(owner) && !owner.owner_before(o);
  };
  if (std::none_of(owners_.begin(), owners_.end(), is_same)) owners_.push_back(owner);
}

void Dependencies::finish() {
  for (LeafGradient& g : gradients_) {
    const Gradient& gradient = g.leaf.get().autograd_slot()->gradient;
    g.after = HeldTensor(gradient.tensor());
    g.is_made = gradient.tensor().defined() && made(gradient.tensor());
    g.given_after = gradient.is_given();
    g.stale_after = gradient.is_stale();
  }
  // A recording holds no bytes of its own accord: those of a model's state go on to other models.
  for (const Storage& storage : std::exchange(written_, {})) {
    const auto is_same = [&](const Use& use) { return use.tensor.get().storage() == storage; };
    const auto use = std::ranges::find_if(uses_, is_same);
    if (use != uses_.end()) use->is_written = true;
  }
  for (Result& r : results_) r.value = word_at(r.at, r.size);
  std::ranges::stable_sort(given_, {}, &Given::calls);
  places_ = {};
}

const char* Dependencies::broken(const Use& use) {
  const Tensor& x = use.tensor.get();
  if (x.body_->data != use.address) return "a tensor that lies somewhere else now";
  if (use.tensor.is_given_up()) return "a tensor that nobody else holds any more";
  if (use.asks_requires_grad && wants_gradient(x) != use.requires_grad) return "another requires_grad() of a tensor";
  return nullptr;
}

const char* Dependencies::broken(const LeafGradient& g) {
  const AutogradSlot* slot = g.leaf.get().autograd_slot();
  if (g.leaf.is_given_up()) return "a leaf that nobody else holds any more";
  if (slot->hooks.get() != g.hooks) return "hooks on a leaf's gradient";
  if (!g.before_matters) return nullptr;
  if (slot->gradient.tensor().id() != g.before.get().id()) return "another gradient of a leaf";
  if (g.asks_given && slot->gradient.is_given() != g.was_given)
    return g.was_given ? "a leaf whose gradient was given before" : "a leaf without a gradient";
  return nullptr;
}

bool Dependencies::hold() const {
  for (const Use& use : uses_) {
    if (broken(use) != nullptr) return false;
  }
  for (const LeafGradient& g : gradients_) {
    if (broken(g) != nullptr) return false;
  }
  for (const auto& owner : owners_) {
    if (owner.expired()) return false;
  }
  for (const Word& word : words_) {
    if (word_at(word.at, word.size) != word.value) return false;
  }
  return true;
}

bool Dependencies::has_grad_mode() const { return grad_enabled_ == autograd::grad_enabled; }

bool Dependencies::are_lost() const {
  return std::any_of(uses_.begin(), uses_.end(), [](const Use& use) { return use.tensor.is_given_up(); }) ||
         std::any_of(gradients_.begin(), gradients_.end(),
                     [](const LeafGradient& g) { return g.leaf.is_given_up(); }) ||
         std::any_of(owners_.begin(), owners_.end(), [](const auto& owner) { return owner.expired(); });
}

std::string Dependencies::broken() const {
  for (const LeafGradient& g : gradients_) {  // checked first: a replaced gradient also counts as given up
    if (const char* why = broken(g)) return why + (" (" + g.leaf.get().describe() + ")");
  }
  for (const Use& use : uses_) {
    if (const char* why = broken(use)) return why + (" (" + use.tensor.get().describe() + ")");
  }
  for (const auto& owner : owners_) {
    if (owner.expired()) return "a module, an optimizer or a source of random numbers that is gone";
  }
  for (const Word& word : words_) {
    if (word_at(word.at, word.size) != word.value) return word.what;
  }
  return {};
}

void Dependencies::before_replay() const {
  for (const LeafGradient& g : gradients_) {
    if (!g.clears) continue;
    Gradient& gradient = g.leaf.get().autograd_slot()->gradient;
    static_cast<void>(g.sums ? gradient.sum_start() : gradient.value());
  }
}

void Dependencies::change_versions() const {
  for (const Use& use : uses_) {
    if (use.is_written) use.tensor.get().storage().bump_version();
  }
  for (const Storage& storage : outputs_) storage.bump_version();
  for (const LeafGradient& g : gradients_) {
    if (g.is_made) g.after.get().storage().bump_version();
  }
}

void Dependencies::after_replay() const {
  change_versions();
  for (const LeafGradient& g : gradients_)
    g.leaf.get().autograd_slot()->gradient.restore(g.after.get(), g.given_after, g.stale_after);
  for (const Result& r : results_) std::memcpy(r.at, &r.value, r.size);
}

void Dependencies::after_failed_replay() const {
  std::vector<bool> was_given;  // a new version would count as a value
  for (const LeafGradient& g : gradients_) was_given.push_back(g.leaf.get().autograd_slot()->gradient.is_given());
  change_versions();
  for (std::size_t i = 0; i < gradients_.size(); ++i) {
    Gradient& gradient = gradients_[i].leaf.get().autograd_slot()->gradient;
    const Tensor present = gradient.tensor();
    switch (gradients_[i].first) {
      case GradientUse::zeroed:
        gradient.restore(present, false, present.defined());
        break;
      case GradientUse::replaced:
        gradient.restore({}, false, false);
        break;
      default:
        gradient.restore(present, was_given[i], gradient.is_stale());
    }
  }
}

}  // namespace hop
