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

/// Channels of an image, at most, whose layer counts as a first one.
constexpr std::int64_t kFirstLayerChannels = 4;

/// The forward pass of an f32 first layer, bias included (it may be undefined). All operands contiguous; the bits are
/// those of conv2d_in_tiles() and an addition. If the layer is no such one, or its windows are so large that most
/// threads of a block would be idle (a stem with strides), writes nothing and returns false.
[[nodiscard]] bool conv2d_of_first_layer(const ConvSizes& sizes, const Tensor& x, const Tensor& weight,
                                         const Tensor& bias, const Tensor& y);

/// Which code computes an f32 convolution if cuDNN is present: a function of the sizes alone, from measurements and
/// predictions (docs/gpu-results.md).
enum class ConvWay : std::uint8_t { own, cudnn };
/// - First layers are bound by the image that they write or read. Our own kernels compute them, in f32 in every
///   precision, which saves the passes that would round their factors; cuDNN computes the gradient of their image, and
///   the forward pass of those that conv2d_of_first_layer() refuses.
/// - Strict weight gradients of few filters: cuDNN's deterministic engines take three to ten times as long as ours.
/// - cuDNN computes all others.
ConvWay conv_way(ConvPass pass, const ConvSizes& sizes, Precision precision);

/// dnn::convolve, or its stand-in in tests without a card.
using Convolve = std::function<bool(const dnn::Convolution& convolution, void* x, void* weight, void* y)>;

/// A convolution in bf16 or f16, the 16 bits of `precision`, with channels last. Operands (f32, any strides) are
/// rounded to the nearest, sums are f32, and the result is rounded once more before it becomes f32 again (as under
/// PyTorch's autocast). In f16, operands and results beyond 65504 become infinite. If `convolve` returns false, writes
/// nothing and returns false.
[[nodiscard]] bool conv2d_in_half(Precision precision, ConvPass pass, const ConvSizes& sizes, const Tensor& x,
                                  const Tensor& weight, const Tensor& y, const Convolve& convolve = dnn::convolve);

}  // namespace hop::kernels::cuda
