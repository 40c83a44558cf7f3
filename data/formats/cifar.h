// CIFAR-10 and CIFAR-100, binary: records of label bytes and 3 x 32 x 32 bytes (red, green, blue planes).
// CIFAR-10 has one label byte. CIFAR-100 has two: one of 20 coarse classes, then one of 100 fine classes.
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

/// `train.bin`, then `test.bin` if it is there. Empty if there is no `train.bin`.
std::vector<std::filesystem::path> find_cifar100(const std::filesystem::path& folder);

/// As open_cifar(). The label of a row is its fine class. Names of classes are the lines of `fine_label_names.txt`
/// beside the first file, if that file is there. Throws DataError if it has not 100 lines.
RawData open_cifar100(std::span<const std::filesystem::path> files);

}  // namespace hop::data
