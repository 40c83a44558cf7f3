// The exception of the judges of a simulated run.
#pragma once

#include "base/error.h"

namespace hop::hopper::simulate {

/// The coordinator or a worker broke a promise; the message says which.
struct Violation : Error {
  using Error::Error;
};

}  // namespace hop::hopper::simulate
