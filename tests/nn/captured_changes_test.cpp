// Changes around a captured step between two calls: the next call has the bits of an eager one.
#include <cctype>
#include <map>

#include "tests/nn/captured_world.h"

namespace hop::nn {
namespace {

using namespace testing;

using Change = std::function<void(World&, int call)>;

template <class F>
Change at(int when, F change) {
  return [=](World& w, int call) {
    if (call == when) change(w);
  };
}

const std::map<std::string, Change>& changes() {
  static const std::map<std::string, Change> all{
      {"nothing", [](World&, int) {}},
      {"gradients set to none once", at(4, [](World& w) { w.zero_to_none(); })},
      {"gradients set to none each time", [](World& w, int) { w.zero_to_none(); }},
      {"gradients set to none, the old ones kept", at(4,
                                                      [](World& w) {
                                                        for (const Tensor& p : w.net.parameters())
                                                          w.kept.push_back(p.grad());
                                                        w.zero_to_none();
                                                      })},
      {"one gradient set to none", at(4, [](World& w) { w.parameter(1).set_grad({}); })},
      {"a gradient of one's own", at(4, [](World& w) { w.parameter(1).set_grad(kernels::ones({8}, DType::f32)); })},
      {"zeroed outside",
       [](World& w, int call) {
         if (call % 2 == 0) w.net.zero_grad();
       }},
      {"scaled outside",
       [](World& w, int) {
         for (const Tensor& p : w.net.parameters()) {
           if (p.grad().defined()) mul_(p.grad(), 0.5);
         }
       }},
      {"looked at", [](World& w, int) { static_cast<void>(w.optimizer->gradients()); }},
      {"a block", at(4, [](World& w) { w.state = std::make_unique<StateBlock>(w.net, w.optimizer.get()); })},
      {"a block that is swapped",
       [](World& w, int call) {
         if (call == 3) w.state = std::make_unique<StateBlock>(w.net, w.optimizer.get());
         if (call < 4) return;
         const StateBytes other = w.state->make_bytes();
         std::copy_n(w.state->bytes().data(), other->size(), other->data());
         w.state->swap(other);
       }},
      {"another optimizer", at(4, [](World& w) { w.restart(0.01); })},
      {"another optimizer beside the old one", at(4,
                                                  [](World& w) {
                                                    static std::vector<std::unique_ptr<optim::Optimizer>> old;
                                                    old.push_back(std::move(w.optimizer));
                                                    w.restart(0.01);
                                                  })},
      {"another learning rate", [](World& w, int call) { w.optimizer->set_lr(0.1 / (1 + call)); }},
      {"a tensor assigned anew", at(4,
                                    [](World& w) {
                                      w.table = row({5, 6, 7});
                                    })},
      {"a tensor written", at(4,
                              [](World& w) {
                                kernels::copy_(w.table, row({5, 6, 7}));
                              })},
      {"evaluation", at(4, [](World& w) { w.net.eval(); })},
      {"evaluation and back", [](World& w, int call) { w.net.train(call / 3 % 2 == 0); }},
      {"evaluation of a part", at(4, [](World& w) { w.net.named_children()[1].module->eval(); })},
      {"a frozen parameter", at(4, [](World& w) { w.parameter(0).set_requires_grad(false); })},
      {"all frozen, then thawed", [](World& w, int call) { w.net.requires_grad_(call < 4 || call > 7); }},
      {"another key", at(4, [](World& w) { w.net.set_random_key(9); })},
      {"a step", [](World& w, int call) { w.net.set_step(static_cast<std::uint64_t>(call)); }},
      {"a source", at(4,
                      [](World& w) {
                        w.kept = {Tensor::from<std::int64_t>({4}, {1})};
                        w.net.set_random_source(w.kept[0], w.optimizer->step_tensor());
                      })},
      {"a hook of a module", at(4,
                                [](World& w) {
                                  w.net.named_children()[3].module->register_forward_hook(
                                      [](Module&, const Tensor&, const Tensor& y) { return y * 2; });
                                })},
      {"a hook of a module, removed",
       [](World& w, int call) {
         static std::uint64_t hook = 0;
         Module& relu = *w.net.named_children()[3].module;
         if (call == 0)
           hook = relu.register_forward_hook([](Module&, const Tensor&, const Tensor& y) { return y * 2; });
         if (call == 4) relu.remove_hook(hook);
       }},
      {"a hook of a gradient",
       at(4, [](World& w) { register_hook(w.parameter(0), [](const Tensor& g) { return g * 3; }); })},
      {"hooks of a gradient, one removed",
       [](World& w, int call) {
         static HookHandle hook;
         if (call == 0) hook = register_hook(w.parameter(0), [](const Tensor& g) { return g * 3; });
         if (call == 4) hook.remove();
       }},
      {"a scale", at(4, [](World& w) { w.optimizer->segments()[0].lr_scale = 0.5; })},
      {"a decay", at(4, [](World& w) { w.optimizer->segments()[0].weight_decay_scale = 0; })},
      {"a frozen row", [](World& w, int call) { w.optimizer->segments()[0].frozen = call > 3 && call < 8; }},
      {"a flag to stop", at(4,
                            [](World& w) {
                              w.flag = kernels::ones({}, DType::f64);
                              w.optimizer->stop_when(w.flag);
                            })},
      {"a layer more", at(4,
                          [](World& w) {
                            w.net.push_back(Linear(3, 3));
                            init_parameters(w.net, 8);
                            w.net.set_random_key(3);
                            w.restart(0.1);
                          })},
  };
  return all;
}

using Work = Tensor (World::*)(const Tensor&);

std::vector<std::string> play(Work work, bool captured, const Change& change) {
  World world;
  CapturedFunction f([&](std::span<const Tensor> in) { return std::vector{(world.*work)(in[0])}; });
  std::vector<std::string> seen;
  for (int call = 0; call < 12; ++call) {
    change(world, call);
    PhiloxStream random({.key = static_cast<std::uint64_t>(call)});
    const Tensor x = Tensor::empty({4, 6}, DType::f32);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = random.uniform() - 0.5F;
    const std::string loss = bits(captured ? f({x})[0] : (world.*work)(x));
    seen.push_back(loss + world.bits_of_all());
  }
  return seen;
}

class CapturedChange : public ::testing::TestWithParam<std::string> {};

TEST_P(CapturedChange, GivesTheBitsOfEagerCalls) {
  for (const Work work : {&World::step, &World::pass, &World::pass_and_step}) {
    const auto eager = play(work, false, changes().at(GetParam())),
               captured = play(work, true, changes().at(GetParam()));
    for (std::size_t call = 0; call < eager.size(); ++call) {
      ASSERT_TRUE(eager[call] == captured[call]) << "call " << call << " of "
                                                 << (work == &World::step   ? "step"
                                                     : work == &World::pass ? "pass"
                                                                            : "pass_and_step");
    }
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, change] : changes()) all.push_back(name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Between, CapturedChange, ::testing::ValuesIn(names()), [](const auto& test) {
  std::string name;
  for (const char c : test.param) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

}  // namespace
}  // namespace hop::nn
