// The order in which the elements of an image (N, C, H, W) lie in memory. Its shape is the same in both.
#pragma once

namespace hop {

/// torch.contiguous_format: row by row, plane by plane. torch.channels_last: pixel by pixel, with the channels of a
/// pixel side by side (NHWC); for tensors of four dimensions. There is no torch.channels_last_3d, and
/// torch.preserve_format is what copies do without a format (autograd/memory_format.h).
enum class MemoryFormat { contiguous, channels_last };

}  // namespace hop
