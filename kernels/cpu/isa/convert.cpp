// Strided copies with conversion of the element type.
#include <type_traits>

#include "kernels/cpu/line_internal.h"

namespace hop::kernels::HOP_ISA {
namespace {

template <class To, class Stored>
To converted(Stored value) {
  if constexpr (is_half_type<Stored>)
    return converted<To>(static_cast<float>(value));
  else if constexpr (std::is_same_v<To, bool>)
    return value != Stored{0};
  // In C++ the conversion of a float beyond u8 is undefined, and compilers differ. Through i32 the value wraps around.
  else if constexpr (std::is_floating_point_v<Stored> && std::is_same_v<To, std::uint8_t>)
    return static_cast<To>(static_cast<std::int32_t>(value));
  else
    return static_cast<To>(value);
}

template <class From, class To>
void convert(const std::byte* in, std::int64_t in_stride, std::byte* out, std::int64_t out_stride, std::int64_t n) {
  // A bool is read as a byte, so that foreign bytes other than 0 and 1 do no harm.
  using Stored = std::conditional_t<std::is_same_v<From, bool>, std::uint8_t, From>;
  constexpr auto kIn = static_cast<std::int64_t>(sizeof(Stored)), kOut = static_cast<std::int64_t>(sizeof(To));
  const auto loop = [&](std::int64_t in_step, std::int64_t out_step) {
    for (std::int64_t i = 0; i < n; ++i) {
      const Stored value = *reinterpret_cast<const Stored*>(in + i * in_step);
      auto& to = *reinterpret_cast<To*>(out + i * out_step);
      if constexpr (std::is_same_v<From, bool>)
        to = static_cast<To>(value != 0);
      else
        to = converted<To>(value);
    }
  };
  // Constant steps become vector loads and stores.
  if (in_stride == kIn && out_stride == kOut)
    loop(kIn, kOut);
  else if (out_stride == kOut)
    loop(in_stride, kOut);
  else
    loop(in_stride, out_stride);
}

}  // namespace

void convert_line(DType from, const std::byte* in, std::int64_t in_stride, DType to, std::byte* out,
                  std::int64_t out_stride, std::int64_t n) {
  visit_stored_dtype(from, [&]<class From>(From) {
    visit_stored_dtype(to, [&]<class To>(To) { convert<From, To>(in, in_stride, out, out_stride, n); });
  });
}

}  // namespace hop::kernels::HOP_ISA
