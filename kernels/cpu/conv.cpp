// The definition of convolution, in doubles:
//   y[n][k][i][j] = bias[k] + sum over c, r, s of x[n][c][i stride + r dilation - padding][..] weight[k][c][r][s]
// where c runs over the channels of k's group. Both gradients visit the same terms and add into another factor.
#include "kernels/cpu/conv_internal.h"

#include <algorithm>

#include "kernels/capture_internal.h"
#include "kernels/cpu/operations_internal.h"

namespace hop::kernels::cpu {
namespace {

/// Calls f(x index, weight index, y index) for every term of the sums; terms that fall into the padding are left out.
template <class F>
void for_each_term(const ConvSizes& z, const F& f) {
  const auto& [stride, padding, dilation, groups] = z.options;
  const std::int64_t group_in = z.c / groups, group_out = z.k / groups;
  for (std::int64_t nk = 0; nk < z.n * z.k; ++nk) {
    const std::int64_t n = nk / z.k, k = nk % z.k;
    for (std::int64_t c = 0; c < group_in; ++c) {
      const std::int64_t plane = n * z.c + k / group_out * group_in + c;
      for (std::int64_t i = 0; i < z.p; ++i) {
        for (std::int64_t r = 0; r < z.r; ++r) {
          const std::int64_t h = i * stride[0] + r * dilation[0] - padding[0];
          if (h < 0 || h >= z.h) continue;
          for (std::int64_t j = 0; j < z.q; ++j) {
            for (std::int64_t s = 0; s < z.s; ++s) {
              const std::int64_t w = j * stride[1] + s * dilation[1] - padding[1];
              if (w < 0 || w >= z.w) continue;
              f((plane * z.h + h) * z.w + w, ((k * group_in + c) * z.r + r) * z.s + s, (nk * z.p + i) * z.q + j);
            }
          }
        }
      }
    }
  }
}

}  // namespace

void conv2d_in_loops(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                     const Tensor& y) {
  launch([pass, sizes, u = x.data<double>(), x_count = x.numel(), v = weight.data<double>(), v_count = weight.numel(),
          g = y.data<double>(), bias = bias.defined() ? bias.data<double>() : nullptr] {
    switch (pass) {
      case ConvPass::forward:
        for (std::int64_t plane = 0; plane < sizes.n * sizes.k; ++plane) {
          const double start = bias != nullptr ? bias[plane % sizes.k] : 0;
          std::fill_n(g + plane * sizes.p * sizes.q, sizes.p * sizes.q, start);
        }
        return for_each_term(sizes, [=](auto at_x, auto at_w, auto at_y) { g[at_y] += u[at_x] * v[at_w]; });
      case ConvPass::input_grad:
        std::fill_n(u, x_count, 0.0);
        return for_each_term(sizes, [=](auto at_x, auto at_w, auto at_y) { u[at_x] += g[at_y] * v[at_w]; });
      case ConvPass::weight_grad:
        std::fill_n(v, v_count, 0.0);
        return for_each_term(sizes, [=](auto at_x, auto at_w, auto at_y) { v[at_w] += g[at_y] * u[at_x]; });
    }
  });
}

void conv2d(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
            const Tensor& y) {
  auto* const loops = y.dtype() == DType::f32 ? conv2d_with_onednn : conv2d_in_loops;
  loops(pass, sizes, x, weight, bias, y);
}

}  // namespace hop::kernels::cpu
