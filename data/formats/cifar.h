// CIFAR-10 binary: records of 1 label byte and 3 x 32 x 32 bytes (red, green, blue planes).
// https://www.cs.toronto.edu/~kriz/cifar.html
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "data/source.h"

namespace hop::data {

/// `data_batch_*.bin` in the order of their names, then `test_batch.bin`. Empty if there is no training batch.
std::vector<std::filesystem::path> find_cifar(const std::filesystem::path& folder);

/// Rows of all files, in their order; files whose names start with "test" hold test rows. Features u8 (3, 32, 32).
/// Throws DataError that names the file and the place of a wrong size or label.
RawData open_cifar(std::span<const std::filesystem::path> files);

}  // namespace hop::data
