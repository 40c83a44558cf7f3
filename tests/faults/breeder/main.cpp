// An application beside `hop` that understands two of its commands: its experiments have the search Breeder. Its
// workers are processes of `hop`.
//
//   breeder run EXPERIMENT --run-dir DIR        breeder resume DIR
#include <cstdio>
#include <exception>
#include <string>

#include "hopper/run.h"
#include "tests/faults/breeder/breeder.h"

using namespace hop::hopper;

namespace {

constexpr std::uint32_t kModels = 6;

Experiment with_breeder(Experiment experiment) {
  experiment.search.make = [](const SearchInput& input) {
    return std::make_unique<hop::testing::Breeder>(kModels, input.epochs);
  };
  return experiment;
}

RunResult go(const std::string& verb, char** arguments) {
  RunOptions options{.hosting = Hosting::Processes, .program = HOP_PROGRAM};
  if (verb == "resume") return resume(arguments[2], options, with_breeder({}));
  options.run_directory = arguments[4];
  return run(with_breeder(load_experiment(arguments[2])), options);
}

}  // namespace

int main(int, char** arguments) {
  try {
    return go(arguments[1], arguments).results.outcome == Outcome::Completed ? 0 : 4;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 3;
  }
}
