// The state of an optimizer in a file (nn/optim/optimizer_file.h). The first byte chooses the optimizer.
#include "nn/optim/optimizer_file.h"

#include "base/error.h"
#include "nn/optim/by_name.h"
#include "nn/optim/lbfgs.h"
#include "nn/safetensors.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

std::size_t kinds() { return optim::optimizers().size() + 1; }

// Of two parameters. The last one is LBFGS, which has no row.
std::unique_ptr<optim::Optimizer> make(std::size_t kind) {
  const auto parameter = [](const Shape& shape) {
    const Tensor tensor = Tensor::empty(shape, DType::f32);
    std::fill_n(tensor.data<float>(), tensor.numel(), 0.5F);
    tensor.set_requires_grad(true);
    return tensor;
  };
  const optim::ParameterList parameters = std::vector<nn::NamedTensor>{{"weight", parameter({2, 3})},  //
                                                                       {"bias", parameter({2})}};
  if (kind + 1 == kinds()) return std::make_unique<optim::LBFGS>(parameters);
  return optim::optimizers()[kind].make({{"momentum", "0.9"}, {"amsgrad", "true"}}, parameters);
}

std::vector<std::byte> state_of(const optim::Optimizer& optimizer) {
  return nn::encode_safetensors(optimizer.state(), {{"lr", std::to_string(optimizer.lr())}});
}

void run(ByteView input) {
  if (input.empty()) return;
  const auto optimizer = make(std::to_integer<std::size_t>(input[0]) % kinds());
  const std::vector<std::byte> before = state_of(*optimizer);
  try {
    optim::load(*optimizer, file("optimizer.safetensors", input.subspan(1)));
  } catch (const Error&) {
    require(state_of(*optimizer) == before, "a file that is refused changes nothing");
    throw;
  }
  const std::vector<std::byte> loaded = state_of(*optimizer);
  optim::save(*optimizer, folder() / "again.safetensors");
  optim::load(*optimizer, folder() / "again.safetensors");
  require(state_of(*optimizer) == loaded, "a state is the same after another trip");
}

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (std::size_t kind = 0; kind < kinds(); ++kind) {
    optim::save(*make(kind), folder() / "seed.safetensors");
    all.push_back(static_cast<char>(kind) + read(folder() / "seed.safetensors"));
  }
  return all;
}

void repair(std::string& input) {
  if (input.empty()) return;
  std::string behind = input.substr(1);
  repair_safetensors(behind);
  input.replace(1, std::string::npos, behind);
}

}  // namespace

constinit const Target kOptimizer{"optimizer", run, seeds, repair};

}  // namespace hop::fuzz
