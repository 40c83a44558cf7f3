// Kernels for two instruction sets in one library: x86-64-v3 (AVX2, FMA) and x86-64-v4 (AVX-512), chosen at run time.
//
// Sources in kernels/cpu/isa/ are compiled twice, with HOP_ISA = v3 and v4 and the macro Eigen renamed to Eigen_v3,
// Eigen_v4. The danger: the linker keeps one copy of an inline function or template that both builds (or the rest of
// the library) share. If it keeps the AVX-512 copy, an AVX2 machine dies of an illegal instruction. Therefore in those
// sources
//   - everything lives in namespace hop::kernels::HOP_ISA or in an unnamed namespace;
//   - the rows of the elementwise table live in rows::HOP_ISA (elementwise_vocabulary.h);
//   - no std:: template that may stay out of line (no containers, algorithms, streams), only <cmath>, <cstdint> and
//     <type_traits>;
//   - no Tensor: a kernel gets pointers and sizes, and never throws.
// `nm -C <object>` shows the weak symbols of an object: all of them must name v3, v4, Eigen_v3 or Eigen_v4.
//
// A kernel is declared for both with HOP_EACH_ISA and called through HOP_PICK:
//   HOP_EACH_ISA(void scale(float* x, std::int64_t n, float factor);)      // in kernels/cpu/scale_internal.h
//   HOP_PICK(scale)(x, n, 2.0F);                                           // in kernels/cpu/scale.cpp
#pragma once

namespace hop::kernels {

enum class Isa { v3, v4 };

/// The instruction set that isa() (threads.h) names. Throws DeviceError on a processor below v3.
Isa current_isa();

template <class F>
F* pick(F* v3, F* v4) {
  return current_isa() == Isa::v4 ? v4 : v3;
}

}  // namespace hop::kernels

// clang-format off
#define HOP_EACH_ISA(...) namespace v3 { __VA_ARGS__ } namespace v4 { __VA_ARGS__ }
// clang-format on
#define HOP_PICK(...) (*::hop::kernels::pick(&v3::__VA_ARGS__, &v4::__VA_ARGS__))
