// The layers of images, sequences and volumes: norms, convolutions, pooling, padding.
#include "nn/layers.h"
#include "tests/parity/tables.h"

namespace hop::parity {
namespace {

using A = Arguments;

constexpr DType f64 = DType::f64;

nn::Size2d size2(const A& a, const std::string& name, std::int64_t fallback) {
  const auto [height, width] = a.pair(name, fallback);
  return {height, width};
}

nn::Size3d size3(const A& a, const std::string& name, std::int64_t fallback) {
  const auto [depth, height, width] = a.sizes<3>(name, fallback);
  return {depth, height, width};
}

std::int64_t size1(const A& a, const std::string& name, std::int64_t fallback) { return a.sizes<1>(name, fallback)[0]; }

/// PyTorch's padding="same"; "valid" is none.
bool is_same(const A& a) { return a.is_word("padding") && a.word("padding", "") == "same"; }
bool is_valid(const A& a) { return a.is_word("padding") && a.word("padding", "") == "valid"; }

nn::Padding2d padding2(const A& a) {
  if (is_same(a)) return nn::kSame;
  return is_valid(a) ? nn::Size2d(0) : size2(a, "padding", 0);
}
nn::Padding1d padding1(const A& a) {
  if (is_same(a)) return nn::kSame;
  return is_valid(a) ? 0 : size1(a, "padding", 0);
}

PadMode padding_mode(const A& a) {
  return a.choice("padding_mode", PadMode::constant,
                  {{"zeros", PadMode::constant},
                   {"reflect", PadMode::reflect},
                   {"replicate", PadMode::replicate},
                   {"circular", PadMode::circular}});
}

nn::BatchNormOptions batch_norm(const A& a) {
  return {.eps = a.number("eps", 1e-5),
          .momentum = a.number_or_none("momentum", 0.1),
          .affine = a.flag("affine", true),
          .track_running_stats = a.flag("track_running_stats", true),
          .bias = a.flag("bias", true),
          .dtype = f64};
}

nn::InstanceNormOptions instance_norm(const A& a) {
  return {.eps = a.number("eps", 1e-5),
          .momentum = a.number_or_none("momentum", 0.1),
          .affine = a.flag("affine", false),
          .track_running_stats = a.flag("track_running_stats", false),
          .bias = a.flag("bias", true),
          .dtype = f64};
}

Rows norm_rows() {
  return {
      {"nn.BatchNorm1d",
       [](const A& a) { return run(a, nn::BatchNorm1d(a.integer("num_features", 1), batch_norm(a))); }},
      {"nn.BatchNorm2d",
       [](const A& a) { return run(a, nn::BatchNorm2d(a.integer("num_features", 1), batch_norm(a))); }},
      {"nn.BatchNorm3d",
       [](const A& a) { return run(a, nn::BatchNorm3d(a.integer("num_features", 1), batch_norm(a))); }},
      {"nn.InstanceNorm3d",
       [](const A& a) { return run(a, nn::InstanceNorm3d(a.integer("num_features", 1), instance_norm(a))); }},
      {"nn.LocalResponseNorm",
       [](const A& a) {
         return run(a, nn::LocalResponseNorm(
                           a.integer("size", 1),
                           {.alpha = a.number("alpha", 1e-4), .beta = a.number("beta", 0.75), .k = a.number("k", 1)}));
       }},
      {"nn.InstanceNorm1d",
       [](const A& a) { return run(a, nn::InstanceNorm1d(a.integer("num_features", 1), instance_norm(a))); }},
      {"nn.InstanceNorm2d",
       [](const A& a) { return run(a, nn::InstanceNorm2d(a.integer("num_features", 1), instance_norm(a))); }},
      {"nn.LayerNorm",
       [](const A& a) {
         return run(
             a, nn::LayerNorm(a.shape("normalized_shape"), {.eps = a.number("eps", 1e-5),
                                                            .elementwise_affine = a.flag("elementwise_affine", true),
                                                            .bias = a.flag("bias", true),
                                                            .dtype = f64}));
       }},
      {"nn.RMSNorm",
       [](const A& a) {
         const nn::RMSNormOptions options{.eps = a.number_or_none("eps", std::nullopt),
                                          .elementwise_affine = a.flag("elementwise_affine", true),
                                          .dtype = f64};
         return run(a, nn::RMSNorm(a.shape("normalized_shape"), options), [&](nn::RMSNorm& m) { return m(a["x"]); });
       }},
      {"nn.GroupNorm",
       [](const A& a) {
         return run(a, nn::GroupNorm(a.integer("num_groups", 1), a.integer("num_channels", 1),
                                     {.eps = a.number("eps", 1e-5),
                                      .affine = a.flag("affine", true),
                                      .bias = a.flag("bias", true),
                                      .dtype = a.sample_dtype()}));
       }},
  };
}

Rows convolution_rows() {
  return {
      {"nn.Conv1d",
       [](const A& a) {
         return run(a, nn::Conv1d(a.integer("in_channels", 1), a.integer("out_channels", 1), size1(a, "kernel_size", 1),
                                  {.stride = size1(a, "stride", 1),
                                   .padding = padding1(a),
                                   .dilation = size1(a, "dilation", 1),
                                   .groups = a.integer("groups", 1),
                                   .bias = a.flag("bias", true),
                                   .padding_mode = padding_mode(a),
                                   .dtype = f64}));
       }},
      {"nn.Conv2d",
       [](const A& a) {
         return run(a, nn::Conv2d(a.integer("in_channels", 1), a.integer("out_channels", 1), size2(a, "kernel_size", 1),
                                  {.stride = size2(a, "stride", 1),
                                   .padding = padding2(a),
                                   .dilation = size2(a, "dilation", 1),
                                   .groups = a.integer("groups", 1),
                                   .bias = a.flag("bias", true),
                                   .padding_mode = padding_mode(a),
                                   .dtype = f64}));
       }},
      {"nn.ConvTranspose1d",
       [](const A& a) {
         return run(a, nn::ConvTranspose1d(a.integer("in_channels", 1), a.integer("out_channels", 1),
                                           size1(a, "kernel_size", 1),
                                           {.stride = size1(a, "stride", 1),
                                            .padding = size1(a, "padding", 0),
                                            .output_padding = size1(a, "output_padding", 0),
                                            .groups = a.integer("groups", 1),
                                            .bias = a.flag("bias", true),
                                            .dilation = size1(a, "dilation", 1),
                                            .dtype = f64}));
       }},
      {"nn.ConvTranspose2d",
       [](const A& a) {
         return run(a, nn::ConvTranspose2d(a.integer("in_channels", 1), a.integer("out_channels", 1),
                                           size2(a, "kernel_size", 1),
                                           {.stride = size2(a, "stride", 1),
                                            .padding = size2(a, "padding", 0),
                                            .output_padding = size2(a, "output_padding", 0),
                                            .groups = a.integer("groups", 1),
                                            .bias = a.flag("bias", true),
                                            .dilation = size2(a, "dilation", 1),
                                            .dtype = f64}));
       }},
  };
}

nn::Padding3d padding3(const A& a) {
  if (is_same(a)) return nn::kSame;
  return is_valid(a) ? nn::Size3d(0) : size3(a, "padding", 0);
}

Rows volume_convolution_rows() {
  return {
      {"nn.Conv3d",
       [](const A& a) {
         return run(a, nn::Conv3d(a.integer("in_channels", 1), a.integer("out_channels", 1), size3(a, "kernel_size", 1),
                                  {.stride = size3(a, "stride", 1),
                                   .padding = padding3(a),
                                   .dilation = size3(a, "dilation", 1),
                                   .groups = a.integer("groups", 1),
                                   .bias = a.flag("bias", true),
                                   .padding_mode = padding_mode(a),
                                   .dtype = f64}));
       }},
      {"nn.ConvTranspose3d",
       [](const A& a) {
         return run(a, nn::ConvTranspose3d(a.integer("in_channels", 1), a.integer("out_channels", 1),
                                           size3(a, "kernel_size", 1),
                                           {.stride = size3(a, "stride", 1),
                                            .padding = size3(a, "padding", 0),
                                            .output_padding = size3(a, "output_padding", 0),
                                            .groups = a.integer("groups", 1),
                                            .bias = a.flag("bias", true),
                                            .dilation = size3(a, "dilation", 1),
                                            .dtype = f64}));
       }},
  };
}

std::optional<std::int64_t> divisor(const A& a) {
  return a.has("divisor_override") ? std::optional(a.integer("divisor_override", 1)) : std::nullopt;
}

nn::Pool1dOptions options1(const A& a) {
  return {.stride = size1(a, a.has("stride") ? "stride" : "kernel_size", 1),
          .padding = size1(a, "padding", 0),
          .dilation = size1(a, "dilation", 1),
          .ceil_mode = a.flag("ceil_mode", false),
          .count_include_pad = a.flag("count_include_pad", true)};
}
nn::PoolOptions options2(const A& a) {
  return {.stride = size2(a, a.has("stride") ? "stride" : "kernel_size", 1),
          .padding = size2(a, "padding", 0),
          .dilation = size2(a, "dilation", 1),
          .ceil_mode = a.flag("ceil_mode", false),
          .count_include_pad = a.flag("count_include_pad", true),
          .divisor_override = divisor(a)};
}
nn::Pool3dOptions options3(const A& a) {
  return {.stride = size3(a, a.has("stride") ? "stride" : "kernel_size", 1),
          .padding = size3(a, "padding", 0),
          .dilation = size3(a, "dilation", 1),
          .ceil_mode = a.flag("ceil_mode", false),
          .count_include_pad = a.flag("count_include_pad", true),
          .divisor_override = divisor(a)};
}

/// A pooling that can say where its maxima stood.
template <class M>
std::vector<Tensor> pooled(const A& a, M module) {
  return run(a, std::move(module), [&](M& m) {
    if (!a.flag("return_indices", false)) return std::vector<Tensor>{m(a["input"])};
    return maxima(a, m.with_indices(a["input"]));
  });
}

/// The only size of a line.
std::int64_t kept_size(const A& a) { return kept_sizes<1>(a, "output_size")[0]; }

Rows pool_rows() {
  return {
      {"nn.LPPool1d",
       [](const A& a) {
         return run(a, nn::LPPool1d(a.number("norm_type", 2), size1(a, "kernel_size", 1), options1(a).stride,
                                    a.flag("ceil_mode", false)));
       }},
      {"nn.LPPool2d",
       [](const A& a) {
         return run(a, nn::LPPool2d(a.number("norm_type", 2), size2(a, "kernel_size", 1), options2(a).stride,
                                    a.flag("ceil_mode", false)));
       }},
      {"nn.LPPool3d",
       [](const A& a) {
         return run(a, nn::LPPool3d(a.number("norm_type", 2), size3(a, "kernel_size", 1), options3(a).stride,
                                    a.flag("ceil_mode", false)));
       }},
      {"nn.MaxPool1d", [](const A& a) { return pooled(a, nn::MaxPool1d(size1(a, "kernel_size", 1), options1(a))); }},
      {"nn.AvgPool1d", [](const A& a) { return run(a, nn::AvgPool1d(size1(a, "kernel_size", 1), options1(a))); }},
      {"nn.MaxPool2d", [](const A& a) { return pooled(a, nn::MaxPool2d(size2(a, "kernel_size", 1), options2(a))); }},
      {"nn.AvgPool2d", [](const A& a) { return run(a, nn::AvgPool2d(size2(a, "kernel_size", 1), options2(a))); }},
      {"nn.MaxPool3d", [](const A& a) { return pooled(a, nn::MaxPool3d(size3(a, "kernel_size", 1), options3(a))); }},
      {"nn.AvgPool3d", [](const A& a) { return run(a, nn::AvgPool3d(size3(a, "kernel_size", 1), options3(a))); }},
      {"nn.AdaptiveAvgPool1d", [](const A& a) { return run(a, nn::AdaptiveAvgPool1d(kept_size(a))); }},
      {"nn.AdaptiveAvgPool2d",
       [](const A& a) {
         const auto [height, width] = kept_sizes<2>(a, "output_size");
         return run(a, nn::AdaptiveAvgPool2d({height, width}));
       }},
      {"nn.AdaptiveAvgPool3d",
       [](const A& a) {
         const auto [depth, height, width] = kept_sizes<3>(a, "output_size");
         return run(a, nn::AdaptiveAvgPool3d({depth, height, width}));
       }},
      {"nn.AdaptiveMaxPool1d", [](const A& a) { return pooled(a, nn::AdaptiveMaxPool1d(kept_size(a))); }},
      {"nn.AdaptiveMaxPool2d",
       [](const A& a) {
         const auto [height, width] = kept_sizes<2>(a, "output_size");
         return pooled(a, nn::AdaptiveMaxPool2d({height, width}));
       }},
      {"nn.AdaptiveMaxPool3d",
       [](const A& a) {
         const auto [depth, height, width] = kept_sizes<3>(a, "output_size");
         return pooled(a, nn::AdaptiveMaxPool3d({depth, height, width}));
       }},
  };
}

template <class M>
Row padding(const char* name) {
  return {name, [](const A& a) { return run(a, M(a.integers("padding"))); }};
}
template <class M>
Row constant_padding(const char* name) {
  return {name, [](const A& a) { return run(a, M(a.integers("padding"), a.number("value", 0))); }};
}

Rows padding_rows() {
  return {
      padding<nn::ZeroPad1d>("nn.ZeroPad1d"),
      padding<nn::ZeroPad2d>("nn.ZeroPad2d"),
      padding<nn::ZeroPad3d>("nn.ZeroPad3d"),
      padding<nn::ReflectionPad1d>("nn.ReflectionPad1d"),
      padding<nn::ReflectionPad2d>("nn.ReflectionPad2d"),
      padding<nn::ReflectionPad3d>("nn.ReflectionPad3d"),
      padding<nn::ReplicationPad1d>("nn.ReplicationPad1d"),
      padding<nn::ReplicationPad2d>("nn.ReplicationPad2d"),
      padding<nn::ReplicationPad3d>("nn.ReplicationPad3d"),
      padding<nn::CircularPad1d>("nn.CircularPad1d"),
      padding<nn::CircularPad2d>("nn.CircularPad2d"),
      padding<nn::CircularPad3d>("nn.CircularPad3d"),
      constant_padding<nn::ConstantPad1d>("nn.ConstantPad1d"),
      constant_padding<nn::ConstantPad2d>("nn.ConstantPad2d"),
      constant_padding<nn::ConstantPad3d>("nn.ConstantPad3d"),
  };
}

}  // namespace

Rows image_layer_rows() {
  Rows all;
  for (const Rows& rows : {norm_rows(), convolution_rows(), volume_convolution_rows(), pool_rows(), padding_rows()}) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

}  // namespace hop::parity
