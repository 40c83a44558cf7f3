// Power cuts. Every operation that a run does to its files is recorded, and images are built of its directory as a
// power cut leaves it: what was not synced is lost, kept or torn. A run that goes on from an image must end as the calm
// one did, and trains nothing again that was committed. HOP_IMAGES says how many images.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <optional>
#include <stdexcept>

#include "hopper/journal.h"
#include "tests/faults/arena.h"
#include "tests/faults/disk_recorder.h"

namespace hop::testing {
namespace {

namespace fs = std::filesystem;

class PowerCuts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_tracing(); !why.empty()) GTEST_SKIP() << why;
  }
};

// The units that a run had to train again although a commit names their states.
std::size_t rollbacks(const fs::path& run_directory) {
  std::size_t found = 0;
  for (const hopper::Record& record : hopper::read_journal(run_directory / "journal").records) {
    found += std::holds_alternative<hopper::record::Rollback>(record) ? 1 : 0;
  }
  return found;
}

// The progress of the run when the power was cut: it decides what an image must hold.
enum class Stage : std::uint8_t { Preparing, Training, Ended };

std::string wrong_with(const Trial& trial, Stage stage) {
  std::string wrong;
  if (stage == Stage::Ended) wrong = trial.wrong_results();
  if (!wrong.empty()) return "the program had ended with code 0: " + wrong;
  if (stage != Stage::Preparing && !fs::exists(trial.run_directory() / "journal")) return "the run is lost";
  const Finished again = trial.go_on();
  if (again.code != 0) return "going on, it ended with code " + std::to_string(again.code) + ": " + again.err;
  wrong = trial.verdict();
  if (rollbacks(trial.run_directory()) > 0) wrong += "what was committed was trained again: " + again.err;
  return wrong;
}

// The operations of one life of a run, from the state that `prepare` leaves to the end. A life that lost a worker is
// recorded anew, because the last calls of a killed process may not be seen.
DiskLog record(const Arena& arena, const std::function<void(const fs::path& folder)>& prepare = {}) {
  constexpr int kTries = 10;
  for (int tries = 1;; ++tries) {
    const Trial trial(arena, "recorded-" + std::to_string(tries));
    if (prepare) prepare(trial.folder());
    std::vector<std::string> words = trial.words_to_go_on();
    words.insert(words.begin(), HOP_PROGRAM);
    Tracer tracer(words, trial.folder(), Tracer::Scope::Tree);
    const DiskRecorder recorder(tracer, trial.folder(), trial.run_directory().filename().string());
    try {
      EXPECT_EQ(tracer.run(), 0) << tracer.errors();
      EXPECT_EQ(trial.verdict(), "");
      const bool is_calm = read(trial.run_directory() / "log").find(" lost ") == std::string::npos;
      if (is_calm || tries == kTries) return recorder.log();
    } catch (const std::runtime_error&) {
      if (tries == kTries) throw;
    }
  }
}

// Goes on from images of cuts behind the first `begin` operations, the last ones after the end.
void judge(const Arena& arena, const DiskLog& log, std::size_t begin, std::size_t first_state, int images) {
  const auto places = static_cast<std::size_t>(images / kPowerCuts);
  int different = 0;
  for (int i = 0; i < images; ++i) {
    const auto cut = static_cast<PowerCut>(i % kPowerCuts);
    const std::size_t place = static_cast<std::size_t>(i / kPowerCuts) + 1;
    const std::size_t done = begin + (log.size() - begin) * std::min(place, places) / places;
    const Trial trial(arena, "image-" + std::to_string(i));
    log.build(trial.folder(), done, cut, static_cast<std::uint64_t>(i));
    const Stage stage = done == log.size() ? Stage::Ended : done >= first_state ? Stage::Training : Stage::Preparing;
    const std::string wrong = wrong_with(trial, stage);
    if (wrong.empty()) continue;
    ++different;
    const Trial copy(arena, "image-" + std::to_string(i) + "-as-cut");
    log.build(copy.folder(), done, cut, static_cast<std::uint64_t>(i));
    ADD_FAILURE() << "image " << i << ", cut " << i % kPowerCuts << " after " << done << " of " << log.size()
                  << " operations: " << wrong << "\nkept: " << copy.keep();
  }
  std::cout << "power cuts: " << images << " images of " << log.size() - begin
            << " operations; different: " << different << std::endl;
}

const ArenaSize kSize = {.models = 3, .partitions = 2, .epochs = 2, .workers = 2};

int number_of_images() { return std::max(2 * kPowerCuts, number_from_environment("HOP_IMAGES", 24)); }

TEST_F(PowerCuts, LoseNothingThatWasCommitted) {
  const Arena arena(kSize);
  const DiskLog log = record(arena);
  judge(arena, log, 0, log.until_first(".hop"), number_of_images());
}

// The first cut comes in the middle of the run, the second one while it goes on from there.
TEST_F(PowerCuts, LoseNothingWhenTheyComeTwice) {
  const Arena arena(kSize);
  const DiskLog first = record(arena);
  const auto prepare = [&](const fs::path& folder) { first.build(folder, first.size() / 2, PowerCut::LosesSome, 1); };
  const DiskLog second = record(arena, prepare);
  judge(arena, second, second.known_before(), 0, number_of_images() / 2);
}

}  // namespace
}  // namespace hop::testing
