// Every public function of hop:: and hop::kernels:: that takes tensors, given one that is undefined: an error that
// names the function, never a crash.
#include "autograd/checkpoint.h"
#include "tests/autograd/public_calls.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

const Tensor kX = ones({2, 3});

void expect_named(const Call& call) {
  for (const bool recording : {true, false}) {
    const GradModeGuard mode(recording);
    EXPECT_TRUE(throws<Error>([&] { call.run(Tensor()); }, "[" + call.op + "] expected a tensor, got an undefined one"))
        << call.op;
  }
}

TEST(UndefinedTensor, IsAnErrorOfEveryElementwiseOperationThatNamesIt) {
  int named = 0;
  for (const Call& call : elementwise_calls()) {
    if (call.op.find(" gradient") == std::string::npos) {
      expect_named(call);
      ++named;
      continue;
    }
    try {  // a rule that hands g on, or reads it alone, asks for no more
      call.run(Tensor());
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()), "[" + call.op + "] expected a tensor, got an undefined one");
    }
  }
  EXPECT_GT(named, 100);
}

TEST(UndefinedTensor, IsAnErrorOfEveryOtherOperationThatNamesIt) {
  for (const Call& call : structured_calls()) expect_named(call);
}

TEST(UndefinedTensor, IsAnErrorOfWhatAsksForItsData) {
  const Tensor u;
  const std::vector<std::function<void()>> questions = {[&] { u.shape(); },
                                                        [&] { u.strides(); },
                                                        [&] { u.size(0); },
                                                        [&] { u.dim(); },
                                                        [&] { u.numel(); },
                                                        [&] { u.dtype(); },
                                                        [&] { u.device(); },
                                                        [&] { u.storage(); },
                                                        [&] { u.storage_offset(); },
                                                        [&] { u.is_contiguous(); },
                                                        [&] { u.raw_data(); },
                                                        [&] { u.data<float>(); },
                                                        [&] { u.item<float>(); },
                                                        [&] { u.detach(); },
                                                        [&] { u.version(); },
                                                        [&] { u.bump_version(); },
                                                        [&] { u.requires_grad(); },
                                                        [&] { u.is_leaf(); },
                                                        [&] { u.grad(); },
                                                        [&] { u.zero_grad(); },
                                                        [&] { u.set_requires_grad(); },
                                                        [&] { u.set_grad(kX); },
                                                        [&] { u.as_strided({1}, {1}, 0); }};
  for (std::size_t i = 0; i < questions.size(); ++i)
    EXPECT_TRUE(throws<Error>(questions[i], "expected a tensor, got an undefined one")) << i;
  EXPECT_FALSE(u.defined());
  EXPECT_FALSE(u.is_unique());
  EXPECT_EQ(u.describe(), "undefined");
}

TEST(UndefinedTensor, IsAnErrorOfWhatWalksGraphs) {
  EXPECT_THROW(backward(Tensor()), Error);
  EXPECT_THROW(grad({Tensor()}, {kX}), Error);
  EXPECT_THROW(grad({sum(leaf({1}, {1}))}, {Tensor()}), Error);
  EXPECT_THROW(register_hook(Tensor(), [](const Tensor& g) { return g; }), Error);
  EXPECT_THROW(hop::checkpoint([](const Tensor& x) { return relu(x); }, Tensor()), Error);
}

}  // namespace
}  // namespace hop::autograd
