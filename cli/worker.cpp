// hop worker: one worker process. `hop run` starts its own; they live in a private directory of sockets. A person
// starts those that join a run of another machine.
#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/stdin_end.h"
#include "hopper/detail/token.h"
#include "hopper/detail/worker_exit.h"
#include "hopper/serve.h"

namespace hop::cli {
namespace {

struct WorkerArguments {
  std::string coordinator;
  hopper::ServeOptions serve;
  hopper::JoinOptions join;
  std::string ports;
  bool ends_with_stdin = false;
};

int serve_own_run(hopper::ServeOptions options) {
  options.token = hopper::take_token(hopper::kTokenDescriptor);
  try {
    hopper::serve(options);
  } catch (const NetError& error) {
    std::fprintf(stderr, "worker %u: %s\n", options.worker, error.what());
    return hopper::kExitUnconnected;
  }
  return kOk;
}

// "7900-7950", or one port.
void read_ports(const std::string& text, hopper::JoinOptions& options) {
  if (text.empty()) return;
  const char* end = text.data() + text.size();
  const auto [at, wrong] = std::from_chars(text.data(), end, options.first_port);
  options.last_port = options.first_port;
  bool is_range = wrong == std::errc() && (at == end || *at == '-');
  if (is_range && at != end) {
    const auto [last, also_wrong] = std::from_chars(at + 1, end, options.last_port);
    is_range = also_wrong == std::errc() && last == end;
  }
  if (is_range && options.first_port != 0 && options.first_port <= options.last_port) return;
  throw ConfigError("[worker] --ports: expected a port or a range such as 7900-7950, got " + text);
}

// Begins this program anew with the instruction set of the run. An instruction set is chosen once per process.
[[noreturn]] void begin_anew(const hopper::OtherIsaError& wanted) {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string level = wanted.isa.substr(wanted.isa.rfind('-') + 1);
  const char* now = std::getenv("HOP_ISA");
  if (now == nullptr || level != now) {
    std::fprintf(stderr, "hop worker: begins anew with HOP_ISA=%s: %s\n", level.c_str(), wanted.what());
    ::setenv("HOP_ISA", level.c_str(), 1);
    ::execv("/proc/self/exe", arguments.data());
  }
  throw wanted;
}

int join_run(hopper::JoinOptions options, const std::string& ports) {
  read_ports(ports, options);
  options.on_notice = [](const std::string& line) { std::fprintf(stderr, "hop worker: %s\n", line.c_str()); };
  try {
    hopper::RunControl control;
    const InterruptHandler handler(control, {"Its states stay in its --node folder"});
    options.control = &control;
    hopper::join(options);
  } catch (const hopper::OtherIsaError& wanted) {
    begin_anew(wanted);
  }
  return kOk;
}

}  // namespace

void add_worker(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<WorkerArguments>();
  CLI::App* command = app.add_subcommand("worker", "Join a run of another machine as a worker (hop run --listen)");
  command->add_option("--connect", arguments->coordinator, "HOST:PORT at which the run listens")->required();
  CLI::Option* key = command->add_option("--key-file", arguments->join.key_file, "The file with the run's key");
  command->add_option("--data", arguments->join.data_folder,
                      "This machine's partitions (hop data split); without it, it must see the run's own folder");
  command->add_option("--node", arguments->serve.node_folder,
                      "The folder for this node's model states (default: hop-node in this folder)");
  command->add_option("--advertise", arguments->join.advertise,
                      "The host by which other workers reach this one (default: as the run sees it)");
  command->add_option("--ports", arguments->ports,
                      "The ports at which it may listen, such as 7900-7950 (default: any)");
  command
      ->add_option("--wait", arguments->join.patience,
                   "Seconds that it waits for the run, and for a place in it (default 600)")
      ->check(number_between(0, 1e9));
  command
      ->add_option("--leave", arguments->join.leave_patience,
                   "Seconds for handing its states to other workers after Ctrl-C or SIGTERM (default 60); a second one "
                   "ends it at once")
      ->check(number_between(0, 1e9));
  command->add_flag("--end-with-stdin", arguments->ends_with_stdin,
                    "End when standard input ends: for programs that start workers");
  // Of the workers that `hop run` starts: who they are, and which life this is. Their secret comes in a pipe.
  CLI::Option* number = command->add_option("--worker", arguments->serve.worker)->group("")->excludes(key);
  command->add_option("--incarnation", arguments->serve.incarnation)->group("")->excludes(key)->needs(number);
  command->add_option("--beside", arguments->serve.beside)->group("")->excludes(key)->needs(number);
  command->callback([=, &action] {
    action = [=]() -> int {
      ::prctl(PR_SET_NAME, "hop-worker");
      const bool was_started_by_run = number->count() != 0;
      if (was_started_by_run) {
        arguments->serve.coordinator = arguments->coordinator;
        return serve_own_run(arguments->serve);
      }
      if (key->count() == 0) {
        throw ConfigError("[worker] expected --key-file FILE, the key of the run that listens at " +
                          arguments->coordinator);
      }
      if (arguments->ends_with_stdin) end_with_stdin();
      arguments->join.coordinator = arguments->coordinator;
      arguments->join.node_folder = arguments->serve.node_folder.empty() ? "hop-node" : arguments->serve.node_folder;
      return join_run(arguments->join, arguments->ports);
    };
  });
}

}  // namespace hop::cli
