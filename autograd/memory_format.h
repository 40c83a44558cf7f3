// Images whose channels lie side by side: torch.channels_last, for tensors (N, C, H, W).
//
//   Tensor x = to(images, MemoryFormat::channels_last);   // the same shape and values
//   Tensor y = net(x);                                    // stays channels last
//
// On the CPU, operations that compute an image from images with channels last give such an image: elementwise
// operations, batch and group normalisation, pooling, Dropout, cat, pad, interpolate, index_select, clone and
// conversions of dtype, in every dtype. A convolution gives it in f32, bf16 and f16 for more than four channels,
// whatever its operand has, and planes for up to four channels, the number that pictures have; in f64 its result lies
// as its operand does. All of these give the same bits for both layouts, except the gradient of average pooling with
// windows that overlap, which adds up in the order of memory. reshape and flatten copy an image with channels last to
// planes, where PyTorch does. The gradient of a leaf is contiguous.
//
// On CUDA an image may have channels last, and every operation reads it, but results are contiguous: its kernels work
// on planes, and convolutions turn images on their own where that pays.
#pragma once

#include "tensor/memory_format.h"
#include "tensor/tensor.h"

namespace hop {

/// torch.Tensor.is_contiguous(memory_format): whether x lies so, without gaps. An image of one channel or of one pixel,
/// and a tensor without elements, lie in both ways. Tensors of other than four dimensions never have channels last.
bool is_contiguous(const Tensor& x, MemoryFormat format = MemoryFormat::contiguous);
/// torch.Tensor.contiguous(memory_format): `x` itself if it lies so, otherwise a copy that does, on x's device.
/// Gradients pass through. Throws ShapeError for channels last unless x has four dimensions.
Tensor contiguous(const Tensor& x, MemoryFormat format);
/// torch.Tensor.to(memory_format=..): contiguous(x, format). (For contiguous_format PyTorch leaves some strided views
/// as they are.)
Tensor to(const Tensor& x, MemoryFormat format);
/// torch.clone(memory_format=..): always a copy. Throws as contiguous().
Tensor clone(const Tensor& x, MemoryFormat format);

/// torch.empty_like: values that nobody has written, in x's shape, dtype and device. As with clone(), zeros_like(),
/// ones_like() and full_like() an image with channels last, or a part of one, gives an image with channels last on the
/// CPU, which is torch.preserve_format; any other layout gives a contiguous tensor.
Tensor empty_like(const Tensor& x);
/// The same in a given layout. Throws as contiguous().
Tensor empty_like(const Tensor& x, MemoryFormat format);
Tensor zeros_like(const Tensor& x, MemoryFormat format);
Tensor ones_like(const Tensor& x, MemoryFormat format);

}  // namespace hop
