// The optimizer loops. Shared by the two builds of kernels/cpu/isa/.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

/// The constants of one step of SGD, in the arithmetic of T.
template <class T>
struct SgdConstants {
  T lr, momentum, keep, weight_decay;  // keep = 1 - dampening
  bool nesterov, first_step, has_momentum;
};
template <class T>
struct AdamConstants {
  T rest1, beta2, rest2;  // rest = 1 - beta
  T step_size;            // lr / (1 - beta1^step)
  T root_scale;           // 1 / sqrt(1 - beta2^step)
  T eps, weight_decay;
  T shrink;  // AdamW: 1 - lr * weight_decay; else 1
};

// p: parameters, g: gradients, m: momentum or exp_avg, v: exp_avg_sq.
HOP_EACH_ISA(void sgd(const SgdConstants<float>& c, float* p, const float* g, float* m, std::int64_t n);
             void sgd(const SgdConstants<double>& c, double* p, const double* g, double* m, std::int64_t n);
             void adam(const AdamConstants<float>& c, float* p, const float* g, float* m, float* v, std::int64_t n);
             void adam(const AdamConstants<double>& c, double* p, const double* g, double* m, double* v,
                       std::int64_t n);)

}  // namespace hop::kernels
