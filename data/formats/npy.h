// NumPy arrays in .npy files: features and labels.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "data/source.h"

namespace hop::data {

/// `x.npy` and `y.npy`, or `x_train.npy` and `y_train.npy`; and `x_test.npy` and `y_test.npy` if they are there. Empty
/// if there are no training features. Throws DataError for half a pair.
std::vector<std::filesystem::path> find_npy(const std::filesystem::path& folder);

/// features, labels [, test features, test labels]. Features (rows, ...) of any number type (NpyArray::dtype); bytes
/// are taken for pictures, other integers for indices, and neither is scaled by column. Labels are classes, (rows) or
/// (rows, 1): whole numbers 0 .. classes - 1, where the largest label of the training rows decides. Or they are numbers
/// to predict, (rows) or (rows, k). `target` says which; by default they are numbers if k > 1 or if some training label
/// has a fraction. Throws DataError that names the file and the row; RowSource::read() throws it for a feature that is
/// no finite number.
RawData open_npy(std::span<const std::filesystem::path> files, std::optional<TargetKind> target = {});

}  // namespace hop::data
