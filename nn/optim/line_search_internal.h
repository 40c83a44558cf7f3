// A line search for L-BFGS: how far to go in a direction.
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/tensor.h"

namespace hop::optim {

/// Where x + t d lies, for a start x and a direction d.
struct LinePoint {
  double t = 0;
  double loss = 0;
  double slope = 0;   ///< of the loss along the line: gradient . d
  Tensor gradient{};  ///< (n): of the loss there
};

struct LineSearch {
  std::function<LinePoint(double t)> evaluate{};
  double largest = 0;    ///< max |d|
  double tolerance = 0;  ///< an interval in which no parameter moves by more is not searched further
  std::int64_t max_evaluations = 25;
};
struct LineSearchResult {
  LinePoint point{};
  std::int64_t evaluations = 0;
};

/// A point that satisfies the strong Wolfe conditions with c1 = 1e-4 and c2 = 0.9, or the best one after too many
/// evaluations. It tries `first` and larger steps until an interval must contain a point, and then makes the interval
/// smaller (Nocedal & Wright, "Numerical Optimization", 2006, algorithms 3.5 and 3.6, with the choices of PyTorch).
LineSearchResult strong_wolfe(const LineSearch& search, const LinePoint& start, double first);

}  // namespace hop::optim
