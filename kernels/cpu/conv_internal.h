// Convolution on the CPU, by dtype.
#pragma once

#include "kernels/conv_operations.h"

namespace hop::kernels::cpu {

/// Computes one of x, weight and y from the other two, all contiguous unless said otherwise: forward writes y (and adds
/// bias if it is defined), input_grad writes x, weight_grad writes weight. f64, in our own products: the reference for
/// the f32 version.
void conv2d_by_products(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, const Tensor& y);
/// f32: cached oneDNN primitives. Images may also be dense with channels last. images_for_onednn() is at least n.
void conv2d_with_onednn(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, const Tensor& y);

/// How many images oneDNN can take at a time; 0: not even one. The kernels of oneDNN 2.6.3 count bytes in 32 bits
/// within a tensor of their own format, whose blocks may round the channels up. Those for one tap also count, of a
/// plane, the bytes of several blocks of channels.
std::int64_t images_for_onednn(ConvPass pass, const ConvSizes& sizes, bool with_bias);
/// The bytes of the larger of the two tensors of images, in the formats that conv2d_with_onednn() chooses for them.
std::int64_t image_bytes_in_onednn(ConvPass pass, const ConvSizes& sizes, bool with_bias);
/// f32: the batch cut into parts of at most `images`, each through oneDNN. The weight's gradient is the sum of theirs.
void conv2d_in_parts(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                     const Tensor& y, std::int64_t images);
/// f32: conv2d_by_products() on f64 copies, slow and right for any size.
void conv2d_in_doubles(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                       const Tensor& y);

}  // namespace hop::kernels::cpu
