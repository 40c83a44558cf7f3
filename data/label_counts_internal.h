// What the labels of the training and the validation rows allow.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "data/target.h"

namespace hop::data {

/// Counts the rows of each class. Of numbers to predict there is nothing to count.
class LabelCounts {
 public:
  explicit LabelCounts(const Target& target);
  void include_training(ByteView records, std::size_t record_bytes) { include(training_, records, record_bytes); }
  void include_validation(ByteView records, std::size_t record_bytes) { include(validation_, records, record_bytes); }
  /// Lines for people: classes that no model can learn, validation that tells nothing. `target` with its scales.
  std::vector<std::string> warnings(const Target& target) const;

 private:
  using Counts = std::vector<std::int64_t>;
  static void include(Counts& counts, ByteView records, std::size_t record_bytes);
  Counts training_, validation_;  // per class
};

}  // namespace hop::data
