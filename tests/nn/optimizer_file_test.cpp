// An optimizer goes into a file and comes back: training goes on with the same bits.
#include "nn/optim/optimizer_file.h"

#include "autograd/graph.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/optim/sgd.h"
#include "tests/nn/support.h"

namespace hop::optim {
namespace {

using namespace nn::testing;

void train(nn::Module& model, Optimizer& optimizer, int steps) {
  for (int step = 0; step < steps; ++step) {
    optimizer.zero_grad();
    backward(sum(square(model(ones({2, 3})))));
    optimizer.step();
  }
}

TEST(OptimizerFile, LetsTrainingGoOnWithTheSameBits) {
  const TemporaryFolder folder;
  nn::Linear model(3, 2), copy(3, 2);
  nn::init_parameters(model, 1);
  nn::init_parameters(copy, 2);
  Adam adam(model.named_parameters(), {.lr = 0.1}), other(copy.named_parameters(), {.lr = 0.5});
  train(model, adam, 3);
  adam.set_lr(0.025);
  save(adam, folder / "adam.safetensors");
  nn::save(model, folder / "model.safetensors");
  train(copy, other, 1);  // slots that the load replaces
  load(other, folder / "adam.safetensors");
  nn::load(copy, folder / "model.safetensors");
  EXPECT_EQ(other.lr(), 0.025);
  EXPECT_EQ(other.step_count(), 3);
  train(model, adam, 2);
  train(copy, other, 2);
  EXPECT_EQ(bits(copy.weight), bits(model.weight));
  EXPECT_EQ(bits(copy.bias), bits(model.bias));
}

TEST(OptimizerFile, IsRefusedByAnotherOptimizer) {
  const TemporaryFolder folder;
  nn::Linear model(3, 2), wide(4, 2);
  nn::init_parameters(model, 1);
  Adam adam(model.named_parameters(), {.lr = 0.1});
  train(model, adam, 1);
  save(adam, folder / "adam.safetensors");
  SGD sgd(model.named_parameters(), {.lr = 0.5, .momentum = 0.9});
  EXPECT_EQ(message_of<StateError>([&] { load(sgd, folder / "adam.safetensors"); }),
            "[optimizer] expected the tensor \"momentum_buffer.weight\", got none");
  SGD plain(model.named_parameters(), {.lr = 0.5});
  EXPECT_EQ(message_of<StateError>([&] { load(plain, folder / "adam.safetensors"); }),
            "[optimizer] expected the tensors of this optimizer, got also \"exp_avg.bias\"");
  Adam of_wide(wide.named_parameters(), {.lr = 0.5});
  EXPECT_EQ(message_of<StateError>([&] { load(of_wide, folder / "adam.safetensors"); }),
            "[optimizer] expected shape (2, 4) for exp_avg.weight, got (2, 3)");
  EXPECT_EQ(of_wide.step_count(), 0);
  EXPECT_EQ(of_wide.lr(), 0.5);
  EXPECT_THROW(load(adam, folder / "nothing.safetensors"), StateError);
  nn::save_safetensors(folder / "wrong.safetensors", adam.state(), {{"lr", "fast"}});
  EXPECT_THROW(load(adam, folder / "wrong.safetensors"), StateError);
}

}  // namespace
}  // namespace hop::optim
