#include "kernels/cpu/parallel_internal.h"

namespace hop::kernels {

void run_on_threads(int threads, std::int64_t n, void (*run)(const void* context, std::int64_t i),
                    const void* context) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t i = 0; i < n; ++i) run(context, i);
}

}  // namespace hop::kernels
