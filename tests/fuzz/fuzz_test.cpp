// Each fuzz target runs over its seeds, over every file of its corpus, and over random changes to them. The random
// numbers are fixed, so all runs are the same. `./dev fuzz` looks further.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/source_tree.h"

namespace hop::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 2000;  // of changes to an input of each target

std::map<std::string, std::string> corpus_of(const Target& target) {
  std::map<std::string, std::string> inputs;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(source_directory() / "tests/fuzz/corpus" / target.name, none)) {
    inputs[entry.path().filename().string()] = read(entry.path());
  }
  return inputs;
}

// Why the input is refused; nothing where it is taken. A finding fails the test and leaves the input in a file.
std::optional<std::string> run(const Target& target, const std::string& input, const std::string& origin) {
  std::string what;
  try {
    return refusal(target, as_bytes(input));
  } catch (const std::exception& error) {
    what = error.what();
  }
  const fs::path kept = fs::temp_directory_path() / ("fuzz-" + std::string(target.name));
  std::ofstream(kept, std::ios::binary) << input;
  ADD_FAILURE() << target.name << ", " << origin << ": " << what << "\nthe input is kept: " << kept;
  return std::nullopt;
}

class Fuzz : public testing::TestWithParam<const Target*> {
 protected:
  const Target& target_ = *GetParam();
};

TEST_P(Fuzz, SeedsAreTaken) {
  int number = 0;
  if (target_.seeds != nullptr) {
    for (const std::string& seed : target_.seeds()) {
      EXPECT_EQ(run(target_, seed, "seed " + std::to_string(number)), std::nullopt) << "seed " << number;
      ++number;
    }
  }
  for (const auto& [name, input] : corpus_of(target_)) {
    if (name.starts_with("found-")) continue;
    EXPECT_EQ(run(target_, input, name), std::nullopt) << name;
    ++number;
  }
  EXPECT_GT(number, 0) << "a target needs an input to begin with";
}

TEST_P(Fuzz, WhatWasFoundStaysMended) {
  for (const auto& [name, input] : corpus_of(target_)) run(target_, input, name);
}

TEST_P(Fuzz, HoldsAgainstRandomChanges) {
  std::vector<std::string> inputs;
  if (target_.seeds != nullptr) inputs = target_.seeds();
  for (auto& [name, input] : corpus_of(target_)) inputs.push_back(std::move(input));
  std::mt19937_64 random(1);
  int accepted = 0;
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    std::string input = mutated(inputs[random() % inputs.size()], inputs, random);
    if (target_.repair != nullptr && random() % 4 != 0) target_.repair(input);
    accepted += run(target_, input, "round " + std::to_string(round)) ? 0 : 1;
  }
  EXPECT_GT(accepted, 0) << "changes never get past the first check";
}

INSTANTIATE_TEST_SUITE_P(Targets, Fuzz, testing::ValuesIn(targets().begin(), targets().end()),
                         [](const auto& target) { return std::string(target.param->name); });

TEST(FuzzTargets, HaveNamesOfTheirOwnAndTheirCorpora) {
  std::set<std::string> names;
  for (const Target* target : targets()) EXPECT_TRUE(names.insert(std::string(target->name)).second) << target->name;
  for (const auto& folder : fs::directory_iterator(source_directory() / "tests/fuzz/corpus")) {
    EXPECT_TRUE(names.contains(folder.path().filename().string())) << folder.path();
  }
}

}  // namespace
}  // namespace hop::fuzz
