#include "kernels/precision.h"

#include <array>
#include <string>

#include "base/error.h"
#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"strict", "tf32", "bf16", "f16"};

}  // namespace

constinit thread_local Precision detail::precision_of_thread = Precision::strict;

Precision precision_of(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (text == kNames[i]) return static_cast<Precision>(i);
  }
  throw ConfigError("[precision] expected strict, tf32, bf16 or f16, got \"" + std::string(text) + "\"");
}

std::string_view name(Precision precision) { return kNames[static_cast<std::size_t>(precision)]; }

bool has_bf16() {
  static const bool has = current_isa() == Isa::v4 && __builtin_cpu_supports("avx512bf16") != 0 &&
                          __builtin_cpu_supports("avx512vnni") != 0;  // oneDNN requires both
  return has;
}

}  // namespace hop::kernels
