// The implementations of a convolution, for conv.cpp and for tests.
#pragma once

#include <functional>

#include "kernels/conv_operations.h"
#include "kernels/cuda/dnn.h"

namespace hop::kernels::cuda {

/// Our own kernels: for f64, and for f32 without cuDNN or with math().own_kernels. As Operations::conv2d without bias;
/// all operands contiguous. A thread, or a warp, per result.
void conv2d_in_loops(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& y);

/// As conv2d_in_loops(), by matrix products: for groups with enough channels for a tile.
void conv2d_in_tiles(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& y);

/// Which code computes an f32 convolution if cuDNN is present, and in which precision: a function of the sizes alone,
/// from measurements (docs/gpu-results.md).
enum class ConvWay : std::uint8_t { own, cudnn, cudnn_strict };
/// - First layers, of up to four channels, are bound by the image that they write or read. Their factors stay f32 in
///   every precision, which saves the passes that would round them, and our own kernel computes their weight gradient.
/// - Strict weight gradients of few filters: cuDNN's deterministic engines take three to ten times as long as ours.
/// - cuDNN computes all others.
ConvWay conv_way(ConvPass pass, const ConvSizes& sizes, Precision precision);

/// dnn::convolve, or its stand-in in tests without a card.
using Convolve = std::function<bool(const dnn::Convolution& convolution, void* x, void* weight, void* y)>;

/// A convolution in bf16 with channels last. Operands (f32, any strides) are rounded to the nearest bf16, sums are f32,
/// and the result is rounded once more before it becomes f32 again (as under PyTorch's autocast). If `convolve` returns
/// false, writes nothing and returns false.
[[nodiscard]] bool conv2d_in_bf16(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                                  const Tensor& y, const Convolve& convolve = dnn::convolve);

}  // namespace hop::kernels::cuda
