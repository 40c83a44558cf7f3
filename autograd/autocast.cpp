#include "autograd/autocast.h"

#include <string>

#include "base/error.h"
#include "kernels/half_internal.h"

namespace hop {
namespace {

kernels::Precision precision_of(const AutocastOptions& options) {
  if (!is_half(options.dtype)) {
    throw DtypeError("[autocast] expected bf16 or f16, got " + std::string(name(options.dtype)) +
                     "; bf16 has the range of f32, so its losses need no scale");
  }
  if (options.enabled) return options.dtype == DType::f16 ? kernels::Precision::f16 : kernels::Precision::bf16;
  return kernels::half_of(kernels::precision()) ? kernels::Precision::strict : kernels::precision();
}

}  // namespace

AutocastGuard::AutocastGuard(const AutocastOptions& options) : scope_(precision_of(options)) {}

}  // namespace hop
