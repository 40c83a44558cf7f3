// Other learning rates for parts of a model.
#include "nn/optim/lr_factors.h"

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/optim/adam.h"
#include "nn/optim/lamb.h"
#include "nn/optim/lbfgs.h"
#include "nn/optim/rule_optimizer.h"
#include "tests/nn/support.h"

namespace hop::optim {
namespace {

using namespace nn::testing;

class Net final : public nn::Module {
 public:
  nn::Linear body = register_module("body", nn::Linear(3, 4)), body2 = register_module("body2", nn::Linear(4, 4)),
             head = register_module("head", nn::Linear(4, 2));
  Tensor forward(const Tensor& x) override { return head(tanh(body2(tanh(body(x))))); }
};

// Some steps of training, with the optimizer that `make` makes of the net.
std::string trained(const std::function<std::unique_ptr<Optimizer>(Net&)>& make) {
  Net net;
  nn::init_parameters(net, 1);
  const std::unique_ptr<Optimizer> optimizer = make(net);
  for (int step = 0; step < 4; ++step) {
    optimizer->zero_grad();
    backward(sum(square(net(ones({2, 3})))));
    optimizer->step();
  }
  std::string all;
  for (const Tensor& p : net.parameters()) all += bits(p);
  return all;
}

TEST(LrFactors, TrainAsGroupsOfParametersDo) {
  const AdamWOptions usual{.lr = 0.02}, of_body{.lr = 0.02 * 0.25}, of_head{.lr = 0.02 * 2};
  const auto by_text = trained([&](Net& net) {
    auto adamw = std::make_unique<AdamW>(net.named_parameters(), usual);
    scale_parts(*adamw, "body=0.25, head = 2");
    return adamw;
  });
  const auto by_groups = trained([&](Net& net) {
    using Group = AdamW::Group;
    return std::make_unique<AdamW>(std::vector<Group>{{net.body2.named_parameters(), usual},
                                                      {net.body.named_parameters(), of_body},
                                                      {net.head.named_parameters(), of_head}});
  });
  EXPECT_EQ(by_text, by_groups);
  EXPECT_NE(by_text, trained([&](Net& net) { return std::make_unique<AdamW>(net.named_parameters(), usual); }));
}

TEST(LrFactors, OfAnInnerPartHoldInPlaceOfTheOuterOne) {
  Net net;
  LAMB lamb(net.named_parameters());
  scale_parts(lamb, "body.bias=0,body=0.5");
  EXPECT_EQ(lamb.segment("body.weight").lr_scale, 0.5);
  EXPECT_EQ(lamb.segment("body.bias").lr_scale, 0);
  EXPECT_EQ(lamb.segment("body2.weight").lr_scale, 1);
}

TEST(LrFactors, SayWhatIsWrong) {
  Net net;
  AdamW adamw(net.named_parameters());
  for (const char* text : {"", "body", "body=", "body=-1", "body=nan", "body=1,", "=1", "body=1x", "body=inf"}) {
    EXPECT_EQ(message_of<ConfigError>([&] { scale_parts(adamw, text); }),
              "[lr_factors] expected parts of the model with factors of at least 0 and commas between, as in "
              "\"backbone=0.1, head=2\", got \"" +
                  std::string(text) + "\"");
  }
  EXPECT_EQ(message_of<ConfigError>([&] { scale_parts(adamw, "body=1,body=2"); }),
            "[lr_factors] expected one factor of each part, got two of \"body\"");
  EXPECT_THAT(message_of<ConfigError>([&] { scale_parts(adamw, "bod=0.1"); }),
              ::testing::HasSubstr("[lr_factors] expected a part of the model with parameters, got \"bod\""));
  EXPECT_EQ(adamw.segment("body.weight").lr_scale, 1) << "nothing was changed";
}

TEST(LrFactors, AreRefusedForAnOptimizerOfOneStep) {
  Net net;
  LBFGS lbfgs(net.named_parameters());
  EXPECT_EQ(message_of<ConfigError>([&] { scale_parts(lbfgs, "body=0.1"); }),
            "[lr_factors] expected an optimizer with a learning rate for each parameter, got LBFGS, which moves all of "
            "them by one step; leave the factors out, or write another optimizer, such as AdamW");
  EXPECT_EQ(lbfgs.segment("body.weight").lr_scale, 1);
}

}  // namespace
}  // namespace hop::optim
