// The metrics of the golden bytes: every field has a value of its own.
#pragma once

#include "hopper/metrics.h"

namespace hop::hopper {

inline UnitMetrics golden_metrics() {
  return {.train_loss = 0.5,
          .rows = 1000,
          .seconds = 1.25,
          .valid_loss = 0.0,
          .valid_accuracy = 0.925,
          .state_bytes = 1ULL << 33,
          .received_bytes = 99,
          .gap_seconds = 1e-4,
          .idle_seconds = 2.5,
          .peak_rss_bytes = 1ULL << 30,
          .own = {0.25, -3.0}};
}

}  // namespace hop::hopper
