// The ways of a convolution, for conv.cpp and for tests.
#pragma once

#include <functional>

#include "kernels/cuda/dnn.h"
#include "kernels/operations_internal.h"

namespace hop::kernels::cuda {

/// By our own kernels: f64, and f32 where there is no cuDNN or math().own_kernels asks for them. As
/// Operations::conv2d without bias; everything contiguous. A thread, or a warp, per result.
void conv2d_in_loops(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& y);

/// The same as products of matrices: where a group has a tile's worth of channels.
void conv2d_in_tiles(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& y);

/// Who computes an f32 convolution where cuDNN is there, and in which precision: a function of its sizes alone, from
/// measurements (docs/gpu-results.md).
enum class ConvWay : std::uint8_t { own, cudnn, cudnn_strict };
/// - First layers, of up to four channels, are bound by the image that they write or read. Their factors stay f32 in
///   every precision, which saves the passes that would round them, and our own kernel computes their weight gradient.
/// - Strict weight gradients of few filters: cuDNN's deterministic engines take three to ten times as long as ours.
/// - All others are cuDNN's.
ConvWay conv_way(ConvPass pass, const ConvSizes& sizes, Precision precision);

/// dnn::convolve, or what stands for it where there is no card.
using Convolve = std::function<bool(const dnn::Convolution& convolution, void* x, void* weight, void* y)>;

/// In bf16, channels last: what is read is rounded to the nearest bf16, sums are f32, and the result is rounded once
/// more before it becomes f32 again (as under PyTorch's autocast). f32 of any strides. False, and nothing is written,
/// where `convolve` says so.
[[nodiscard]] bool conv2d_in_bf16(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                                  const Tensor& y, const Convolve& convolve = dnn::convolve);

}  // namespace hop::kernels::cuda
