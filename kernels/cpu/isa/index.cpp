// Rows that are added where an index sends them. g is read once, y is written once.
#include "kernels/cpu/index_loops_internal.h"

namespace hop::kernels::HOP_ISA {

void add_rows(const float* g, std::int64_t width, const std::int64_t* positions, std::int64_t n, float* y) {
  constexpr std::int64_t kPart = 256;  // columns whose sums stay in the first cache
  double sums[kPart];
  for (std::int64_t first = 0; first < width; first += kPart) {
    const std::int64_t count = width - first < kPart ? width - first : kPart;
    for (std::int64_t j = 0; j < count; ++j) sums[j] = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const float* row = g + positions[i] * width + first;
      for (std::int64_t j = 0; j < count; ++j) sums[j] += static_cast<double>(row[j]);
    }
    for (std::int64_t j = 0; j < count; ++j) y[first + j] = static_cast<float>(sums[j]);
  }
}

}  // namespace hop::kernels::HOP_ISA
