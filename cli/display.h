// The display of a run in progress: on a terminal one block that is repainted, elsewhere a plain line every few
// seconds.
#pragma once

#include <memory>
#include <string>

#include "hopper/run.h"

namespace hop::cli {

class Display {
 public:
  virtual ~Display() = default;
  virtual void show(const hopper::RunProgress& progress) = 0;
  /// A line that stays.
  virtual void notice(const std::string& line) = 0;
  /// The run is over: leaves the cursor below the display.
  virtual void close() {}
};

/// Writes to stderr. `quiet`: notices alone.
std::unique_ptr<Display> make_display(const hopper::Objective& objective, bool quiet);

}  // namespace hop::cli
