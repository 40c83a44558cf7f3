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
  /// `waits`: its sides wait for each other, so the wall time counts. Else each computes on one thread and its CPU time
  /// counts: on a quiet machine they are the same, on a busy one only the latter means anything.
  explicit Contestant(std::string label, bool waits = false) : label_(std::move(label)), waits_(waits) {}
  ~Contestant();
  Contestant(const Contestant&) = delete;
  Contestant& operator=(const Contestant&) = delete;

  /// One more process. Throws SideError when it cannot do `what`.
  void add(std::shared_ptr<Child> side, const std::string& what);

  const std::string& label() const { return label_; }
  /// Runs on all its sides at once. The seconds are per repetition of one side (harmonic mean over the sides: so the
  /// sides' throughputs add up), the CPU seconds those of all sides together; the value is the last side's.
  Timing run(int repetitions);
  /// Finds out how many repetitions fill a batch.
  void calibrate(double batch_seconds);
  /// Measures one batch. If the sides wait for each other, every wake-up may also wait for another process that
  /// computes. A disturbed batch is measured again, a few times, and the least disturbed measurement counts.
  void measure();

  /// The seconds per repetition of every round, in order.
  const std::vector<double>& seconds() const { return seconds_; }
  double median() const;

 private:
  std::vector<std::shared_ptr<Child>> sides_;
  std::vector<int> slots_;
  std::string label_;
  bool waits_;
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
