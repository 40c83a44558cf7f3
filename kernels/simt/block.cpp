#include "kernels/simt/block_internal.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

constinit thread_local uint3 threadIdx{};
constinit thread_local uint3 blockIdx{};
constinit thread_local dim3 blockDim{};
constinit thread_local dim3 gridDim{};

namespace hop::simt {
namespace {

constinit thread_local Block* current_block = nullptr;

// Set by the scheduler, which ThreadSanitizer does not watch.
Block& running_block() {
  const Unwatched unwatched;
  return *current_block;
}

// Dynamic shared memory: fresh bytes read as NaN and -1; the bytes behind its end must stay as they are.
constexpr unsigned char kFresh = 0xFF;
constexpr unsigned char kBehind = 0xB5;
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kBehindBytes = 0;  // AddressSanitizer guards the end and reports the line
#else
constexpr std::size_t kBehindBytes = 256;
#endif

// SplitMix64 (Steele, Lea, Flood 2014): the shuffled schedule is the same with every standard library.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15U);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

}  // namespace

MeetingPoint& Warp::point(unsigned mask) {
  for (const auto& known : points) {
    if (known->mask == mask) return *known;
  }
  points.push_back(std::make_unique<MeetingPoint>(MeetingPoint{.mask = mask}));
  return *points.back();
}

Block::Block() = default;

void Block::adopt_os_thread() { main_ = std::make_unique<Fiber>(); }

Block* Block::current_or_null() { return current_block; }

Block& Block::current(const char* operation) {
  if (current_block == nullptr) {
    throw KernelError("[" + std::string(operation) + "] expected a CUDA thread, got host code");
  }
  return *current_block;
}

// ---- The life of a block

void Block::run(const Launch& launch, uint3 index, std::uint64_t number) {
  prepare(launch, index, number);
  current_block = this;
  release(&start_token_);
  try {
    const Unwatched unwatched;
    loop();
    check_shared_memory();
  } catch (...) {
    abandon();
    current_block = nullptr;
    throw;
  }
  acquire(&end_token_);
  current_block = nullptr;
}

// Drops the fibers that stopped in the middle of a kernel: they cannot be used again.
void Block::abandon() {
  idle_.clear();
  fibers_.clear();
  acquire(&end_token_);
  for (char& token : barrier_point_.tokens) acquire(&token);
  for (const Warp& warp : warps_) {
    for (const auto& point : warp.points) {
      for (char& token : point->tokens) acquire(&token);
    }
  }
}

void Block::prepare(const Launch& launch, uint3 index, std::uint64_t number) {
  launch_ = &launch;
  index_ = index;
  random_ = options().seed * 0x9E3779B97F4A7C15U + number;
  blockIdx = index;
  blockDim = launch.block;
  gridDim = launch.grid;
  failure_ = nullptr;

  const dim3 size = launch.block;
  live_ = size.x * size.y * size.z;
  at_barrier_ = 0;
  threads_.assign(live_, {});
  for (unsigned i = 0; i < live_; ++i) {
    threads_[i].index = i;
    threads_[i].position = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
  }
  warps_.resize((live_ + kWarpSize - 1) / kWarpSize);
  for (Warp& warp : warps_) warp.arrived = 0;
  order_.resize(live_);
  std::iota(order_.begin(), order_.end(), 0U);
  if (options().schedule == Schedule::reversed) std::reverse(order_.begin(), order_.end());

  // A new allocation for every block: AddressSanitizer sees its exact end, and ThreadSanitizer forgets the last block's
  // accesses.
  shared_ = std::vector<unsigned char>(launch.shared_bytes + kBehindBytes, kBehind);
  std::fill_n(shared_.begin(), launch.shared_bytes, kFresh);
}

void Block::loop() {
  while (live_ > 0) {
    bool moved = run_ready_threads();
    for (unsigned warp = 0; warp < warps_.size(); ++warp) {
      if (warps_[warp].arrived != 0) moved |= release_warp(warp);
    }
    if (at_barrier_ == live_ && live_ > 0) moved |= release_barrier();
    if (!moved) report_stuck();
  }
}

bool Block::run_ready_threads() {
  if (options().schedule == Schedule::shuffled) {
    for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[next_random(random_) % i]);
  }
  bool ran = false;
  for (const unsigned i : order_) {
    Thread& thread = threads_[i];
    if (thread.state != State::fresh && thread.state != State::ready) continue;
    resume(thread);
    ran = true;
    if (failure_) std::rethrow_exception(failure_);
  }
  return ran;
}

void Block::resume(Thread& thread) {
  if (thread.state == State::fresh) thread.fiber = take_fiber(thread);
  thread.state = State::ready;
  running_ = &thread;
  threadIdx = thread.position;
  main_->switch_to(*thread.fiber);
  if (thread.state == State::ended) {
    --live_;
    give_fiber(thread);
  }
}

// Runs one CUDA thread after another: a fiber outlives its thread.
void Block::fiber_main() {
  for (;;) {
    Block& block = running_block();
    acquire(&block.start_token_);
    try {
      block.launch_->body();
    } catch (const KernelError&) {
      block.failure_ = std::current_exception();
    } catch (const std::exception& error) {
      block.failure_ = std::make_exception_ptr(ThrowError(block.op() + "expected a kernel that does not throw, got \"" +
                                                          error.what() + "\"" + block.context()));
    } catch (...) {
      block.failure_ =
          std::make_exception_ptr(ThrowError(block.op() + "expected a kernel that does not throw" + block.context()));
    }
    release(&block.end_token_);
    {
      const Unwatched unwatched;
      block.running_->state = State::ended;
    }
    block.park();
  }
}

void Block::park() {
  Fiber *own = nullptr, *scheduler = nullptr;
  {
    const Unwatched unwatched;
    own = running_->fiber;
    scheduler = main_.get();
  }
  own->switch_to(*scheduler);
}

// A kernel without barriers runs all its threads on one warm stack. In a race check every thread has its own fiber,
// because reports identify threads by their fibers.
Fiber* Block::take_fiber(const Thread& thread) {
  if (kRaceCheck) {
    while (fibers_.size() <= thread.index) {
      fibers_.push_back(std::make_unique<Fiber>(&Block::fiber_main));
      fibers_.back()->set_name(("CUDA thread " + std::to_string(fibers_.size() - 1)).c_str());
    }
    return fibers_[thread.index].get();
  }
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<Fiber>(&Block::fiber_main));
    return fibers_.back().get();
  }
  Fiber* const fiber = idle_.back();
  idle_.pop_back();
  return fiber;
}

void Block::give_fiber(Thread& thread) {
  if (!kRaceCheck) idle_.push_back(thread.fiber);
  thread.fiber = nullptr;
}

// ---- Meetings

Vote Block::barrier(const char* operation, bool predicate, const Location& where) {
  char* const token = barrier_point_.token();
  release(token);
  {
    const Unwatched unwatched;
    running_->operation = operation;
    running_->where = where;
    running_->predicate = predicate;
    running_->state = State::at_barrier;
    ++at_barrier_;
  }
  park();
  acquire(token);
  const Unwatched unwatched;
  return vote_;
}

bool Block::release_barrier() {
  std::vector<const Thread*> met;
  vote_ = {};
  for (Thread& thread : threads_) {
    if (thread.state != State::at_barrier) continue;
    met.push_back(&thread);
    ++vote_.threads;
    vote_.count += thread.predicate ? 1 : 0;
  }
  check_same_place(met, "every thread of the block at one barrier");
  for (Thread& thread : threads_) {
    if (thread.state == State::at_barrier) thread.state = State::ready;
  }
  at_barrier_ = 0;
  ++barrier_point_.meetings;
  return true;
}

std::uint64_t Block::meet(const char* operation, unsigned mask, std::uint64_t value, std::uint64_t argument,
                          Combine combine, const Location& where) {
  MeetingPoint* point = nullptr;
  {
    const Unwatched unwatched;
    running_->operation = operation;
    running_->where = where;
    if ((mask >> lane() & 1U) == 0) {
      throw DivergenceError(op() + "expected a lane within its own mask, got " + describe_mask(mask) + " at lane " +
                            std::to_string(lane()) + " in " + describe_place(*running_) + context());
    }
    point = &warps_[running_->index / kWarpSize].point(mask);
  }
  char* const token = point->token();
  release(token);
  {
    const Unwatched unwatched;
    running_->mask = mask;
    running_->value = value;
    running_->argument = argument;
    running_->combine = combine;
    running_->state = State::at_warp;
    warps_[running_->index / kWarpSize].arrived |= 1U << lane();
  }
  park();
  acquire(token);
  const Unwatched unwatched;
  return running_->result;
}

// Lets every complete group of lanes go on. A group is complete when all lanes of its mask that have not ended wait
// with that mask. (A lane that has ended takes no part: CUDA C++ Programming Guide, Warp Shuffle Functions.)
bool Block::release_warp(unsigned index) {
  Warp& warp = warps_[index];
  Thread* const lanes = threads_.data() + std::size_t{index} * kWarpSize;
  const unsigned live = live_lanes(index);
  bool released = false;
  for (unsigned first = 0; first < kWarpSize; ++first) {
    if ((warp.arrived >> first & 1U) == 0) continue;
    const unsigned group = lanes[first].mask & live;
    if ((warp.arrived & group) != group) continue;
    std::vector<const Thread*> met;
    std::uint64_t values[kWarpSize];
    std::memset(values, 0xFF, sizeof values);  // the value of a lane that is not there
    for (unsigned lane = 0; lane < kWarpSize; ++lane) {
      if ((group >> lane & 1U) == 0) continue;
      met.push_back(&lanes[lane]);
      values[lane] = lanes[lane].value;
    }
    const bool one_mask = std::all_of(met.begin(), met.end(), [&](auto* t) { return t->mask == lanes[first].mask; });
    if (!one_mask) continue;  // some lanes wait for others first; if they wait for ever, report_stuck() reports it
    check_same_place(met, "every lane of the mask in one operation");
    for (const Thread* thread : met) {
      Thread& lane = threads_[thread->index];
      lane.result = lane.combine(values, group, lane.index % kWarpSize, lane.argument);
      lane.state = State::ready;
    }
    ++warp.point(lanes[first].mask).meetings;
    warp.arrived &= ~group;
    released = true;
  }
  return released;
}

void Block::check_shared_memory() const {
  for (std::size_t byte = launch_->shared_bytes; byte < shared_.size(); ++byte) {
    if (shared_[byte] == kBehind) continue;
    throw OverrunError(op() + "expected stores within " + std::to_string(launch_->shared_bytes) +
                       " bytes of dynamic shared memory, got one at byte " + std::to_string(byte) + context());
  }
}

unsigned Block::live_lanes(unsigned index) const {
  unsigned live = 0;
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    const std::size_t thread = std::size_t{index} * kWarpSize + lane;
    if (thread < threads_.size() && threads_[thread].state != State::ended) live |= 1U << lane;
  }
  return live;
}

}  // namespace hop::simt
