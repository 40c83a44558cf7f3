// Model selection inside an application: no files to write, no ports to open, a model of your own.
// Trains four configurations of a small CNN over four partitions on two worker threads, then uses the best one.
// Prints the leaderboard; the best model tells about 90 % of the generated glyphs apart.
#include <hopscotch/hopscotch.h>

#include <iostream>

// A module as in PyTorch: members register themselves where they are declared.
struct SmallCnn : hop::nn::Module {
  SmallCnn(std::int64_t width, std::int64_t classes)
      : conv(register_module("conv", hop::nn::Conv2d(1, width, 5, {.padding = 2}))),
        out(register_module("out", hop::nn::Linear(width * 7 * 7, classes))) {}

  hop::Tensor forward(const hop::Tensor& x) override {                    // (N, 1, 28, 28)
    const hop::Tensor features = hop::max_pool2d(hop::relu(conv(x)), 4);  // (N, width, 7, 7)
    return out(hop::flatten(features, 1));                                // (N, classes)
  }

  hop::nn::Conv2d conv;
  hop::nn::Linear out;
};

int main() {
  using namespace hop::hopper;

  Experiment experiment;
  experiment.name = "in-process";
  experiment.seed = 7;
  experiment.data = {.source = "glyphs", .partitions = 4};
  experiment.model.builder = [](const Config& config, const ModelInput& input) {
    return std::make_shared<SmallCnn>(config.integer("width"), input.classes);
  };
  experiment.search.epochs = 2;
  experiment.search.space = {{"width", Choices{std::int64_t{4}, std::int64_t{8}}},
                             {"lr", Choices{0.003, 0.0003}},
                             {"optimizer", Choices{std::string("adam")}}};
  experiment.run.workers = 2;

  const RunResult result = run(experiment);
  std::cout << leaderboard(result.results);

  // The best model is a module like any other.
  const hop::data::RawData fresh = hop::data::glyphs({.train_rows = 1, .test_rows = 0, .seed = 99});
  std::vector<std::uint8_t> pixels(28 * 28);
  const std::int64_t label = fresh.train->read(0, std::as_writable_bytes(std::span(pixels)));
  const hop::NoGradGuard no_grad;
  const hop::Tensor image = hop::Tensor::from<std::uint8_t>(pixels, {1, 1, 28, 28});
  const hop::Tensor scores = (*result.best_model)(hop::mul(hop::to(image, hop::DType::f32), 1.0 / 255));
  std::cout << "a new glyph of class " << label << " is taken for class " << hop::argmax(scores).item<std::int64_t>()
            << "\n";
  return result.results.best ? 0 : 1;
}
