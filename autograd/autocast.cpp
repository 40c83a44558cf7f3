#include "autograd/autocast.h"

#include <string>

#include "base/error.h"

namespace hop {
namespace {

kernels::Precision precision_of(const AutocastOptions& options) {
  if (options.dtype != DType::bf16) {
    throw DtypeError("[autocast] expected bf16, got " + std::string(name(options.dtype)) +
                     "; bf16 has the range of f32, so its losses need no scale");
  }
  if (options.enabled) return kernels::Precision::bf16;
  return kernels::precision() == kernels::Precision::bf16 ? kernels::Precision::strict : kernels::precision();
}

}  // namespace

AutocastGuard::AutocastGuard(const AutocastOptions& options) : scope_(precision_of(options)) {}

}  // namespace hop
