// The mutex, judged by a counter that is not atomic, and by threads that have to sleep.
#include "base/light_mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

namespace hop {
namespace {

TEST(LightMutex, LetsOneThreadInAtATime) {
  LightMutex mutex;
  std::int64_t count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100'000; ++i) {
        const std::scoped_lock lock(mutex);
        ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 800'000);
}

TEST(LightMutex, WakesAllWhoSleep) {
  LightMutex mutex;
  int entered = 0;
  mutex.lock();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const std::scoped_lock lock(mutex);
      ++entered;
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // until they sleep
  EXPECT_EQ(entered, 0);
  mutex.unlock();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(entered, 4);
}

}  // namespace
}  // namespace hop
