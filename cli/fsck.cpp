// hop fsck RUN_DIR: is the journal sound?
#include "hopper/fsck.h"

#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"

namespace hop::cli {
namespace {

int fsck(const std::string& directory, bool cut) {
  const hopper::JournalCheck check = hopper::check_journal(directory, cut);
  std::printf("journal: %llu sound records, %llu bytes\n", static_cast<unsigned long long>(check.records),
              static_cast<unsigned long long>(check.sound_bytes));
  for (const std::string& finding : check.findings) std::printf("%s\n", finding.c_str());
  if (!check.kept.empty()) {
    std::printf("cut off after byte %llu; the other %llu bytes are kept in %s\n",
                static_cast<unsigned long long>(check.sound_bytes), static_cast<unsigned long long>(check.other_bytes),
                check.kept.c_str());
  } else if (!check.is_sound()) {
    std::printf("to go on without the last %llu bytes: hop fsck %s --cut\n",
                static_cast<unsigned long long>(check.other_bytes), directory.c_str());
  }
  return check.is_sound() || cut ? kOk : kBadInput;
}

}  // namespace

void add_fsck(CLI::App& app, Action& action) {
  auto directory = std::make_shared<std::string>();
  auto cut = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("fsck", "Check a run's journal, and cut off what is damaged");
  command->add_option("run_dir", *directory, "The run directory")->required();
  command->add_flag("--cut", *cut, "Move what is not sound into a file beside the journal");
  command->callback([=, &action] { action = [=] { return fsck(*directory, *cut); }; });
}

}  // namespace hop::cli
