// hop key new FILE: the key of a run.
#include "net/key.h"

#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"

namespace hop::cli {
namespace {

int new_key(const std::string& file) {
  net::RunKey::random().write_new(file);
  std::printf("%s: 32 random bytes, mode 0600. Who holds this file may join the runs that use it.\n", file.c_str());
  return kOk;
}

}  // namespace

void add_key(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("key", "Make the key of a run");
  command->require_subcommand(1);
  auto file = std::make_shared<std::string>();
  CLI::App* made = command->add_subcommand("new", "Write a new key into a file that only you may read");
  made->add_option("file", *file, "The file; it must not exist yet")->required();
  made->callback([=, &action] { action = [=] { return new_key(*file); }; });
}

}  // namespace hop::cli
