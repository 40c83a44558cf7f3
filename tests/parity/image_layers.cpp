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

template <class M>
Row pool1(const char* name) {
  return {name, [](const A& a) {
            const std::int64_t kernel = size1(a, "kernel_size", 1);
            return run(a, M(kernel, {.stride = size1(a, "stride", kernel), .padding = size1(a, "padding", 0)}));
          }};
}
template <class M>
Row pool2(const char* name) {
  return {name, [](const A& a) {
            const nn::Size2d kernel = size2(a, "kernel_size", 1);
            const nn::Size2d stride = a.has("stride") ? size2(a, "stride", 1) : kernel;
            return run(a, M(kernel, {.stride = stride, .padding = size2(a, "padding", 0)}));
          }};
}
template <class M>
Row pool3(const char* name) {
  return {name, [](const A& a) {
            const nn::Size3d kernel = size3(a, "kernel_size", 1);
            const nn::Size3d stride = a.has("stride") ? size3(a, "stride", 1) : kernel;
            return run(a, M(kernel, {.stride = stride, .padding = size3(a, "padding", 0)}));
          }};
}

Rows pool_rows() {
  return {
      {"nn.LPPool1d",
       [](const A& a) {
         const std::int64_t kernel = size1(a, "kernel_size", 1);
         return run(a, nn::LPPool1d(a.number("norm_type", 2), kernel, size1(a, "stride", kernel)));
       }},
      {"nn.LPPool2d",
       [](const A& a) {
         const nn::Size2d kernel = size2(a, "kernel_size", 1);
         return run(a,
                    nn::LPPool2d(a.number("norm_type", 2), kernel, a.has("stride") ? size2(a, "stride", 1) : kernel));
       }},
      {"nn.LPPool3d",
       [](const A& a) {
         const nn::Size3d kernel = size3(a, "kernel_size", 1);
         return run(a,
                    nn::LPPool3d(a.number("norm_type", 2), kernel, a.has("stride") ? size3(a, "stride", 1) : kernel));
       }},
      pool1<nn::MaxPool1d>("nn.MaxPool1d"),
      pool1<nn::AvgPool1d>("nn.AvgPool1d"),
      pool2<nn::MaxPool2d>("nn.MaxPool2d"),
      pool2<nn::AvgPool2d>("nn.AvgPool2d"),
      pool3<nn::MaxPool3d>("nn.MaxPool3d"),
      pool3<nn::AvgPool3d>("nn.AvgPool3d"),
      {"nn.AdaptiveAvgPool1d", [](const A& a) { return run(a, nn::AdaptiveAvgPool1d(size1(a, "output_size", 1))); }},
      {"nn.AdaptiveAvgPool2d", [](const A& a) { return run(a, nn::AdaptiveAvgPool2d(size2(a, "output_size", 1))); }},
      {"nn.AdaptiveAvgPool3d", [](const A& a) { return run(a, nn::AdaptiveAvgPool3d(size3(a, "output_size", 1))); }},
      {"nn.AdaptiveMaxPool1d", [](const A& a) { return run(a, nn::AdaptiveMaxPool1d(size1(a, "output_size", 1))); }},
      {"nn.AdaptiveMaxPool2d",
       [](const A& a) {
         const nn::Size2d size = size2(a, "output_size", 1);
         return run(a, nn::AdaptiveMaxPool2d(size.height, size.width));
       }},
      {"nn.AdaptiveMaxPool3d", [](const A& a) { return run(a, nn::AdaptiveMaxPool3d(size3(a, "output_size", 1))); }},
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
