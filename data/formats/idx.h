// IDX, the format of MNIST: big-endian header (two zero bytes, element type, number of dimensions, sizes), then the
// elements. http://yann.lecun.com/exdb/mnist
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "data/source.h"

namespace hop::data {

/// Images and labels under their usual names (`train-images-idx3-ubyte`, `t10k-...` or `test-...`), in the form that
/// open_idx takes. Empty if there are no training images.
std::vector<std::filesystem::path> find_idx(const std::filesystem::path& folder);

/// images, labels [, test images, test labels]. Images are bytes (n, h, w), read as (1, h, w), or (n, ...), read as
/// (...). Labels are bytes (n). Throws DataError that names the file and the field of its header.
RawData open_idx(std::span<const std::filesystem::path> files);

}  // namespace hop::data
