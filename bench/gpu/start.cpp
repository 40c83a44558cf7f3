// The start of a worker, step by step: the host's resident memory and the time after each step.
#include <chrono>
#include <fstream>

#include "bench/gpu/rows.h"
#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/dnn.h"
#include "kernels/cuda/runtime.h"
#include "kernels/elementwise.h"
#include "kernels/matmul.h"
#include "tensor/backend.h"

namespace hop::bench::gpu {
namespace {

/// Resident bytes of this process, by /proc; 0 where that is not there.
double resident_megabytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * 4096e-6;
}

}  // namespace

/// To be asked for alone: what another section has loaded costs nothing here.
std::vector<Row> start(Size) {
  std::vector<Row> all;
  const auto step = [&](const char* name, const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    backend(Device::cuda()).synchronize();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    all.push_back({"start", name, seconds * 1e3, "ms", 0, 0, std::to_string(resident_megabytes()) + " MB resident"});
  };
  const auto zeros = [](const Shape& shape) { return kernels::zeros(shape, DType::f32, Device::cuda()); };
  step("context", [] {});
  step("first memory", [&] { zeros({1024}); });
  step("first kernel", [&] { kernels::exp(zeros({1024})); });
  step("second kernel", [&] { kernels::sqrt(zeros({1024})); });
  step("cuBLASLt is found", [] { kernels::cuda::blas::available(); });
  step("first product", [&] { kernels::matmul(zeros({64, 64}), zeros({64, 64})); });
  step("cuDNN is found", [] { kernels::cuda::dnn::available(); });
  step("cuDNN's version", [] { kernels::cuda::dnn::version(); });
  step("first convolution", [&] { kernels::conv2d(zeros({8, 16, 8, 8}), zeros({16, 16, 3, 3}), {}, {}); });
  return all;
}

}  // namespace hop::bench::gpu
