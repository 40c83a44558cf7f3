// From a code of the CUDA runtime to an exception.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "kernels/cuda/language.h"

namespace hop::kernels::cuda {
namespace {

// After these errors the process's context is gone (CUDA Runtime API, cudaError_t: "the process must be terminated and
// relaunched"). Listed by number, because not every toolkit names all of them.
constexpr std::array kSticky = {214, 220, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911, 999};

std::string to_string(dim3 size) {
  return std::to_string(size.x) + " x " + std::to_string(size.y) + " x " + std::to_string(size.z);
}

}  // namespace

void check(cudaError_t status, const char* call, const std::string& context) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  const int code = static_cast<int>(status);
  const std::string name = cudaGetErrorName(status);
  const bool sticky = std::find(kSticky.begin(), kSticky.end(), code) != kSticky.end();
  throw CudaError("[" + std::string(call) + "] expected success, got " + name + " (" + std::to_string(code) + ": " +
                      cudaGetErrorString(status) + (context.empty() ? "" : "; ") + context + ")" +
                      (sticky ? "; the device is lost to this process: restart it" : ""),
                  call, code, name, sticky);
}

void ignore(cudaError_t status) noexcept {
  if (status != cudaSuccess) static_cast<void>(cudaGetLastError());
}

void check_launch(cudaError_t status, dim3 grid, dim3 block, std::size_t shared_bytes) {
  if (status == cudaSuccess) return;
  check(status, "launch",
        to_string(grid) + " blocks of " + to_string(block) + " threads, " + std::to_string(shared_bytes) +
            " bytes of shared memory");
}

}  // namespace hop::kernels::cuda
