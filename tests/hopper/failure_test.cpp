// What the machine of a worker hears of an exception.
#include "hopper/detail/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <new>

namespace hop::hopper {
namespace {

using ::testing::HasSubstr;

worker::event::Failed failure_in(const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    return failure_of(Attempt(3));
  }
  ADD_FAILURE() << "no exception";
  return {};
}

TEST(FailureOf, AFetchWithoutMemoryIsNoFaultOfTheModel) {
  const auto pool = nn::StatePool::make_shared();
  const auto failed = failure_in([&] { room_for_state(*pool, SIZE_MAX); });
  EXPECT_EQ(failed.attempt, Attempt(3));
  EXPECT_EQ(failed.failure, Failure::NoRoom);
  EXPECT_THAT(failed.text, HasSubstr("no memory for a state of"));
  EXPECT_EQ(room_for_state(*pool, 64)->size(), 64U);
}

TEST(FailureOf, AUnitWithoutMemoryIsOne) {
  EXPECT_EQ(failure_in([] { throw std::bad_alloc(); }).failure, Failure::OutOfMemory);
}

}  // namespace
}  // namespace hop::hopper
