// Element types and PyTorch's rules for mixing them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tensor/half.h"

namespace hop {

/// bf16 and f16 are stored; operations on them compute in f32 (tensor/half.h).
enum class DType : std::uint8_t { f32, f64, i64, i32, u8, boolean, bf16, f16 };

inline constexpr int kDTypeCount = 8;
/// The dtypes in which operations compute: those before bf16. The size of tables of loops.
inline constexpr int kComputeDTypeCount = 6;

std::size_t size_of(DType dtype);    ///< bytes per element
std::string_view name(DType dtype);  ///< "f32", ... "bool"
/// A dtype in which operations compute: data sets hold no others. Throws DtypeError for another name.
DType dtype_from_name(std::string_view);

constexpr bool is_half(DType d) { return d == DType::bf16 || d == DType::f16; }
constexpr bool is_floating(DType d) { return d == DType::f32 || d == DType::f64 || is_half(d); }
/// The dtype in which operations compute with elements of `d`.
constexpr DType widened(DType d) { return is_half(d) ? DType::f32 : d; }

/// The dtype of a tensor that holds values of both: torch.promote_types.
DType promote_types(DType a, DType b);

/// An operand as promotion sees it: a tensor with dimensions, a tensor without dimensions, or a C++ number.
struct Operand {
  enum class Kind : std::uint8_t { number, zero_dim, tensor };
  DType dtype{};
  Kind kind{};
};

/// torch.result_type: an operand of a weaker kind (number < zero_dim < tensor) changes the result only when its
/// category (bool < integral < floating) is higher; a number then counts as f32 or i64, the default dtypes.
DType result_type(Operand a, Operand b);

/// The DType of a C++ type: dtype_of<float>() == DType::f32.
template <class T>
constexpr DType dtype_of() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<U, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<U, std::int64_t>)
    return DType::i64;
  else if constexpr (std::is_same_v<U, std::int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<U, std::uint8_t>)
    return DType::u8;
  else if constexpr (std::is_same_v<U, BFloat16>)
    return DType::bf16;
  else if constexpr (std::is_same_v<U, Half>)
    return DType::f16;
  else {
    static_assert(std::is_same_v<U, bool>, "no DType for this C++ type");
    return DType::boolean;
  }
}

namespace detail {
/// DtypeError: a dtype that is only stored.
[[noreturn]] void reject_half(DType dtype);
}  // namespace detail

/// Calls `f` with a value of the C++ type of `dtype`: visit_dtype(t.dtype(), [&]<class T>(T) { ... t.data<T>() ... });
/// For code that computes: DtypeError for bf16 and f16, which says to convert first.
template <class F>
decltype(auto) visit_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::u8:
      return f(std::uint8_t{});
    case DType::bf16:
    case DType::f16:
      detail::reject_half(dtype);
    case DType::boolean:
      break;
  }
  return f(bool{});
}

/// The same for code that only moves or converts elements: every dtype.
template <class F>
decltype(auto) visit_stored_dtype(DType dtype, F&& f) {
  if (dtype == DType::bf16) return f(BFloat16{});
  if (dtype == DType::f16) return f(Half{});
  return visit_dtype(dtype, std::forward<F>(f));
}

}  // namespace hop
