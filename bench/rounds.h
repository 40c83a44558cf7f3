// Interleaved measurement: in each round every contestant works once, for about the same time, so that whatever slows
// the machine down slows all of them down.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/child.h"

namespace hop::bench {

struct RoundOptions {
  int rounds = 9;
  double batch_seconds = 0.1;  ///< per contestant and round, at least one repetition
};

/// Some work on one or more processes that do it at the same time.
class Contestant {
 public:
  /// Throws SideError when a side cannot do `what`.
  Contestant(std::vector<std::shared_ptr<Child>> sides, const std::string& what, std::string label);
  ~Contestant();
  Contestant(const Contestant&) = delete;
  Contestant& operator=(const Contestant&) = delete;

  const std::string& label() const { return label_; }
  /// Runs on all its sides at once. The seconds are per repetition of one side (harmonic mean over the sides: so the
  /// sides' throughputs add up); the value is the first side's.
  Timing run(int repetitions);
  /// Finds out how many repetitions fill a batch.
  void calibrate(double batch_seconds);
  /// One batch. Where a core was taken away from it (its CPU time is below 97 % of the wall time), the batch is
  /// measured again, up to three times; the best is kept.
  void measure();

  /// The seconds per repetition of every round, in order.
  const std::vector<double>& seconds() const { return seconds_; }
  double median() const;

 private:
  std::vector<std::shared_ptr<Child>> sides_;
  std::vector<int> slots_;
  std::string label_;
  int repetitions_ = 1;
  std::vector<double> seconds_;
};

using Contestants = std::vector<std::unique_ptr<Contestant>>;

/// Runs the rounds; every other one in reverse order, so that nobody always follows the same neighbour.
void compete(Contestants& contestants, const RoundOptions& options);

double median_of(std::vector<double> values);
/// The value below which a share (0 to 1) of the values lies, interpolated.
double quantile_of(std::vector<double> values, double share);

}  // namespace hop::bench
