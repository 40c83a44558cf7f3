// torch.nn.functional: names for the operations of autograd/, and attention.
#pragma once

#include "autograd/ops.h"
#include "nn/layers/attention.h"  // scaled_dot_product_attention
#include "nn/layers/rotary.h"     // rotary_embedding

namespace hop::nn::functional {

using hop::adaptive_avg_pool;
using hop::adaptive_max_pool;
using hop::attention;
using hop::avg_pool1d;
using hop::avg_pool2d;
using hop::avg_pool3d;
using hop::binary_cross_entropy;
using hop::binary_cross_entropy_with_logits;
using hop::conv2d;
using hop::conv3d;
using hop::conv_transpose2d;
using hop::conv_transpose3d;
using hop::cosine_embedding_loss;
using hop::cosine_similarity;
using hop::cross_entropy;
using hop::ctc_loss;
using hop::dropout;
using hop::elu;
using hop::embedding;
using hop::fold;
using hop::fractional_max_pool2d;
using hop::fractional_max_pool2d_with_indices;
using hop::fractional_max_pool3d;
using hop::fractional_max_pool3d_with_indices;
using hop::gaussian_nll_loss;
using hop::gelu;
using hop::glu;
using hop::group_norm;
using hop::hardshrink;
using hop::hardsigmoid;
using hop::hardswish;
using hop::hardtanh;
using hop::hinge_embedding_loss;
using hop::huber_loss;
using hop::interpolate;
using hop::InterpolateMode;
using hop::InterpolateOptions;
using hop::kl_div;
using hop::l1_loss;
using hop::layer_norm;
using hop::leaky_relu;
using hop::linear;
using hop::linear_cross_entropy;
using hop::log_softmax;
using hop::logsigmoid;
using hop::lp_pool1d;
using hop::lp_pool2d;
using hop::lp_pool3d;
using hop::margin_ranking_loss;
using hop::max_pool1d;
using hop::max_pool1d_with_indices;
using hop::max_pool2d;
using hop::max_pool2d_with_indices;
using hop::max_pool3d;
using hop::max_pool3d_with_indices;
using hop::max_unpool1d;
using hop::max_unpool2d;
using hop::max_unpool3d;
using hop::mish;
using hop::mse_loss;
using hop::multi_margin_loss;
using hop::multilabel_margin_loss;
using hop::multilabel_soft_margin_loss;
using hop::nll_loss;
using hop::normalize;
using hop::one_hot;
using hop::pad;
using hop::pairwise_distance;
using hop::poisson_nll_loss;
using hop::prelu;
using hop::relu;
using hop::relu6;
using hop::selu;
using hop::sigmoid;
using hop::silu;
using hop::smooth_l1_loss;
using hop::soft_margin_loss;
using hop::softmax;
using hop::softplus;
using hop::softshrink;
using hop::softsign;
using hop::tanh;
using hop::tanhshrink;
using hop::threshold;
using hop::triplet_margin_loss;
using hop::triplet_margin_with_distance_loss;
using hop::unfold;

}  // namespace hop::nn::functional
