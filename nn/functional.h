// torch.nn.functional: names for the operations of autograd/, and attention.
#pragma once

#include "autograd/ops.h"
#include "nn/layers/attention.h"  // scaled_dot_product_attention
#include "nn/layers/rotary.h"     // rotary_embedding

namespace hop::nn::functional {

using hop::avg_pool2d;
using hop::conv2d;
using hop::cosine_similarity;
using hop::cross_entropy;
using hop::dropout;
using hop::elu;
using hop::embedding;
using hop::gelu;
using hop::glu;
using hop::group_norm;
using hop::hardsigmoid;
using hop::hardswish;
using hop::hardtanh;
using hop::layer_norm;
using hop::leaky_relu;
using hop::linear;
using hop::log_softmax;
using hop::logsigmoid;
using hop::max_pool2d;
using hop::mish;
using hop::mse_loss;
using hop::nll_loss;
using hop::normalize;
using hop::one_hot;
using hop::pad;
using hop::prelu;
using hop::relu;
using hop::relu6;
using hop::selu;
using hop::sigmoid;
using hop::silu;
using hop::softmax;
using hop::softplus;
using hop::softsign;
using hop::tanh;

}  // namespace hop::nn::functional
