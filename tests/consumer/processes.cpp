// An application whose own search chooses the models, and whose workers are processes of the installed program: this
// program and that one have the library in common.
#include <hopscotch/hopscotch.h>

#include <iostream>

using namespace hop::hopper;

struct Halves final : Search {
  std::optional<Proposal> ask() override {
    if (lr_ < 0.001) return std::nullopt;
    return Proposal{{{"lr", lr_ /= 2}, {"hidden", std::int64_t{16}}}};
  }
  double lr_ = 0.004;
};

int main(int, char** arguments) {
  Experiment experiment;
  experiment.name = "processes";
  experiment.data.source = "glyphs";
  experiment.model.family = "mlp";
  experiment.search.make = [](const SearchInput&) { return std::make_unique<Halves>(); };
  const Results results = run(experiment, {.hosting = Hosting::Processes, .program = arguments[1]}).results;
  std::cout << leaderboard(results);
  return results.models.size() == 3 && results.best ? 0 : 1;
}
