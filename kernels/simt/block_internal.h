// One block of a grid: its CUDA threads, the places where they wait, and the choice of the next one.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "kernels/simt/executor.h"
#include "kernels/simt/fiber_internal.h"

namespace hop::simt {

inline constexpr unsigned kWarpSize = 32;

enum class State : std::uint8_t { fresh, ready, at_barrier, at_warp, ended };

/// One CUDA thread. The fields below say what it waits for, from the moment that it parks until it goes on.
struct Thread {
  State state = State::fresh;
  unsigned index = 0;  ///< within the block, x fastest
  uint3 position{};    ///< threadIdx
  Fiber* fiber = nullptr;

  const char* operation = "";
  Location where;
  unsigned mask = 0;           // a warp operation: the lanes that shall meet
  std::uint64_t value = 0;     // .. the thread's value
  std::uint64_t argument = 0;  // .. its argument
  Combine combine = nullptr;
  std::uint64_t result = 0;  // .. its result
  bool predicate = false;    // for a barrier
};

// For messages: "__syncthreads at softmax.cu:31", "mask 0x0000ffff", "threads 0-15, 17".
std::string describe_place(const Thread& thread);
std::string describe_mask(unsigned mask);
std::string describe_threads(const std::vector<unsigned>& indices);

/// Fills the calling OS thread's static __shared__ variables with 0xFF: NaN and -1.
void poison_static_shared_memory();

/// Shows a meeting of threads to ThreadSanitizer. Two tokens are used in turn: with one token the next arrival of a
/// fast thread would be ordered before a slow thread's departure, which hides races.
struct MeetingPoint {
  unsigned mask = 0;
  unsigned meetings = 0;  ///< completed meetings
  char tokens[2] = {};
  char* token() { return &tokens[meetings & 1U]; }
};

/// One warp: the meeting points of the masks it has used.
struct Warp {
  unsigned arrived = 0;  ///< lanes that wait in a warp operation
  std::vector<std::unique_ptr<MeetingPoint>> points;
  MeetingPoint& point(unsigned mask);
};

/// Runs blocks one after another on the calling OS thread. Keeps its fibers from block to block and from launch to
/// launch.
class Block {
 public:
  Block();
  void adopt_os_thread();  ///< the calling OS thread runs this block's threads from now on
  void run(const Launch& launch, uint3 index, std::uint64_t number);

  Vote barrier(const char* operation, bool predicate, const Location& where);
  std::uint64_t meet(const char* operation, unsigned mask, std::uint64_t value, std::uint64_t argument, Combine combine,
                     const Location& where);
  unsigned lane() const { return running_->index % kWarpSize; }
  void* shared_memory() { return shared_.data(); }
  std::string describe() const;  ///< which threads wait where, a line per place

  /// The block that runs on the calling OS thread. Throws KernelError outside a kernel.
  static Block& current(const char* operation);
  static Block* current_or_null();

 private:
  void prepare(const Launch& launch, uint3 index, std::uint64_t number);
  void loop();
  void abandon();
  bool run_ready_threads();
  void resume(Thread& thread);
  bool release_warp(unsigned first);
  bool release_barrier();
  void park();
  static void fiber_main();

  Fiber* take_fiber(const Thread& thread);
  void give_fiber(Thread& thread);
  unsigned live_lanes(unsigned first) const;
  void check_same_place(const std::vector<const Thread*>& met, const char* what) const;
  void check_shared_memory() const;
  [[noreturn]] void report_stuck() const;
  std::string context() const;  ///< " (block (0, 0, 0))"
  std::string op() const;       ///< "[kernel] "

  std::unique_ptr<Fiber> main_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<unsigned> order_;
  std::vector<unsigned char> shared_;  // dynamic shared memory; operator new aligns it to 16

  const Launch* launch_ = nullptr;
  uint3 index_{};
  std::uint64_t random_ = 0;
  Thread* running_ = nullptr;
  unsigned live_ = 0;
  unsigned at_barrier_ = 0;
  Vote vote_{};
  MeetingPoint barrier_point_;
  char start_token_ = 0, end_token_ = 0;
  std::exception_ptr failure_;
};

}  // namespace hop::simt
