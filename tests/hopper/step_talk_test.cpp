// The numbers of a step's replicas, swapped by those members of a group that have rows.
#include "hopper/detail/step_talk.h"

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/hopper/local_group.h"

namespace hop::hopper {
namespace {

using Numbers = StepTalk::Numbers;
using Shares = std::vector<std::optional<double>>;

// Three meetings of two numbers of each replica with rows.
std::uint64_t expect_all_are_told(const std::vector<bool>& has_rows, std::uint32_t members) {
  const auto replicas = static_cast<std::uint32_t>(has_rows.size());
  Shares shares(replicas);
  for (std::uint32_t r = 0; r < replicas; ++r) {
    if (has_rows[r]) shares[r] = 0.5;
  }
  const auto numbers = [](std::size_t replica, int meeting) {
    return std::vector<double>{static_cast<double>(replica) + 0.25, static_cast<double>(meeting)};
  };
  return run_group(replicas, members, [&](const Group& group) {
    for (int step = 0; step < 2; ++step) {
      StepTalk talk(group, shares);
      for (int meeting = 0; meeting < 3; ++meeting) {
        Numbers own, all;
        for (std::uint32_t r = 0; r < replicas; ++r) {
          if (!has_rows[r]) continue;
          all.push_back(numbers(r, meeting));
          if (group.owns(r)) own.push_back(numbers(r, meeting));
        }
        if (own.empty()) break;  // a member without rows
        EXPECT_EQ(talk.swap(own), all);
      }
      talk.finish();
    }
  });
}

TEST(StepTalk, TellsAllNumbersInTheOrderOfTheReplicas) {
  constexpr std::uint64_t kMeetings = 2 * 3, kNumbers = 2 * sizeof(double);
  EXPECT_EQ(expect_all_are_told({true, true}, 2), kMeetings * 2 * kNumbers);
  EXPECT_EQ(expect_all_are_told({true, true, true, true, true}, 3), kMeetings * 5 * 2 * kNumbers);
  EXPECT_EQ(expect_all_are_told({true, false, true, true}, 2), kMeetings * 3 * kNumbers) << "all members have rows";
}

TEST(StepTalk, KeepsMembersWithoutRowsInStep) {
  constexpr std::uint64_t kMeetings = 2 * 3, kNumbers = 2 * sizeof(double), kWord = 8;
  EXPECT_EQ(expect_all_are_told({true, true, false, false}, 4), kMeetings * (2 * kNumbers + 2 * kWord) + 2 * 2 * kWord);
  EXPECT_EQ(expect_all_are_told({false, true, false, true}, 4), kMeetings * (2 * kNumbers + 2 * kWord) + 2 * 2 * kWord);
  EXPECT_EQ(expect_all_are_told({false, true, true, false}, 2), kMeetings * 2 * kNumbers) << "all members have rows";
  EXPECT_EQ(expect_all_are_told({true, true, false, false}, 2), 0U) << "one member has all rows";
}

TEST(StepTalk, OneWorkerSaysNothing) {
  const Group group;
  StepTalk talk(group, Shares{0.5, std::nullopt, 0.5});
  const Numbers own = {{1, 2}, {3, 4}};
  EXPECT_EQ(talk.swap(own), own);
  talk.finish();
}

}  // namespace
}  // namespace hop::hopper
