// A training step of every ready model on a device: the CPU judges the loss and all that the step changes.
#include "nn/families.h"

#include <algorithm>

#include "nn/clone.h"
#include "nn/init.h"
#include "nn/models.h"
#include "nn/optim/sgd.h"
#include "tests/cuda/trained.h"
#include "tests/nn/family_cases.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using namespace hop::nn;
using nn::testing::family_cases;
using nn::testing::FamilyCase;

/// The loss, the weights and the buffers after a step.
std::vector<NamedTensor> step(Module& module, const std::function<Tensor()>& loss_of) {
  module.set_random_key(1);
  optim::SGD optimizer(module.named_parameters(), optim::SGDOptions{.lr = 0.1, .momentum = 0.9});
  const Tensor loss = loss_of();
  backward(loss);
  optimizer.step();
  std::vector<NamedTensor> list = {{"loss", loss.detach()}};
  for (const NamedTensor& entry : module.state_dict()) list.push_back(entry);
  return list;
}

/// A mean over the outputs in which each of them has a factor of its own.
Tensor loss_of(const Tensor& y) {
  const Tensor flat = hop::flatten(y);
  return hop::mean(hop::square(flat - hop::linspace(-1, 1, flat.numel(), {.device = y.device()})));
}

void check_family(const FamilyCase& c, DType dtype, double tolerance) {
  const auto here = FamilyRegistry().find(c.family)(c.request), there = FamilyRegistry().find(c.family)(c.request);
  init_parameters(*here, 7);
  there->load_state_dict(here->state_dict());
  here->to(dtype);
  there->to(Device::cuda(), dtype);
  const Tensor x = hop::to(c.batch, dtype);
  const auto expected = step(*here, [&] { return loss_of((*here)(x)); });
  expect_near(step(*there, [&] { return loss_of((*there)(on_device(x))); }), expected, tolerance);
}

/// Of each family's name.
class CudaFamilies : public OnDevice, public ::testing::WithParamInterface<std::string> {};

// The last batch norms of a picture normalise two values, which makes roundings of f32 a hundred times larger.
TEST_P(CudaFamilies, TrainsAStepAsOnTheCpu) {
  const std::vector<FamilyCase> cases = family_cases();
  const auto found = std::ranges::find(cases, GetParam(), &FamilyCase::family);
  ASSERT_NE(found, cases.end()) << "no case of this family";
  check_family(*found, DType::f32, 1e-3);
  check_family(*found, DType::f64, 1e-10);
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const FamilyRow& row : families()) names.emplace_back(row.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(All, CudaFamilies, ::testing::ValuesIn(family_names()),
                         [](const auto& family) { return family.param; });

using CudaModels = OnDevice;

template <class M, class Loss>
void check(M here, const Tensor& x, const Loss& loss) {
  SCOPED_TRACE(here.type_name());
  init_parameters(here, 7);
  M there = clone(here);
  there.to(Device::cuda());
  const auto expected = step(here, [&] { return loss(here, x); });
  expect_near(step(there, [&] { return loss(there, on_device(x)); }), expected, 1e-4);
}

TEST_F(CudaModels, WithoutAFamilyTrainAStepAsOnTheCpu) {
  const auto loss = [](auto& m, const Tensor& x) { return loss_of(m(x)); };
  check(models::DCGANGenerator({.latent = 3, .width = 1, .channels = 1}), random_tensor({2, 3, 1, 1}), loss);
  check(models::DCGANDiscriminator({.width = 1, .channels = 1}), random_tensor({2, 1, 64, 64}), loss);
  check(models::VAE({.inputs = 6, .hidden = 5, .latent = 2}), random_tensor({3, 6}, DType::f32, 1, 0, 1),
        [](models::VAE& m, const Tensor& x) {
          const auto sample = m.sample(x);
          return hop::binary_cross_entropy_with_logits(sample.logits, x);
        });
  models::GPTOptions all{.vocab_size = 7, .block_size = 5, .n_layer = 1, .n_head = 2, .n_embd = 8, .dropout = 0.2};
  check(models::GPT(all), random_tensor({2, 5}, DType::i64, 1, 0, 7), loss);
}

}  // namespace
}  // namespace hop::kernels::cuda
