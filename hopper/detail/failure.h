// Exceptions in a unit, as the machine of the worker hears of them. Internal to Hopscotch.
#pragma once

#include "base/error.h"
#include "hopper/worker/events.h"

namespace hop::hopper {

/// Whether a device has no memory left. A graph or a library also takes memory of the device, without the allocator.
bool is_out_of_memory(const CudaError& error);

/// Describes the current exception; called in a catch block. Any exception of the application's code costs a unit, not
/// the worker.
worker::event::Failed failure_of(Attempt attempt);

}  // namespace hop::hopper
