// Convolution in f64: matrix products over the pixels under the kernel (conv_taps_internal.h). The matrix of pixels is
// made block by block, so that a block stays in the caches. For image n, with the weight as a matrix (K, taps):
//   forward      y (K, pixels)    = bias + weight x taps
//   input_grad   taps             = weight^T g, added to the pixels where they came from
//   weight_grad  weight (K, taps) = sum over n of g taps^T
// Each sum runs in one order, tap by tap or pixel by pixel, for any blocks and any number of threads.
#include "kernels/cpu/conv_internal.h"

#include <algorithm>

#include "kernels/capture_internal.h"
#include "kernels/cpu/conv_taps_internal.h"
#include "kernels/cpu/gemm_loops_internal.h"
#include "kernels/cpu/parallel_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kTaps = 128;    // taps of a block, roughly: sixteen columns fill half of the first-level cache
constexpr std::int64_t kPixels = 192;  // pixels of a block at most: 200 KB
constexpr std::int64_t kParts = 8;     // parts that run side by side at most, each in its own scratch memory ("room")

constexpr std::int64_t up_to_packed(std::int64_t columns) {
  return (columns + kPackedColumns - 1) / kPackedColumns * kPackedColumns;
}

/// One pass over one group of channels at a time, on x, weight and y in their memory layout.
struct ByProducts {
  ConvSizes z;
  double *x, *weight, *y;
  const double* bias;
  double* rooms;

  std::int64_t in() const { return z.c / z.options.groups; }
  std::int64_t out() const { return z.k / z.options.groups; }
  std::int64_t kernel() const { return z.r * z.s; }
  std::int64_t taps() const { return in() * kernel(); }
  std::int64_t pixels() const { return z.p * z.q; }
  /// Channels of a block, and blocks.
  std::int64_t channels() const { return std::clamp<std::int64_t>(kTaps / kernel(), 1, in()); }
  std::int64_t channel_blocks() const { return (in() + channels() - 1) / channels(); }
  std::int64_t pixel_blocks() const { return (pixels() + kPixels - 1) / kPixels; }
  std::int64_t width() const { return std::min(kPixels, up_to_packed(pixels())); }
  /// Elements of one room: a block of taps, and its transpose or the last columns of g.
  std::int64_t room() const {
    const std::int64_t rows = channels() * kernel();
    return rows * width() + std::max(up_to_packed(rows) * width(), kPackedColumns * out());
  }

  double* x_planes(std::int64_t n, std::int64_t group, std::int64_t channel) const {
    return x + (n * z.c + group * in() + channel) * z.h * z.w;
  }
  double* y_planes(std::int64_t n, std::int64_t group) const { return y + (n * z.k + group * out()) * pixels(); }
  double* weights(std::int64_t group) const { return weight + group * out() * taps(); }

  Taps block(std::int64_t channel_block, std::int64_t pixel_block) const {
    const auto& o = z.options;
    const std::int64_t first = channel_block * channels(), begin = pixel_block * kPixels;
    return {std::min(channels(), in() - first),  z.h,    z.w, z.r, z.s, z.q, o.stride, o.padding, o.dilation, begin,
            std::min(begin + kPixels, pixels()), width()};
  }

  static void multiply(const Gemm<double>& gemm) {
    HOP_PICK(gemm_rows<double>)(gemm, 0, (gemm.m + kGemmRows - 1) / kGemmRows);
  }

  /// Calls f(task, room) for every task, on several threads. One thread at a time uses a room.
  template <class F>
  void for_each_task(std::int64_t tasks, const F& f) const {
    const std::int64_t parts = std::min(tasks, kParts);
    parallel_for(parts, 1, [&](std::int64_t part, std::int64_t) {
      for (std::int64_t i = part * tasks / parts; i < (part + 1) * tasks / parts; ++i) f(i, rooms + part * room());
    });
  }

  void forward() const {
    for_each_task(z.n * z.options.groups * pixel_blocks(), [this](std::int64_t task, double* matrix) {
      const std::int64_t pixel_block = task % pixel_blocks(), group = task / pixel_blocks() % z.options.groups;
      const std::int64_t n = task / pixel_blocks() / z.options.groups;
      for (std::int64_t c = 0; c < channel_blocks(); ++c) {
        const Taps t = block(c, pixel_block);
        HOP_PICK(gather_taps)(t, x_planes(n, group, c * channels()), matrix);
        Gemm<double> g{};
        g.m = out(), g.n = t.end - t.begin, g.k = t.channels * kernel();
        g.a = weights(group) + c * channels() * kernel(), g.a_row = taps(), g.a_column = 1;
        g.b = matrix, g.b_row = t.row;
        g.rest = matrix + g.n / kPackedColumns * kPackedColumns, g.rest_row = t.row;
        g.bias = bias == nullptr ? nullptr : bias + group * out(), g.bias_of_rows = true;
        g.c = y_planes(n, group) + t.begin, g.c_row = pixels(), g.c_column = 1;
        g.adds = c != 0;
        multiply(g);
      }
    });
  }

  void input_grad() const {
    for_each_task(z.n * z.options.groups * channel_blocks(), [this](std::int64_t task, double* matrix) {
      const std::int64_t c = task % channel_blocks(), group = task / channel_blocks() % z.options.groups;
      const std::int64_t n = task / channel_blocks() / z.options.groups;
      double* const planes = x_planes(n, group, c * channels());
      std::fill_n(planes, block(c, 0).channels * z.h * z.w, 0.0);
      for (std::int64_t pixel_block = 0; pixel_block < pixel_blocks(); ++pixel_block) {
        const Taps t = block(c, pixel_block);
        Gemm<double> g{};
        g.m = t.channels * kernel(), g.n = t.end - t.begin, g.k = out();
        g.a = weights(group) + c * channels() * kernel(), g.a_row = 1, g.a_column = taps();
        g.b = y_planes(n, group) + t.begin, g.b_row = pixels();
        const std::int64_t last = g.n % kPackedColumns;
        double* const rest = matrix + channels() * kernel() * width();
        if (last != 0) HOP_PICK(pack_rest<double>)(g.b + g.n - last, pixels(), g.k, last, rest);
        g.rest = rest, g.rest_row = kPackedColumns;
        g.c = matrix, g.c_row = t.row, g.c_column = 1;
        multiply(g);
        HOP_PICK(scatter_taps)(t, matrix, planes);
      }
    });
  }

  void weight_grad() const {
    for_each_task(z.options.groups * channel_blocks(), [this](std::int64_t task, double* matrix) {
      const std::int64_t c = task % channel_blocks(), group = task / channel_blocks();
      double* const turned = matrix + channels() * kernel() * width();
      for (std::int64_t i = 0; i < z.n * pixel_blocks(); ++i) {
        const std::int64_t n = i / pixel_blocks();
        const Taps t = block(c, i % pixel_blocks());
        const std::int64_t rows = t.channels * kernel(), row = up_to_packed(rows);
        HOP_PICK(gather_taps)(t, x_planes(n, group, c * channels()), matrix);
        HOP_PICK(pack_turned<double>)(matrix, t.row, t.end - t.begin, rows, turned);
        Gemm<double> g{};
        g.m = out(), g.n = rows, g.k = t.end - t.begin;
        g.a = y_planes(n, group) + t.begin, g.a_row = pixels(), g.a_column = 1;
        g.b = turned, g.b_row = row;
        g.rest = turned + rows / kPackedColumns * kPackedColumns, g.rest_row = row;
        g.c = weights(group) + c * channels() * kernel(), g.c_row = taps(), g.c_column = 1;
        g.adds = i != 0;
        multiply(g);
      }
    });
  }
};

}  // namespace

void conv2d_by_products(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, const Tensor& y) {
  ByProducts work{
      sizes,  x.data<double>(), weight.data<double>(), y.data<double>(), bias.defined() ? bias.data<double>() : nullptr,
      nullptr};
  const Storage rooms(static_cast<std::size_t>(kParts * work.room()) * sizeof(double), Device::cpu());
  work.rooms = reinterpret_cast<double*>(rooms.data());
  launch([pass, work] {
    switch (pass) {
      case ConvPass::forward:
        return work.forward();
      case ConvPass::input_grad:
        return work.input_grad();
      case ConvPass::weight_grad:
        return work.weight_grad();
    }
  });
}

static void conv2d(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                   const Tensor& y) {
  if (y.dtype() == DType::f64) return conv2d_by_products(pass, sizes, x, weight, bias, y);
  const std::int64_t images = images_for_onednn(pass, sizes, bias.defined());
  if (images == 0) return conv2d_in_doubles(pass, sizes, x, weight, bias, y);
  if (images < sizes.n) return conv2d_in_parts(pass, sizes, x, weight, bias, y, images);
  conv2d_with_onednn(pass, sizes, x, weight, bias, y);
}

}  // namespace hop::kernels::cpu

namespace hop::kernels {

const ConvOperations ConvOperations::cpu = {
    .conv2d = cpu::conv2d,
};

}  // namespace hop::kernels
