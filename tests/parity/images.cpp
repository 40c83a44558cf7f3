// Convolutions, pooling, norms and other sizes, as torch.nn.functional has them.
#include "autograd/ops.h"
#include "nn/layers.h"
#include "tests/parity/tables.h"

namespace hop::parity {
namespace {

using A = Arguments;

std::optional<std::int64_t> divisor(const A& a) {
  return a.has("divisor_override") ? std::optional(a.integer("divisor_override", 1)) : std::nullopt;
}

Pool2dOptions pool(const A& a) {
  return {.kernel = a.pair("kernel_size", 0),
          .stride = a.pair("stride", 0),
          .padding = a.pair("padding", 0),
          .dilation = a.pair("dilation", 1),
          .ceil_mode = a.flag("ceil_mode", false),
          .count_include_pad = a.flag("count_include_pad", true),
          .divisor_override = divisor(a)};
}

PoolMode mode(const A& a) { return {a.flag("ceil_mode", false), a.flag("count_include_pad", true), divisor(a)}; }

template <std::size_t N>
std::array<PoolWindow, N> windows(const A& a) {
  const auto kernel = a.sizes<N>("kernel_size", 0), stride = a.sizes<N>("stride", 0),
             padding = a.sizes<N>("padding", 0), dilation = a.sizes<N>("dilation", 1);
  std::array<PoolWindow, N> all;
  for (std::size_t i = 0; i < N; ++i) all[i] = {kernel[i], stride[i], padding[i], dilation[i]};
  return all;
}

template <std::size_t N>
std::vector<std::int64_t> output_size(const A& a) {
  const std::array<std::int64_t, N> sizes = kept_sizes<N>(a, "output_size");
  return {sizes.begin(), sizes.end()};
}

/// PyTorch also takes the whole shape: its last N sizes count.
template <std::size_t N>
std::optional<std::array<std::int64_t, N>> unpooled_size(const A& a) {
  const std::vector<std::int64_t> shape = a.integers("output_size");
  if (shape.size() < N) return std::nullopt;
  std::array<std::int64_t, N> last{};
  std::copy(shape.end() - static_cast<std::ptrdiff_t>(N), shape.end(), last.begin());
  return last;
}

/// PyTorch's padding="same"; "valid" is none.
bool is_same(const A& a) { return a.is_word("padding") && a.word("padding", "") == "same"; }
template <std::size_t N>
std::array<std::int64_t, N> zeros_of(const A& a) {
  return a.is_word("padding") ? std::array<std::int64_t, N>{} : a.sizes<N>("padding", 0);
}

Rows window_rows() {
  return {
      {"conv1d",
       [](const A& a) {
         const Conv1dOptions options{.stride = a.sizes<1>("stride", 1)[0],
                                     .padding = zeros_of<1>(a)[0],
                                     .dilation = a.sizes<1>("dilation", 1)[0],
                                     .groups = a.integer("groups", 1)};
         return is_same(a) ? conv1d(a["input"], a["weight"], a["bias"], kSame, options)
                           : conv1d(a["input"], a["weight"], a["bias"], options);
       }},
      {"conv_transpose1d",
       [](const A& a) {
         return conv_transpose1d(a["input"], a["weight"], a["bias"],
                                 {.stride = a.sizes<1>("stride", 1)[0],
                                  .padding = a.sizes<1>("padding", 0)[0],
                                  .output_padding = a.sizes<1>("output_padding", 0)[0],
                                  .groups = a.integer("groups", 1),
                                  .dilation = a.sizes<1>("dilation", 1)[0]});
       }},
      {"conv2d",
       [](const A& a) {
         const Conv2dOptions options{.stride = a.pair("stride", 1),
                                     .padding = zeros_of<2>(a),
                                     .dilation = a.pair("dilation", 1),
                                     .groups = a.integer("groups", 1)};
         return is_same(a) ? conv2d(a["input"], a["weight"], a["bias"], kSame, options)
                           : conv2d(a["input"], a["weight"], a["bias"], options);
       }},
      {"conv_transpose2d",
       [](const A& a) {
         return conv_transpose2d(a["input"], a["weight"], a["bias"],
                                 {.stride = a.pair("stride", 1),
                                  .padding = a.pair("padding", 0),
                                  .output_padding = a.pair("output_padding", 0),
                                  .groups = a.integer("groups", 1),
                                  .dilation = a.pair("dilation", 1)});
       }},
      {"conv3d",
       [](const A& a) {
         const Conv3dOptions options{.stride = a.sizes<3>("stride", 1),
                                     .padding = zeros_of<3>(a),
                                     .dilation = a.sizes<3>("dilation", 1),
                                     .groups = a.integer("groups", 1)};
         return is_same(a) ? conv3d(a["input"], a["weight"], a["bias"], kSame, options)
                           : conv3d(a["input"], a["weight"], a["bias"], options);
       }},
      {"conv_transpose3d",
       [](const A& a) {
         return conv_transpose3d(a["input"], a["weight"], a["bias"],
                                 {.stride = a.sizes<3>("stride", 1),
                                  .padding = a.sizes<3>("padding", 0),
                                  .output_padding = a.sizes<3>("output_padding", 0),
                                  .groups = a.integer("groups", 1),
                                  .dilation = a.sizes<3>("dilation", 1)});
       }},
      {"unfold",
       [](const A& a) {
         return unfold(a["input"], {.kernel = a.pair("kernel_size", 1),
                                    .stride = a.pair("stride", 1),
                                    .padding = a.pair("padding", 0),
                                    .dilation = a.pair("dilation", 1)});
       }},
      {"max_pool1d",
       [](const A& a) { return maxima(a, max_pool1d_with_indices(a["input"], windows<1>(a)[0], mode(a))); }},
      {"max_pool2d", [](const A& a) { return maxima(a, max_pool2d_with_indices(a["input"], pool(a))); }},
      {"max_pool3d", [](const A& a) { return maxima(a, max_pool3d_with_indices(a["input"], windows<3>(a), mode(a))); }},
      {"avg_pool1d", [](const A& a) { return avg_pool1d(a["input"], windows<1>(a)[0], mode(a)); }},
      {"avg_pool2d", [](const A& a) { return avg_pool2d(a["input"], pool(a)); }},
      {"avg_pool3d", [](const A& a) { return avg_pool3d(a["input"], windows<3>(a), mode(a)); }},
      {"max_unpool1d",
       [](const A& a) {
         const auto size = unpooled_size<1>(a);
         return max_unpool1d(a["input"], a["indices"], windows<1>(a)[0],
                             size ? std::optional((*size)[0]) : std::nullopt);
       }},
      {"max_unpool2d", [](const A& a) { return max_unpool2d(a["input"], a["indices"], pool(a), unpooled_size<2>(a)); }},
      {"max_unpool3d",
       [](const A& a) { return max_unpool3d(a["input"], a["indices"], windows<3>(a), unpooled_size<3>(a)); }},
      {"adaptive_avg_pool1d", [](const A& a) { return adaptive_avg_pool(a["input"], output_size<1>(a)); }},
      {"adaptive_avg_pool2d", [](const A& a) { return adaptive_avg_pool(a["input"], output_size<2>(a)); }},
      {"adaptive_avg_pool3d", [](const A& a) { return adaptive_avg_pool(a["input"], output_size<3>(a)); }},
      {"adaptive_max_pool1d",
       [](const A& a) { return maxima(a, adaptive_max_pool_with_indices(a["input"], output_size<1>(a))); }},
      {"adaptive_max_pool2d",
       [](const A& a) { return maxima(a, adaptive_max_pool_with_indices(a["input"], output_size<2>(a))); }},
      {"adaptive_max_pool3d",
       [](const A& a) { return maxima(a, adaptive_max_pool_with_indices(a["input"], output_size<3>(a))); }},
      {"interpolate",
       [](const A& a) {
         const InterpolateMode mode = a.choice("mode", InterpolateMode::nearest,
                                               {{"nearest", InterpolateMode::nearest},
                                                {"nearest-exact", InterpolateMode::nearest_exact},
                                                {"linear", InterpolateMode::linear},
                                                {"bilinear", InterpolateMode::bilinear},
                                                {"trilinear", InterpolateMode::trilinear},
                                                {"bicubic", InterpolateMode::bicubic},
                                                {"area", InterpolateMode::area}});
         return interpolate(a["input"], {.size = a.integers("size"),
                                         .scale_factor = a.numbers("scale_factor"),
                                         .mode = mode,
                                         .align_corners = a.flag("align_corners", false),
                                         .recompute_scale_factor = a.flag("recompute_scale_factor", false)});
       }},
  };
}

Rows norm_rows() {
  return {
      {"layer_norm",
       [](const A& a) {
         return layer_norm(a["input"], a.shape("normalized_shape"), a["weight"], a["bias"], a.number("eps", 1e-5));
       }},
      {"group_norm",
       [](const A& a) {
         return group_norm(a["input"], a.integer("num_groups", 1), a["weight"], a["bias"], a.number("eps", 1e-5));
       }},
      // The running statistics are not judged here: those of nn.BatchNorm2d are.
      {"batch_norm",
       [](const A& a) {
         const Tensor mean = a["running_mean"], var = a["running_var"];
         a.number("momentum");
         return a.flag("training", false)
                    ? batch_norm(a["input"], a["weight"], a["bias"], a.number("eps", 1e-5)).y
                    : batch_norm_eval(a["input"], mean, var, a["weight"], a["bias"], a.number("eps", 1e-5));
       }},
  };
}

nn::Upsampling2dOptions upsampling(const A& a) {
  return {.size = a.integers("size"), .scale_factor = a.numbers("scale_factor")};
}

// Functions of PyTorch that are classes here.
Rows class_rows() {
  return {
      {"upsample_nearest", [](const A& a) { return nn::UpsamplingNearest2d(upsampling(a))(a["input"]); }},
      {"upsample_bilinear", [](const A& a) { return nn::UpsamplingBilinear2d(upsampling(a))(a["input"]); }},
      {"celu", [](const A& a) { return nn::CELU(a.number("alpha", 1))(a["input"]); }},
      {"softmin", [](const A& a) { return nn::Softmin(a.integer("dim", -1))(a["input"]); }},
      {"pixel_shuffle", [](const A& a) { return nn::PixelShuffle(a.integer("upscale_factor", 1))(a["input"]); }},
      {"pixel_unshuffle", [](const A& a) { return nn::PixelUnshuffle(a.integer("downscale_factor", 1))(a["input"]); }},
      {"channel_shuffle", [](const A& a) { return nn::ChannelShuffle(a.integer("groups", 1))(a["input"]); }},
      {"local_response_norm",
       [](const A& a) {
         return nn::LocalResponseNorm(
             a.integer("size", 1),
             {.alpha = a.number("alpha", 1e-4), .beta = a.number("beta", 0.75), .k = a.number("k", 1)})(a["input"]);
       }},
  };
}

}  // namespace

Rows image_rows() {
  Rows all;
  for (const Rows& rows : {window_rows(), norm_rows(), class_rows()}) all.insert(all.end(), rows.begin(), rows.end());
  return all;
}

}  // namespace hop::parity
