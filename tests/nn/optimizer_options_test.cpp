// amsgrad, maximize and groups that come later, against trajectories of PyTorch
// (golden/generate_optimizer_options.py), replayed, in state blocks and in files.
#include <functional>
#include <memory>

#include "autograd/graph.h"
#include "kernels/capture.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adadelta.h"
#include "nn/optim/adagrad.h"
#include "nn/optim/adam.h"
#include "nn/optim/adamax.h"
#include "nn/optim/by_name.h"
#include "nn/optim/grad_scaler.h"
#include "nn/optim/lion.h"
#include "nn/optim/nadam.h"
#include "nn/optim/optimizer_file.h"
#include "nn/optim/radam.h"
#include "nn/optim/rmsprop.h"
#include "nn/optim/sgd.h"
#include "nn/state.h"
#include "tests/nn/golden_cases.h"

namespace hop::optim {
namespace {

using namespace nn::testing;
using Make = std::function<std::unique_ptr<Optimizer>(const std::vector<Tensor>&)>;
/// Makes an optimizer of the first parameter, and the function that adds the second one.
using MakeGrowing = std::function<std::pair<std::unique_ptr<Optimizer>, std::function<void()>>(std::vector<Tensor>)>;

constexpr std::int64_t kSteps = 30, kAdded = 7;

const Tensor& golden(const std::string& name) {
  static const GoldenFile file("optimizer_options.safetensors");
  return file.tensors().at(name);
}

template <class M, class Options>
Make make(Options options) {
  return [options](const std::vector<Tensor>& p) { return std::make_unique<M>(p, options); };
}

const std::map<std::string, Make> kCases = {
    {"amsgrad_adam", make<Adam>(AdamOptions{.lr = 0.02, .amsgrad = true})},
    {"amsgrad_adam_options",
     make<Adam>(AdamOptions{
         .lr = 0.03, .beta1 = 0.8, .beta2 = 0.9, .eps = 1e-4, .weight_decay = 0.1, .amsgrad = true, .maximize = true})},
    {"amsgrad_adamw", make<AdamW>(AdamWOptions{.lr = 0.02, .amsgrad = true})},
    {"amsgrad_adamw_options", make<AdamW>(AdamWOptions{.lr = 0.03,
                                                       .beta1 = 0.7,
                                                       .beta2 = 0.95,
                                                       .eps = 1e-4,
                                                       .weight_decay = 0.3,
                                                       .amsgrad = true,
                                                       .maximize = true})},
    {"maximize_sgd", make<SGD>(SGDOptions{.lr = 0.05, .weight_decay = 0.1, .maximize = true})},
    {"maximize_sgd_nesterov",
     make<SGD>(SGDOptions{.lr = 0.05, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true, .maximize = true})},
    {"maximize_adam", make<Adam>(AdamOptions{.lr = 0.02, .weight_decay = 0.1, .maximize = true})},
    {"maximize_adamw", make<AdamW>(AdamWOptions{.lr = 0.02, .weight_decay = 0.1, .maximize = true})},
    {"maximize_rmsprop",
     make<RMSprop>(RMSpropOptions{
         .lr = 0.02, .alpha = 0.9, .weight_decay = 0.1, .momentum = 0.5, .centered = true, .maximize = true})},
    {"maximize_adagrad",
     make<Adagrad>(AdagradOptions{.lr = 0.1, .lr_decay = 0.05, .weight_decay = 0.1, .maximize = true})},
    {"maximize_adadelta",
     make<Adadelta>(AdadeltaOptions{.lr = 0.5, .rho = 0.8, .weight_decay = 0.1, .maximize = true})},
    {"maximize_adamax", make<Adamax>(AdamaxOptions{.lr = 0.02, .weight_decay = 0.1, .maximize = true})},
    {"maximize_nadam", make<NAdam>(NAdamOptions{.lr = 0.02, .weight_decay = 0.1, .maximize = true})},
    {"maximize_radam",
     make<RAdam>(RAdamOptions{.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.1, .maximize = true})},
};

std::vector<Tensor> start(DType dtype) {
  std::vector<Tensor> parameters;
  for (const char* i : {"start.0", "start.1"}) parameters.push_back(clone(to(golden(i), dtype)).set_requires_grad());
  return parameters;
}

void give_gradients(const std::vector<Tensor>& parameters, std::int64_t step, double factor = 1) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor g = select(golden("gradients." + std::to_string(i)), 0, step) * factor;
    parameters[i].set_grad(clone(to(g, parameters[i].dtype())));
  }
}

/// Compares the parameters after steps 1, 2, 10 and 30, the steps that are recorded.
void expect_golden(const std::vector<Tensor>& parameters, const std::string& name, std::int64_t step,
                   double tolerance) {
  const std::array<std::int64_t, 4> recorded = {1, 2, 10, kSteps};
  const auto found = std::ranges::find(recorded, step + 1);
  if (found == recorded.end()) return;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor expected = select(golden(name + "." + std::to_string(i)), 0, found - recorded.begin());
    expect_close(parameters[i], expected, tolerance, name + " after step " + std::to_string(step + 1));
  }
}

class OptimizerOptions : public ::testing::TestWithParam<std::string> {
 protected:
  static void follow(DType dtype, double tolerance) {
    const std::vector<Tensor> parameters = start(dtype);
    const std::unique_ptr<Optimizer> optimizer = kCases.at(GetParam())(parameters);
    for (std::int64_t step = 0; step < kSteps; ++step) {
      give_gradients(parameters, step);
      optimizer->step();
      expect_golden(parameters, GetParam(), step, tolerance);
    }
    for (const nn::NamedTensor& entry : optimizer->state()) {
      if (entry.name.starts_with("max_exp_avg_sq."))
        expect_close(entry.tensor, golden(GetParam() + "." + entry.name), tolerance, entry.name);
    }
  }
};

TEST_P(OptimizerOptions, FollowPyTorchInF64) { follow(DType::f64, 1e-12); }
TEST_P(OptimizerOptions, FollowPyTorchInF32) { follow(DType::f32, 1e-5); }

TEST_P(OptimizerOptions, HaveTheSameBitsWhenReplayed) {
  const auto train = [&](bool captures) {
    const std::vector<Tensor> parameters = start(DType::f32);
    const std::unique_ptr<Optimizer> optimizer = kCases.at(GetParam())(parameters);
    RecordedWork work;
    for (std::int64_t step = 0; step < 8; ++step) {
      for (std::size_t i = 0; i < 2; ++i)
        copy_(parameters[i].grad(), select(golden("gradients." + std::to_string(i)), 0, step));
      if (!captures) {
        optimizer->step();
      } else if (work.replay() == nullptr) {
        work.run([&] { return optimizer->step(), RecordedWork::Results(); }, {});
      }
    }
    EXPECT_EQ(work.recordings(), captures ? 1U : 0U);
    return bits(parameters[0]) + bits(parameters[1]);
  };
  EXPECT_EQ(train(false), train(true));
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerOptions, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto& [name, make] : kCases) names.push_back(name);
                           return names;
                         }()),
                         [](const auto& test) { return test.param; });

TEST(Maximize, OfAnyOptimizerHasTheBitsOfNegativeGradients) {
  for (const OptimizerRow& row : optimizers()) {
    const auto train = [&](const char* maximize, double factor) {
      const std::vector<Tensor> parameters = start(DType::f32);
      const std::unique_ptr<Optimizer> optimizer =
          make_optimizer({{"optimizer", row.name}, {"weight_decay", "0.1"}, {"maximize", maximize}}, parameters);
      for (std::int64_t step = 0; step < 5; ++step) {
        give_gradients(parameters, step, factor);
        optimizer->step();
      }
      return bits(parameters[0]) + bits(parameters[1]);
    };
    EXPECT_EQ(train("true", 1), train("false", -1)) << row.name;
    EXPECT_NE(train("true", 1), train("false", 1)) << row.name;
  }
}

TEST(Amsgrad, KeepsItsSlotOnlyWhenItIsOn) {
  const std::vector<Tensor> p = start(DType::f32);
  EXPECT_EQ(names_of(Adam(p, {}).state()).size(), 5U);
  EXPECT_THAT(names_of(AdamW(p, {.amsgrad = true}).state()),
              ::testing::ElementsAre("step", "exp_avg.0", "exp_avg.1", "exp_avg_sq.0", "exp_avg_sq.1",
                                     "max_exp_avg_sq.0", "max_exp_avg_sq.1"));
  EXPECT_EQ(names_of(make_optimizer({{"optimizer", "adam"}, {"amsgrad", "true"}}, p)->state()).size(), 7U);
  EXPECT_EQ(message_of<ConfigError>([&] {
              AdamW adamw({{{p[0]}, {.amsgrad = true}}, {{p[1]}, {}}});
            }),
            "[optimizer] expected groups with the same slots, got group 1 with 2 and group 0 with 3: momentum, "
            "centered and amsgrad are on in all groups or in none; otherwise make an optimizer for each group");
}

void train(nn::Module& model, Optimizer& optimizer, int steps) {
  for (int step = 0; step < steps; ++step) {
    optimizer.zero_grad();
    backward(sum(square(model(ones({2, 3})))) / (1.0 + static_cast<double>(optimizer.step_count())));
    optimizer.step();
  }
}

// Copied bytes of a block, and a file, are all that training needs to go on.
TEST(Amsgrad, TravelsInStateBlocksAndInFiles) {
  const TemporaryFolder folder;
  const AdamOptions options{.lr = 0.1, .beta2 = 0.5, .amsgrad = true};
  nn::Linear model(3, 2), hopped(3, 2), loaded(3, 2);
  nn::init_parameters(model, 1);
  nn::init_parameters(hopped, 2);
  Adam adam(model.named_parameters(), options), of_hopped(hopped.named_parameters(), options),
      of_loaded(loaded.named_parameters(), options);
  nn::StateBlock block(model, &adam), other(hopped, &of_hopped);
  train(model, adam, 3);
  const nn::StateBytes bytes = other.make_bytes();
  std::ranges::copy(block.bytes(), bytes->data());
  other.load(bytes);
  save(adam, folder / "adam.safetensors");
  nn::save(model, folder / "model.safetensors");
  load(of_loaded, folder / "adam.safetensors");
  nn::load(loaded, folder / "model.safetensors");
  train(model, adam, 3);
  train(hopped, of_hopped, 3);
  train(loaded, of_loaded, 3);
  EXPECT_EQ(bits(hopped.weight), bits(model.weight));
  EXPECT_EQ(bits(loaded.weight), bits(model.weight));
  Adam plain(loaded.named_parameters(), {.lr = 0.1});
  EXPECT_EQ(message_of<StateError>([&] { load(plain, folder / "adam.safetensors"); }),
            "[optimizer] expected the tensors of this optimizer, got also \"max_exp_avg_sq.bias\"");
}

// ---- add_param_group

template <class M, class Options>
MakeGrowing growing(Options first, Options second) {
  return [first, second](std::vector<Tensor> p) {
    auto optimizer = std::make_unique<M>(std::vector{p[0]}, first);
    M* const made = optimizer.get();
    return std::pair<std::unique_ptr<Optimizer>, std::function<void()>>(std::move(optimizer), [made, p, second] {
      made->set_lr(0.04);
      made->add_param_group({std::vector{p[1]}, second});
    });
  };
}

const std::map<std::string, MakeGrowing> kGrowing = {
    {"add_sgd", growing<SGD>(SGDOptions{.lr = 0.05, .momentum = 0.9, .weight_decay = 0.1},
                             SGDOptions{.lr = 0.01, .momentum = 0.9, .weight_decay = 0.2})},
    {"add_rmsprop", growing<RMSprop>(RMSpropOptions{.lr = 0.02, .alpha = 0.9},
                                     RMSpropOptions{.lr = 0.01, .alpha = 0.9, .weight_decay = 0.2})},
};

TEST(AddParamGroup, FollowsPyTorchEagerlyAndReplayed) {
  for (const auto& [name, make] : kGrowing) {
    std::vector<std::string> results;
    for (const bool captures : {false, true}) {
      const std::vector<Tensor> parameters = start(DType::f64);
      const auto [optimizer, add] = make(parameters);
      RecordedWork work;
      for (std::int64_t step = 0; step < kSteps; ++step) {
        if (step == kAdded) add();
        for (std::size_t i = 0; i < (step < kAdded ? 1U : 2U); ++i)
          copy_(parameters[i].grad(), select(golden("gradients." + std::to_string(i)), 0, step));
        if (!captures) {
          optimizer->step();
        } else if (work.replay() == nullptr) {
          work.run([&, at = optimizer.get()] { return at->step(), RecordedWork::Results(); }, {});
        }
        expect_golden(parameters, name, step, 1e-12);
      }
      EXPECT_EQ(work.recordings(), captures ? 2U : 0U);
      EXPECT_EQ(optimizer->step_count(), kSteps);
      results.push_back(bits(parameters[0]) + bits(parameters[1]));
    }
    EXPECT_EQ(results[0], results[1]) << name;
  }
}

Tensor parameter(std::initializer_list<float> v) {
  return Tensor::from<float>(v, {static_cast<std::int64_t>(v.size())}).set_requires_grad();
}

TEST(AddParamGroup, KeepsGradientsThatWereGiven) {
  const Tensor a = parameter({1}), b = parameter({1});
  SGD sgd(std::vector{a}, {.lr = 0.5});
  sgd.zero_grad();
  backward(sum(a) + sum(b) * 2.0);
  sgd.add_param_group(std::vector{b});
  EXPECT_EQ(a.grad().item<float>(), 1);
  EXPECT_EQ(b.grad().item<float>(), 2);
  EXPECT_EQ(sgd.gradients().numel(), 128);  // each on a line of 64 bytes
  sgd.step();
  EXPECT_EQ(a.item<float>(), 0.5F);
  EXPECT_EQ(b.item<float>(), 0);
}

TEST(AddParamGroup, TakesTheSettingsOfTheFirstGroupAndItsFirstRate) {
  const Tensor a = parameter({1}), b = parameter({1});
  SGD sgd(std::vector{a}, {.lr = 0.5});
  sgd.set_lr(0.25);
  sgd.add_param_group(std::vector{b});
  backward(sum(a) + sum(b));
  sgd.step();
  EXPECT_EQ(a.item<float>(), 0.75F);
  EXPECT_EQ(b.item<float>(), 0.5F);
}

TEST(AddParamGroup, NamesItsStateAndGoesIntoABlockThatIsMadeLater) {
  nn::Linear backbone(3, 3), head(3, 2);
  Adam by_number(backbone.parameters());
  by_number.add_param_group(head.parameters());
  EXPECT_EQ(names_of(by_number.state())[3], "exp_avg.1.0");
  Adam adam({{backbone.named_parameters(), {.lr = 0.1}}});
  adam.add_param_group({head.named_parameters(), {.lr = 0.2, .weight_decay = 0.1}});
  EXPECT_THAT(
      names_of(adam.state()),
      ::testing::ElementsAre("step", "exp_avg.weight", "exp_avg.bias", "exp_avg.1.weight", "exp_avg.1.bias",
                             "exp_avg_sq.weight", "exp_avg_sq.bias", "exp_avg_sq.1.weight", "exp_avg_sq.1.bias"));
  EXPECT_EQ(adam.segment("1.weight").lr_scale, 2);
  EXPECT_EQ(adam.segment("1.weight").group, 1U);
}

TEST(AddParamGroup, RefusesWhatTheOptimizerCannotTake) {
  const Tensor a = parameter({1}), b = parameter({1});
  Adam adam(std::vector{a}, {.lr = 0.1});
  EXPECT_EQ(message_of<ConfigError>([&] { adam.add_param_group(std::vector{a}); }),
            "[optimizer] expected distinct parameters, got one twice (1.0)");
  EXPECT_THROW(adam.add_param_group(std::vector<Tensor>()), ConfigError);
  EXPECT_THROW(adam.add_param_group({std::vector{b}, {.beta1 = 1}}), ConfigError);
  EXPECT_EQ(message_of<ConfigError>([&] {
              adam.add_param_group({std::vector{b}, {.amsgrad = true}});
            }),
            "[optimizer] expected groups with the same slots, got group 1 with 3 and group 0 with 2: momentum, "
            "centered and amsgrad are on in all groups or in none; otherwise make an optimizer for each group");
  const ParameterList taken = std::vector<nn::NamedTensor>{{"0", b}, {"x", parameter({2})}};
  EXPECT_THROW(capture([&] { adam.add_param_group(taken); }), StateError);
  adam.set_lr(0);
  EXPECT_EQ(message_of<ConfigError>([&] {
              adam.add_param_group({std::vector{b}, {.lr = 0.5}});
            }),
            "[optimizer] expected a first group with lr above 0, got 0, and 0.5 in group 1: the rates of groups are in "
            "proportion to the first");
  EXPECT_EQ(adam.segments().size(), 1U);
  EXPECT_EQ(names_of(adam.state()).size(), 3U);
  adam.set_lr(0.1);
  adam.add_param_group(ParameterList(std::vector<nn::NamedTensor>{{"2.0", b}}));
  EXPECT_EQ(message_of<ConfigError>([&] {
              adam.add_param_group(ParameterList(std::vector<nn::NamedTensor>{{"0", parameter({1})}}));
            }),
            "[add_param_group] expected new names of parameters, got \"2.0\" again");
}

}  // namespace
}  // namespace hop::optim
