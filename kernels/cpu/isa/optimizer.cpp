// One pass over parameters, gradients and slots per step, for each rule of update_rules.h and average_rules.h, with
// packs of floats and with doubles. Bytes moved per f32 element, and so the floor: 12 (p and g in, p out), and 8 more
// for each slot.
#include <type_traits>
#include <utility>

#include "kernels/average_rules.h"
#include "kernels/cpu/isa/access.h"
#include "kernels/cpu/isa/told_rows.h"
#include "kernels/cpu/optimizer_internal.h"
#include "kernels/update_rules.h"

namespace hop::kernels::HOP_ISA {
namespace {

using rows::Pack;

/// Whether slot k is there. A slot that the rule always keeps needs no test.
template <class Rule, class T>
HOP_INLINE bool is_kept(T* const* slots, std::size_t k) {
  return rules::always_keeps<Rule>(k) || slots[k] != nullptr;
}

// Without `maximize` nothing is negated, not even by a product with 1: in the first cache it would show.
template <bool kMaximizes, class Rule, class T, class V, std::size_t... k>
HOP_INLINE void apply(const rules::Factors<Rule, T>& factors, V& p, const V& g, [[maybe_unused]] V* slots,
                      std::index_sequence<k...>) {
  if constexpr (kMaximizes)
    rules::apply(factors, p, g, slots[k]...);
  else
    Rule::update(factors.own, p, g, slots[k]...);
}

template <class Rule, class V, class T>
HOP_TELLS_ROWS void update_loop(const void* factors, std::byte* const* arrays, std::int64_t n) {
  using L = Access<V>;
  constexpr std::size_t kSlots = Rule::slots.size(), kRoom = kSlots == 0 ? 1 : kSlots;  // an array is not empty
  // A copy: stores to parameters cannot change it, so its numbers stay in registers.
  const auto f = *static_cast<const rules::Factors<Rule, T>*>(factors);
  T* const p = reinterpret_cast<T*>(arrays[0]);
  const T* const g = reinterpret_cast<const T*>(arrays[1]);
  T* slots[kRoom] = {};
  for (std::size_t k = 0; k < kSlots; ++k) slots[k] = reinterpret_cast<T*>(arrays[2 + k]);
  tell_read(g, n);
  tell_write(p, n);
  for (std::size_t k = 0; k < kSlots; ++k) {
    if (is_kept<Rule>(slots, k)) tell_write(slots[k], n);
  }
  const auto loop = [&]<bool kMaximizes>(std::bool_constant<kMaximizes>) __attribute__((always_inline)) {
    for_each_vector<V>(
        n, [&](std::int64_t i, auto... count) __attribute__((always_inline)) {
          V value = L::load(p + i, count...), kept[kRoom] = {};
          for (std::size_t k = 0; k < kSlots; ++k) {
            if (is_kept<Rule>(slots, k)) kept[k] = L::load(slots[k] + i, count...);
          }
          apply<kMaximizes>(f, value, L::load(g + i, count...), kept, std::make_index_sequence<kSlots>());
          for (std::size_t k = 0; k < kSlots; ++k) {
            if (is_kept<Rule>(slots, k)) L::store(kept[k], slots[k] + i, count...);
          }
          L::store(value, p + i, count...);
        });
  };
  if constexpr (requires(const Rule rule) { rule.maximize; }) {
    if (f.sign < 0) return loop(std::true_type());
  }
  loop(std::false_type());
}

template <class... Rules>
UpdateLoops loops_of(std::size_t rule, const std::variant<Rules...>*) {
  static constexpr UpdateLoops kLoops[] = {{update_loop<Rules, Pack, float>, update_loop<Rules, double, double>}...};
  return kLoops[rule];
}

}  // namespace

UpdateLoops update_loops(std::size_t rule) { return loops_of(rule, static_cast<const UpdateRule*>(nullptr)); }
UpdateLoops average_loops(std::size_t rule) { return loops_of(rule, static_cast<const AverageRule*>(nullptr)); }

}  // namespace hop::kernels::HOP_ISA
