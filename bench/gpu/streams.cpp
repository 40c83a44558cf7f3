// Many small models on one card: threads that each train a model of their own, with a queue of their own, and how many
// steps a second they make together. Run it with CUDA_DEVICE_MAX_CONNECTIONS=32 and without: streams that share one of
// the card's connections (8 where the variable is not set) wait for each other.
#include <barrier>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "bench/gpu/rows.h"
#include "bench/gpu/training.h"
#include "tensor/own_queue.h"

namespace hop::bench::gpu {
namespace {

constexpr Net kNet{"mlp", "adam"};
constexpr std::int64_t kBatch = 32;

/// The host is at most so many steps ahead of the card, as in a worker.
constexpr int kStepsPerWait = 16;

struct Together {
  double steps_per_second = 0;
  bool same_bits = true;  // as the first
};
Together train_together(int threads, int steps) {
  std::vector<std::string> digests(static_cast<std::size_t>(threads));
  std::vector<std::exception_ptr> errors(digests.size());
  std::barrier start(threads + 1), stop(threads + 1);
  std::vector<std::thread> running;
  for (std::size_t t = 0; t < digests.size(); ++t) {
    running.emplace_back([&, t] {
      std::optional<OwnQueue> queue;
      std::optional<Training> training;
      try {
        queue.emplace(Device::cuda());
        training.emplace(kNet, kBatch);
        for (int i = 0; i < 3; ++i) training->captured_step();
        backend(Device::cuda()).synchronize();
      } catch (...) {
        errors[t] = std::current_exception();
      }
      start.arrive_and_wait();
      try {
        Fence last;
        for (int i = 0; i < steps && !errors[t]; ++i) {
          training->captured_step();
          if (i % kStepsPerWait != 0) continue;
          last.wait();
          last = backend(Device::cuda()).fence();
        }
        backend(Device::cuda()).synchronize();
      } catch (...) {
        errors[t] = std::current_exception();
      }
      stop.arrive_and_wait();
      try {
        if (!errors[t]) digests[t] = training->digest();
      } catch (...) {
        errors[t] = std::current_exception();
      }
    });
  }
  start.arrive_and_wait();
  const Stopwatch watch;
  stop.arrive_and_wait();
  const double seconds = watch.seconds();
  for (std::thread& thread : running) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  Together together{threads * steps / seconds, true};
  for (const std::string& digest : digests) together.same_bits = together.same_bits && digest == digests.front();
  return together;
}

}  // namespace

std::vector<Row> streams(Size size) {
  const char* const connections = std::getenv("CUDA_DEVICE_MAX_CONNECTIONS");
  const std::string note = "connections " + std::string(connections == nullptr ? "as they are" : connections);
  std::vector<Row> all;
  for (const int threads : size == Size::full ? std::vector<int>{1, 2, 4, 8, 16, 32} : std::vector<int>{1, 2}) {
    const auto rows = guarded("streams", std::to_string(threads) + " x mlp adam batch 32, captured", [&] {
      const Together together = train_together(threads, size == Size::full ? 4000 : 20);
      return Row{"",
                 "",
                 together.steps_per_second,
                 "steps/s",
                 0,
                 0,
                 note + (together.same_bits ? ", equal bits" : ", BITS DIFFER")};
    });
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

}  // namespace hop::bench::gpu
