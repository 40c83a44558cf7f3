// A worker's present work in words. For people.
#pragma once

#include <string>

#include "hopper/worker/jobs.h"

namespace hop::hopper::worker {

/// "trains model 3; makes model 2 durable", "fetches model 5 from unix:/...", or "" if there is nothing to do.
std::string doing(const Jobs& jobs);

}  // namespace hop::hopper::worker
