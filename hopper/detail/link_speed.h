// How fast bytes pass between two workers of this machine. Internal to Hopscotch.
#pragma once

#include <cstdint>

#include "hopper/experiment.h"
#include "hopper/run.h"
#include "hopper/simulate/link.h"

namespace hop::hopper {

/// Sends messages to and fro between two threads, over the transport of a run whose workers are of this machine: a few
/// without payload, for the latency, and a few of `payload_bytes`, for the rate. The fastest of each kind counts. Takes
/// some milliseconds for megabytes. Throws NetError.
simulate::Link measure_link(Hosting hosting, LocalTransport transport, std::uint64_t payload_bytes);

}  // namespace hop::hopper
