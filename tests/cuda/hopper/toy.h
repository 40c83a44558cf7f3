// The common part of the tests of training on a device: a small data set, two small models, and two ways to compare
// states.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "kernels/cuda/runtime.h"
#include "nn/state.h"
#include "tensor/random.h"
#include "tests/temporary_folder.h"

namespace hop::testing {

namespace fs = std::filesystem;

/// 92 images of 8 x 8 bytes in three classes, in four partitions of 23, and 30 for validation.
inline data::RawData toy_images() {
  const auto make = [](std::int64_t rows, std::uint64_t key) {
    const Tensor x = Tensor::empty({rows, 1, 8, 8}, DType::u8), y = Tensor::empty({rows}, DType::i64);
    PhiloxStream random({.key = key});
    for (std::int64_t i = 0; i < rows; ++i) {
      y.data<std::int64_t>()[i] = i % 3;
      for (std::int64_t j = 0; j < 64; ++j) {
        const std::uint32_t light = j % 3 == i % 3 ? 100 : 0;
        x.data<std::uint8_t>()[i * 64 + j] = static_cast<std::uint8_t>(light + random.below(156));
      }
    }
    return data::tensor_source(x, y, 3);
  };
  data::RawData data;
  data.format = "tensors";
  data.train = make(92, 1);
  data.test = make(30, 2);
  return data;
}

/// A test that needs a device, with a folder that holds the data set "data".
class Toy : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_.emplace();
    data::write_dataset(toy_images(), *folder_ / "data",
                        {.name = "toy", .partitions = 4, .validation = data::Validation::file()});
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void SetUp() override {
    namespace cuda = kernels::cuda;
    if (cuda::device_count() == 0) GTEST_SKIP() << "no CUDA device: " << cuda::why_no_device();
  }

  /// Two learning rates of one multilayer perceptron; batches of 10, 10 and 3 rows.
  static hopper::Experiment perceptron() {
    using hopper::Choices;
    hopper::Experiment e;
    e.name = "toy";
    e.seed = 5;
    e.data.source = *folder_ / "data";
    e.model.layers = {"flatten", "dropout 0.2", "linear 6", "relu", "linear 3"};
    e.search.space = {{"lr", Choices{0.01, 0.002}},
                      {"batch_size", Choices{std::int64_t{10}}},
                      {"optimizer", Choices{std::string("adam")}}};
    return e;
  }
  static hopper::Experiment convolution() {
    hopper::Experiment e = perceptron();
    e.model.layers = {"conv2d 2 3 padding=1", "batchnorm2d", "relu", "max_pool2d 2", "flatten", "linear 3"};
    return e;
  }
  static hopper::Config config(double lr = 0.01) {
    return {{"lr", lr}, {"batch_size", std::int64_t{10}}, {"optimizer", std::string("adam")}};
  }
  static data::Dataset dataset() { return data::Dataset::open(*folder_ / "data"); }

  static inline std::optional<TemporaryFolder> folder_;
};

/// The largest |a - b| / (1 + |b|) over the f32 values of two states of one layout.
inline double distance(const nn::StateLayout& layout, ByteView a, ByteView b) {
  double largest = 0;
  for (const nn::Segment& segment : layout.segments) {
    if (segment.dtype != DType::f32) continue;
    for (std::uint64_t at = segment.offset; at < segment.offset + segment.bytes; at += sizeof(float)) {
      float x = 0, y = 0;
      std::memcpy(&x, a.data() + at, sizeof x);
      std::memcpy(&y, b.data() + at, sizeof y);
      const double far = std::abs(double{x} - double{y}) / (1 + std::abs(double{y}));
      largest = far <= largest ? largest : far;  // NaN is far away
    }
  }
  return largest;
}

}  // namespace hop::testing
