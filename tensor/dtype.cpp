#include "tensor/dtype.h"

#include <array>
#include <string>

#include "base/error.h"

namespace hop {
namespace {

constexpr auto F32 = DType::f32, F64 = DType::f64, I64 = DType::i64, I32 = DType::i32, U8 = DType::u8,
               B = DType::boolean, BF = DType::bf16, F16 = DType::f16;
constexpr std::array<std::string_view, kDTypeCount> kNames = {"f32", "f64", "i64", "i32", "u8", "bool", "bf16", "f16"};
constexpr std::array<std::size_t, kDTypeCount> kSizes = {4, 8, 8, 4, 1, 1, 2, 2};

// torch.promote_types, row by row in the order of the enum.
constexpr DType kPromote[kDTypeCount][kDTypeCount] = {
    //        f32  f64  i64  i32  u8   bool bf16 f16
    /* f32 */ {F32, F64, F32, F32, F32, F32, F32, F32},
    /* f64 */ {F64, F64, F64, F64, F64, F64, F64, F64},
    /* i64 */ {F32, F64, I64, I64, I64, I64, BF, F16},
    /* i32 */ {F32, F64, I64, I32, I32, I32, BF, F16},
    /* u8  */ {F32, F64, I64, I32, U8, U8, BF, F16},
    /* bool*/ {F32, F64, I64, I32, U8, B, BF, F16},
    /* bf16*/ {F32, F64, BF, BF, BF, BF, BF, F32},
    /* f16 */ {F32, F64, F16, F16, F16, F16, F32, F16},
};

constexpr int category(DType d) { return d == B ? 0 : is_floating(d) ? 2 : 1; }

constexpr std::size_t index(DType d) { return static_cast<std::size_t>(d); }

}  // namespace

std::size_t size_of(DType dtype) { return kSizes[index(dtype)]; }
std::string_view name(DType dtype) { return kNames[index(dtype)]; }

DType dtype_from_name(std::string_view text) {
  for (std::size_t i = 0; i < kComputeDTypeCount; ++i) {
    if (kNames[i] == text) return static_cast<DType>(i);
  }
  throw DtypeError("[dtype] expected one of f32, f64, i64, i32, u8, bool, got \"" + std::string(text) + "\"");
}

void detail::reject_half(DType dtype) {
  throw DtypeError("[dtype] expected a dtype in which operations compute, got " + std::string(name(dtype)) +
                   "; convert first: to(x, DType::f32)");
}

DType promote_types(DType a, DType b) { return kPromote[index(a)][index(b)]; }

DType result_type(Operand a, Operand b) {
  if (a.kind == b.kind) return promote_types(a.dtype, b.dtype);
  const Operand strong = a.kind > b.kind ? a : b;
  Operand weak = a.kind > b.kind ? b : a;
  if (category(weak.dtype) <= category(strong.dtype)) return strong.dtype;
  if (weak.kind == Operand::Kind::number && weak.dtype != B) weak.dtype = is_floating(weak.dtype) ? F32 : I64;
  return weak.dtype;
}

}  // namespace hop
