#include "nn/detail/safetensors_dtype.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace hop::nn::detail {
namespace {

template <class T>
T read(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// Every value of From is also a value of To.
template <class From, class To>
bool widen(const std::byte* from, std::int64_t count, std::byte* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    const To value = static_cast<To>(read<From>(from + static_cast<std::size_t>(i) * sizeof(From)));
    std::memcpy(to + static_cast<std::size_t>(i) * sizeof(To), &value, sizeof value);
  }
  return true;
}

template <class T>
bool copy(const std::byte* from, std::int64_t count, std::byte* to) {
  if (count != 0) std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
  return true;
}

// Any byte but 0 is true, and true is 1 in memory.
bool load_bool(const std::byte* from, std::int64_t count, std::byte* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = std::byte{from[i] != std::byte{0}};
  return true;
}

bool load_u64(const std::byte* from, std::int64_t count, std::byte* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (read<std::uint64_t>(from + i * 8) >> 63 != 0) return false;
  }
  return copy<std::uint64_t>(from, count, to);
}

// A float of 1 sign bit, `exponent` bits and `mantissa` bits, by its definition (IEEE 754, clause 3.4).
float small_float(std::uint32_t bits, int exponent, int mantissa) {
  const std::uint32_t e = bits >> mantissa & ((1U << exponent) - 1), m = bits & ((1U << mantissa) - 1);
  const int bias = (1 << (exponent - 1)) - 1;
  const float sign = bits >> (exponent + mantissa) != 0 ? -1.0F : 1.0F;
  if (e == 0) return sign * std::ldexp(static_cast<float>(m), 1 - bias - mantissa);
  return sign * std::ldexp(static_cast<float>(m | 1U << mantissa), static_cast<int>(e) - bias - mantissa);
}

template <int kExponent, int kMantissa>
float with_infinity(std::uint32_t bits) {
  const std::uint32_t magnitude = bits & ((1U << (kExponent + kMantissa)) - 1);
  const std::uint32_t infinity = ((1U << kExponent) - 1) << kMantissa;
  if (magnitude > infinity) return std::numeric_limits<float>::quiet_NaN();
  const bool is_negative = bits >> (kExponent + kMantissa) != 0;
  if (magnitude == infinity) return (is_negative ? -1.0F : 1.0F) * std::numeric_limits<float>::infinity();
  return small_float(bits, kExponent, kMantissa);
}

float f8_e5m2(std::uint8_t bits) { return with_infinity<5, 2>(bits); }

// No infinity, and one NaN of each sign (Micikevicius et al., 2022).
float f8_e4m3(std::uint8_t bits) {
  return (bits & 0x7F) == 0x7F ? std::numeric_limits<float>::quiet_NaN() : small_float(bits, 4, 3);
}

template <class Bits, float (*kValue)(Bits)>
bool load_float(const std::byte* from, std::int64_t count, std::byte* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = kValue(read<Bits>(from + static_cast<std::size_t>(i) * sizeof(Bits)));
    std::memcpy(to + i * 4, &value, sizeof value);
  }
  return true;
}

constexpr FileDType kTable[] = {
    {"F32", 4, DType::f32, true, copy<float>},
    {"F64", 8, DType::f64, true, copy<double>},
    {"I64", 8, DType::i64, true, copy<std::int64_t>},
    {"I32", 4, DType::i32, true, copy<std::int32_t>},
    {"U8", 1, DType::u8, true, copy<std::uint8_t>},
    {"BOOL", 1, DType::boolean, true, load_bool},
    {"F16", 2, DType::f16, true, copy<Half>},
    {"BF16", 2, DType::bf16, true, copy<BFloat16>},
    {"F8_E4M3", 1, DType::f32, false, load_float<std::uint8_t, f8_e4m3>},
    {"F8_E5M2", 1, DType::f32, false, load_float<std::uint8_t, f8_e5m2>},
    {"I8", 1, DType::i32, false, widen<std::int8_t, std::int32_t>},
    {"I16", 2, DType::i32, false, widen<std::int16_t, std::int32_t>},
    {"U16", 2, DType::i32, false, widen<std::uint16_t, std::int32_t>},
    {"U32", 4, DType::i64, false, widen<std::uint32_t, std::int64_t>},
    {"U64", 8, DType::i64, false, load_u64},
};

}  // namespace

const FileDType* find_file_dtype(std::string_view text) {
  for (const FileDType& row : kTable) {
    if (row.text == text) return &row;
  }
  return nullptr;
}

const FileDType& file_dtype_of(DType dtype) {
  for (const FileDType& row : kTable) {
    if (row.is_ours && row.dtype == dtype) return row;
  }
  throw StateError("[safetensors] no name for dtype " + std::string(name(dtype)));
}

std::string file_dtype_names() {
  std::string names;
  for (const FileDType& row : kTable) names += (names.empty() ? "" : ", ") + std::string(row.text);
  return names;
}

}  // namespace hop::nn::detail
