// hop worker: one worker process. `hop run` starts its own; they live in a private directory of sockets.
#include <sys/prctl.h>

#include <cstdio>
#include <memory>
#include <string>

#include "base/error.h"
#include "cli/commands.h"
#include "hopper/detail/token.h"
#include "hopper/detail/worker_exit.h"
#include "hopper/serve.h"

namespace hop::cli {

void add_worker(CLI::App& app, Action& action) {
  auto options = std::make_shared<hopper::ServeOptions>();
  CLI::App* command = app.add_subcommand("worker", "Serve a coordinator (started by `hop run`)");
  command->add_option("--connect", options->coordinator, "The coordinator's address")->required();
  command->add_option("--worker", options->worker, "The number of this worker")->required();
  command->add_option("--incarnation", options->incarnation, "Which life of the worker this is")->required();
  command->add_option("--node", options->node_folder, "The folder for this node's model states")->required();
  command->callback([=, &action] {
    action = [=]() -> int {
      ::prctl(PR_SET_NAME, "hop-worker");
      options->token = hopper::take_token(hopper::kTokenDescriptor);
      try {
        hopper::serve(*options);
      } catch (const NetError& error) {
        std::fprintf(stderr, "worker %u: %s\n", options->worker, error.what());
        return hopper::kExitUnconnected;
      }
      return kOk;
    };
  });
}

}  // namespace hop::cli
