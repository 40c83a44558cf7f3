// Recycled memory, judged by the addresses of objects, and by threads that end while objects live.
#include "base/recycled.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace hop {
namespace {

struct Thing : Recycled<Thing> {
  explicit Thing(int v = 0) : value(v) {}
  int value;
  char more[100] = {};
};

TEST(Recycled, GivesTheMemoryOfTheLastObject) {
  if (!detail::kRecycles) GTEST_SKIP() << "not under a sanitizer";
  auto first = std::make_unique<Thing>(1);
  const auto at = reinterpret_cast<std::uintptr_t>(first.get());
  first.reset();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(std::make_unique<Thing>(2).get()), at);
}

TEST(Recycled, NeverGivesMemoryTwice) {
  std::vector<std::unique_ptr<Thing>> things;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) things.push_back(std::make_unique<Thing>(i));
    std::set<const void*> places;
    for (const auto& thing : things) places.insert(thing.get());
    EXPECT_EQ(places.size(), 200U);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(things[static_cast<std::size_t>(i)]->value, i);
    things.clear();
  }
}

// An object of the process's end: it dies after the spares of its thread.
std::unique_ptr<Thing> last_of_all;

TEST(Recycled, LetsThreadsEndInAnyOrder) {
  std::vector<std::unique_ptr<Thing>> made(8);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&made, t] {
      std::vector<std::unique_ptr<Thing>> own;
      for (int i = 0; i < 100; ++i) own.push_back(std::make_unique<Thing>(i));
      made[t] = std::move(own.front());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& thing : made) EXPECT_EQ(thing->value, 0);
  made.clear();  // by another thread than the ones that made them
  last_of_all = std::make_unique<Thing>(3);
}

}  // namespace
}  // namespace hop
