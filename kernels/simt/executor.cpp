#include "kernels/simt/executor.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/simt/block_internal.h"

namespace hop::simt {
namespace {

// Blocks are kept with their fibers when a launch ends: making 1,024 stacks costs more than most kernels.
class BlockPool {
 public:
  std::unique_ptr<Block> take() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return std::make_unique<Block>();
    std::unique_ptr<Block> block = std::move(idle_.back());
    idle_.pop_back();
    return block;
  }
  void give(std::unique_ptr<Block> block) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(block));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Block>> idle_;
};

BlockPool& pool() {
  static BlockPool& blocks = *new BlockPool;  // never destroyed: a thread may outlive static objects
  return blocks;
}

// If several workers find errors before they hear of each other's, the finding of the lowest block counts.
struct Finding {
  std::mutex mutex;
  std::uint64_t block = ~std::uint64_t{0};
  std::exception_ptr error;
  std::atomic<bool> any = false;

  void report(std::uint64_t number, std::exception_ptr what) {
    const std::scoped_lock lock(mutex);
    if (number < block) {
      block = number;
      error = std::move(what);
    }
    any = true;
  }
};

// Blocks first, first + step, .. of the grid. Each worker has a fixed share, so that ThreadSanitizer's findings do not
// depend on which worker is faster.
void run_share(const Launch& launch, Block& block, std::uint64_t first, std::uint64_t step, Finding& finding) {
  const dim3 grid = launch.grid;
  const std::uint64_t total = std::uint64_t{grid.x} * grid.y * grid.z;
  for (std::uint64_t turn = first; turn < total && !finding.any; turn += step) {
    const std::uint64_t number = options().schedule == Schedule::in_order ? turn : total - 1 - turn;
    const uint3 index = {static_cast<unsigned>(number % grid.x), static_cast<unsigned>(number / grid.x % grid.y),
                         static_cast<unsigned>(number / (std::uint64_t{grid.x} * grid.y))};
    try {
      block.adopt_os_thread();
      poison_static_shared_memory();  // otherwise a block would find the values of the block before
      block.run(launch, index, number);
    } catch (...) {
      finding.report(number, std::current_exception());
    }
  }
}

}  // namespace

Options& options() {
  static Options current;
  return current;
}

void run(const Launch& launch) {
  const std::uint64_t total = std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  const std::uint64_t workers = std::min<std::uint64_t>(std::max(1U, options().workers), total);
  Finding finding;
  // Only this thread takes and returns blocks: with a lock, the workers would look ordered to ThreadSanitizer.
  std::vector<std::unique_ptr<Block>> blocks;
  for (std::uint64_t worker = 0; worker < workers; ++worker) blocks.push_back(pool().take());
  {
    std::vector<std::jthread> others;
    for (std::uint64_t worker = 1; worker < workers; ++worker) {
      others.emplace_back([&launch, &finding, &block = *blocks[worker], worker, workers] {
        run_share(launch, block, worker, workers, finding);
      });
    }
    run_share(launch, *blocks[0], 0, workers, finding);
  }
  for (auto& block : blocks) pool().give(std::move(block));
  if (finding.error) std::rethrow_exception(finding.error);
}

// ---- On a CUDA thread

Vote block_barrier(const char* operation, bool predicate, const Location& where) {
  return Block::current(operation).barrier(operation, predicate, where);
}

std::uint64_t warp_meeting(const char* operation, unsigned mask, std::uint64_t value, std::uint64_t argument,
                           Combine combine, const Location& where) {
  return Block::current(operation).meet(operation, mask, value, argument, combine, where);
}

unsigned lane() { return Block::current("lane").lane(); }

void* dynamic_shared_memory() { return Block::current("dynamic_shared").shared_memory(); }

void fence() {
  static char token;
  acquire(&token);
  release(&token);
}

}  // namespace hop::simt
