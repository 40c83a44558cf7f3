// Models of layers for pictures (1, 28, 28), for all tests that build, train or export them: together they have every
// kind of layer that came after the first ones.
#pragma once

#include <string>
#include <vector>

namespace hop::nn::testing {

struct LayerCase {
  std::string name;
  std::vector<std::string> layers;  ///< for a picture (1, 28, 28) and $outputs classes
};

/// As in an experiment file: `["relu", "linear $outputs"]`.
inline std::string list_of_layers(const LayerCase& c) {
  std::string text;
  for (const std::string& layer : c.layers) text += (text.empty() ? "[\"" : ", \"") + layer + "\"";
  return text + "]";
}

inline std::vector<LayerCase> layer_cases() {
  return {
      {"UNet",
       {"conv2d 4 3 padding=1",
        "concat { max_pool2d 2; conv2d 8 3 padding=1; relu; concat { max_pool2d 2; conv2d 8 3 padding=1; relu; "
        "conv_transpose2d 8 2 stride=2 }; conv2d 8 3 padding=1; conv_transpose2d 4 2 stride=2 }",
        "conv2d 4 3 stride=2 padding=1",
        "concat { conv2d 2 1 } { conv2d 3 3 padding=1; relu6 } { max_pool2d 3 stride=1 padding=1 }",
        "instancenorm2d affine=true", "adaptive_avg_pool2d 3x5", "flatten", "linear $outputs"}},
      {"Sizes",
       {"pixel_unshuffle 2", "conv2d 8 3 padding=1", "upsample 2 mode=bilinear", "adaptive_max_pool2d 9x10",
        "pixel_shuffle 2", "upsample 2x1",
        "conv_transpose2d 6 3x2 stride=2x1 padding=1x0 output_padding=1x0 dilation=1x2 groups=2 bias=false",
        "instancenorm2d track_running_stats=true", "dropout2d 0.1", "adaptive_max_pool2d 4",
        "upsample 1x2 mode=bilinear align_corners=true", "upsample 2x3 mode=bicubic", "flatten", "linear $outputs"}},
      {"Sequences",
       {"flatten", "unflatten 28,28", "conv1d 8 5 padding=same padding_mode=circular", "batchnorm1d", "max_pool1d 2",
        "conv1d 12 3 stride=2 padding=2 dilation=2 groups=2 padding_mode=reflect", "instancenorm1d",
        "avg_pool1d 3 stride=1 padding=1", "adaptive_max_pool1d 5", "adaptive_avg_pool1d 3", "transpose",
        "rmsnorm 0.001", "token_mean", "linear $outputs"}},
      {"Recurrent",
       {"flatten", "unflatten 28,28", "lstm 6 2 dropout=0.1 bidirectional=true", "gru 5 bias=false",
        "rnn 7 nonlinearity=relu bidirectional=true last=true", "linear $outputs"}},
      {"LastState", {"flatten", "unflatten 28,28", "lstm 9 last=true", "linear $outputs"}},
      {"Transformer",
       {"flatten", "unflatten 14,56", "linear 16", "positional_embedding", "transformer_encoder_layer 4 32",
        "transformer_encoder_layer 2 24 activation=gelu norm_first=true", "rmsnorm", "token_mean", "linear $outputs"}},
      {"Activations",
       {"flatten",
        "linear 24",
        "prelu",
        "linear 24",
        "prelu 24 init=0.1",
        "relu6",
        "linear 24",
        "selu",
        "celu 0.7",
        "mish",
        "linear 24",
        "softplus 2 threshold=5",
        "softsign",
        "linear 24",
        "hardtanh -0.5 2",
        "hardsigmoid",
        "linear 24",
        "hardswish",
        "logsigmoid",
        "tanhshrink",
        "linear 24",
        "hardshrink 0.01",
        "softshrink 0.01",
        "linear 24",
        "threshold -0.3 0.1",
        "alpha_dropout 0.1",
        "glu",
        "log_softmax",
        "linear $outputs"}},
  };
}

}  // namespace hop::nn::testing
