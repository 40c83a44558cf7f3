// A search over a model of one's own: the loop over configurations becomes an experiment, whose models hop between two
// workers. PyTorch trains one model after the other.
#include "data.h"
#include "twin.h"

using namespace hop;

constexpr std::int64_t kRows = 256, kSize = 8;

// Starts with weights by formula.
struct SineLinear : nn::Linear {
  using nn::Linear::Linear;
  void reset_parameters(const nn::ParameterKeys&) override {
    std::vector<double> values;
    for (std::int64_t i = 0; i < weight.numel(); ++i) values.push_back(std::sin(static_cast<double>(i * i)));
    const double scale = std::sqrt(2 / static_cast<double>(weight.size(1)));
    const NoGradGuard no_grad;
    copy_(weight, Tensor::from<double>(values, weight.shape()) * scale);
    zero_(bias);
  }
};

// A gated layer, (N, inputs) -> (N, classes).
struct Gated : nn::Module {
  Gated(std::int64_t inputs, std::int64_t hidden, std::int64_t classes)
      : value(register_module("value", SineLinear(inputs, hidden))),
        gate(register_module("gate", SineLinear(inputs, hidden))),
        out(register_module("out", SineLinear(hidden, classes))) {}

  Tensor forward(const Tensor& images) override {
    const Tensor x = to(flatten(images, 1), value.weight.dtype());
    return out(tanh(value(x)) * sigmoid(gate(x)));
  }

  SineLinear value, gate, out;
};

int main(int argc, char** argv) {
  using namespace hop::hopper;
  ports::Twin twin(argc, argv);
  const ports::Images images = ports::stripes(kRows, kSize, DType::f32);  // as rows of a data set are

  Experiment experiment;
  experiment.name = "own-search";
  experiment.data.rows = data::tensor_source(images.x, images.label, 10);
  experiment.data.validation = data::Validation::none();
  experiment.data.scale = data::Scale{};
  experiment.data.partitions = twin.compares() ? 1 : 4;
  experiment.model.builder = [dtype = twin.dtype()](const Config& config, const ModelInput& input) {
    auto net = std::make_shared<Gated>(input.sample.numel(), config.integer("hidden"), input.classes);
    net->to(dtype);
    return net;
  };
  experiment.search.epochs = 20;
  experiment.search.objective = Objective::TrainLoss;
  experiment.search.space = {{"hidden", Choices{std::int64_t{8}, std::int64_t{16}}},
                             {"lr", Choices{0.5, 0.1}},
                             {"momentum", Choices{0.9}},
                             {"batch_size", Choices{twin.compares() ? kRows : std::int64_t{32}}}};
  experiment.run.workers = twin.compares() ? 1 : 2;

  const RunResult result = run(experiment);
  std::printf("%s", leaderboard(result.results).c_str());
  double best = 10;
  for (const ModelResult& model : result.results.models) {
    for (const EpochMetrics& epoch : model.curve) {
      twin.losses({epoch.train_loss});
      best = std::min(best, epoch.train_loss);
    }
  }
  return twin.verdict(best < 1.5);
}
