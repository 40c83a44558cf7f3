#include "hopper/detail/failure.h"

#include <new>
#include <string>

#include "hopper/detail/state_store.h"
#include "hopper/strategy/group_wire.h"

namespace hop::hopper {

bool is_out_of_memory(const CudaError& error) { return error.name == "cudaErrorMemoryAllocation"; }

nn::StateBytes room_for_state(nn::StatePool& pool, std::uint64_t bytes) {
  try {
    return pool.make(bytes);
  } catch (const std::bad_alloc&) {
    throw NoRoom("[fetch] no memory for a state of " + std::to_string(bytes) + " bytes");
  }
}

worker::event::Failed failure_of(Attempt attempt) {
  try {
    throw;
  } catch (const StateLost& error) {
    return {attempt, Failure::StateLost, error.what()};
  } catch (const StateDamaged& error) {
    return {attempt, Failure::StateDamaged, error.what()};
  } catch (const MemberLost& error) {
    return {attempt, Failure::MemberLost, error.what()};
  } catch (const NoRoom& error) {
    return {attempt, Failure::NoRoom, error.what()};
  } catch (const MemoryError& error) {
    return {attempt, Failure::OutOfMemory, error.what()};
  } catch (const CudaError& error) {
    return {attempt, is_out_of_memory(error) ? Failure::OutOfMemory : Failure::Error, error.what()};
  } catch (const std::bad_alloc&) {
    return {attempt, Failure::OutOfMemory, "out of memory"};
  } catch (const std::exception& error) {
    return {attempt, Failure::Error, error.what()};
  } catch (...) {
    return {attempt, Failure::Error, "the model threw something that is no std::exception"};
  }
}

}  // namespace hop::hopper
