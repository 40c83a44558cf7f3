// Runs with an average of the weights, on glyphs.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "hopper/run.h"
#include "hopper/trainer.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/hashes.h"

namespace hop::hopper {

class AveragedRun : public OnGlyphs<320, 4> {
 protected:
  static Experiment experiment(double ema) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 16", "batchnorm1d", "relu", "linear 10"};
    e.model.ema = ema;
    e.search.epochs = 2;
    e.search.space = {{"lr", Choices{0.01, 0.001}},
                      {"batch_size", Choices{std::int64_t{24}}},  // partitions of 80 rows: a last batch of 8
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.workers = 2;
    return e;
  }
  static Config config(std::int64_t batch, double lr = 0.05) {
    return {{"lr", lr}, {"batch_size", batch}, {"optimizer", std::string("sgd")}};
  }
  /// The values of a segment of a state.
  template <class T = float>
  static std::vector<T> values(const nn::StateLayout& layout, ByteView block, const std::string& name) {
    const auto found = std::ranges::find(layout.segments, name, &nn::Segment::name);
    if (found == layout.segments.end()) throw StateError("no segment " + name);
    std::vector<T> all(found->bytes / sizeof(T));
    std::memcpy(all.data(), block.data() + found->offset, found->bytes);
    return all;
  }
  template <class T = float>
  static std::vector<T> values(const Trainer& trainer, const std::string& name) {
    return values<T>(trainer.state().layout(), trainer.state().bytes(), name);
  }
};

}  // namespace hop::hopper
