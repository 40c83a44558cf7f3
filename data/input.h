// What a model needs to know of its input. It goes from the data set to the builder of the model, wherever a model is
// built: in a run, on a worker, and from an exported file.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "tensor/shape.h"

namespace hop::data {

/// The shape of one row, and which of its features are indices of words: the last words.size() ones of a flat row. The
/// index of feature i is 0 .. words[i], where 0 stands for a word that no training row has.
struct Input {
  Shape shape = {};
  std::vector<std::int64_t> words = {};

  Input() = default;
  Input(Shape row) : shape(std::move(row)) {}                         // NOLINT: a row of numbers
  Input(std::initializer_list<std::int64_t> sizes) : shape(sizes) {}  // NOLINT: {1, 28, 28}
  bool operator==(const Input&) const = default;
};

}  // namespace hop::data
