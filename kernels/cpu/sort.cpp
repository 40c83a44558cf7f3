// Sorting by numbers of elements: the order of each line is sorted, the values stay where they are.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <type_traits>

#include "kernels/capture_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/sort_operations.h"

namespace hop::kernels::cpu {
namespace {

/// Whether a stands before b. NaN is the largest value.
template <bool descending, class T>
bool is_before(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a != a || b != b) return descending ? a != a && b == b : a == a && b != b;
  }
  return descending ? b < a : a < b;
}

/// The orders of `lines` lines of n neighbours each.
template <class T>
struct Argsort {
  const T* x;
  std::int64_t* order;
  std::int64_t lines, n;
  bool descending;

  void operator()() const {
    constexpr std::int64_t kGrain = 4096;  // values per turn of a thread
    parallel_for(lines, std::max<std::int64_t>(1, kGrain / n), [this](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) descending ? sort_line<true>(i) : sort_line<false>(i);
    });
  }

 private:
  template <bool is_descending>
  void sort_line(std::int64_t line) const {
    const T* const values = x + line * n;
    std::int64_t* const to = order + line * n;
    std::iota(to, to + n, 0);
    std::stable_sort(to, to + n, [values](std::int64_t a, std::int64_t b) {
      return is_before<is_descending>(values[a], values[b]);
    });
  }
};

void argsort(const Tensor& x, bool descending, const Tensor& order) {
  const std::int64_t n = x.size(-1);
  visit_dtype(x.dtype(), [&]<class T>(T) {
    launch(Argsort<T>{x.data<T>(), order.data<std::int64_t>(), x.numel() / n, n, descending});
  });
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const SortOperations SortOperations::cpu = {.argsort = cpu::argsort};

}  // namespace hop::kernels
