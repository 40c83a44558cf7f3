// Exceptions in a unit, as the machine of the worker hears of them. Internal to Hopscotch.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "hopper/worker/events.h"
#include "nn/state_pool.h"

namespace hop::hopper {

/// Whether a device has no memory left. A graph or a library also takes memory of the device, without the allocator.
bool is_out_of_memory(const CudaError& error);

/// There is no memory for a state that comes from another worker. Other states have it now: no fault of the model.
struct NoRoom : Error {
  using Error::Error;
};
/// A block of the pool for a state of `bytes` that comes from another worker. Throws NoRoom.
nn::StateBytes room_for_state(nn::StatePool& pool, std::uint64_t bytes);

/// Describes the current exception; called in a catch block. Any exception of the application's code costs a unit, not
/// the worker.
worker::event::Failed failure_of(Attempt attempt);

}  // namespace hop::hopper
