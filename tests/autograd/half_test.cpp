// Tensors of bf16 and f16 in every public function: it takes them, or says how to convert. Dtypes of gradients.
#include <algorithm>
#include <set>
#include <sstream>

#include "tests/autograd/public_calls.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

/// Operands for the functions of public_calls.h: of each, one shape fits.
std::vector<Tensor> operands(DType dtype) {
  std::vector<Tensor> list;
  for (const Shape& shape : {Shape{2, 3}, Shape{3}, Shape{1, 1, 4, 4}, Shape{1, 1, 2, 2}, Shape{}, Shape{2},
                             Shape{3, 2}, Shape{2, 2, 2}, Shape{3, 3}, Shape{2, 4}}) {
    list.push_back(kernels::full(shape, 0.5, dtype));
  }
  return list;
}

struct Answer {
  bool takes_f32 = false, takes_half = false;
  bool is_refused = false;  // by a DtypeError: another operand is f32 and must not be, or
  bool says_how = false;    // to convert
};

Answer answer_of(const Call& call, DType dtype) {
  Answer answer;
  for (const Tensor& x : operands(DType::f32)) {
    try {
      call.run(x);
      answer.takes_f32 = true;
    } catch (const Error&) {  // another shape or dtype is asked for
    }
  }
  for (const Tensor& x : operands(dtype)) {
    try {
      call.run(x);
      answer.takes_half = true;
    } catch (const DtypeError& e) {
      answer.is_refused = true;
      const bool says_how = std::string(e.what()).find("convert first: to(x, DType::f32)") != std::string::npos;
      answer.says_how = answer.says_how || says_how;
    } catch (const Error&) {
    }
  }
  return answer;
}

TEST(HalfOperand, IsTakenByEveryElementwiseOperation) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    for (const Call& call : elementwise_calls()) {
      const Answer answer = answer_of(call, dtype);
      EXPECT_EQ(answer.takes_half, answer.takes_f32) << call.op;
    }
  }
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

TEST(HalfOperand, IsTakenByEveryOtherOperation) {
  std::set<std::string> taken, refused;
  for (const DType dtype : {DType::bf16, DType::f16}) {
    for (const Call& call : structured_calls()) {
      const Answer answer = answer_of(call, dtype);
      if (!answer.takes_f32) continue;  // it wants an integer or a bool there
      EXPECT_TRUE(answer.takes_half || answer.is_refused) << call.op;
      if (answer.takes_half) taken.insert(call.op);
      if (!answer.takes_half && answer.says_how) refused.insert(call.op);
    }
  }
  EXPECT_EQ(joined(refused), "") << "have no place in bf16 and f16";
  EXPECT_GT(taken.size(), 60U);
}

TEST(HalfOperand, IsTakenByAllProducts) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const Tensor m = kernels::full({3, 3}, 0.5, dtype), v = kernels::full({3}, 2, dtype),
                 batch = kernels::full({2, 3, 3}, 1, dtype);
    const std::vector<std::pair<Tensor, std::vector<double>>> cases = {
        {mm(m, m), std::vector<double>(9, 0.75)},
        {mv(m, v), std::vector<double>(3, 3)},
        {dot(v, v), {12}},
        {outer(v, v), std::vector<double>(9, 4)},
        {bmm(batch, batch), std::vector<double>(18, 3)},
        {addmm(m, m, m), std::vector<double>(9, 1.25)},
        {baddbmm(m, batch, batch), std::vector<double>(18, 3.5)},
        {einsum("ij,j->i", {m, v}), std::vector<double>(3, 3)}};
    for (std::size_t i = 0; i < cases.size(); ++i) {
      EXPECT_EQ(cases[i].first.dtype(), dtype) << i;
      EXPECT_EQ(values(cases[i].first), cases[i].second) << i;
    }
  }
}

TEST(HalfGradient, HasTheDtypeOfItsLeaf) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const Tensor x = kernels::full({4, 3}, 0.5, dtype), w = kernels::full({2, 3}, 2, dtype),
                 bias = kernels::full({2}, 1, dtype), scale = full({2}, 3);
    for (const Tensor& leaf : {x, w, bias, scale}) leaf.set_requires_grad();
    const Tensor y = linear(x, w, bias);
    EXPECT_EQ(y.dtype(), dtype);
    const Tensor loss = sum(relu(y) * scale);
    EXPECT_EQ(loss.dtype(), DType::f32);
    backward(loss);
    EXPECT_EQ(x.grad().dtype(), dtype);
    EXPECT_EQ(w.grad().dtype(), dtype);
    EXPECT_EQ(bias.grad().dtype(), dtype);
    EXPECT_EQ(scale.grad().dtype(), DType::f32);
    EXPECT_EQ(values(x.grad()), std::vector<double>(12, 12));
    EXPECT_EQ(values(w.grad()), std::vector<double>(6, 6));
    EXPECT_EQ(values(bias.grad()), std::vector<double>(2, 12));
    EXPECT_EQ(values(scale.grad()), std::vector<double>(2, 16));
    backward(sum(relu(linear(x, w, bias)) * scale));  // adds up in the leaf's dtype
    EXPECT_EQ(values(x.grad()), std::vector<double>(12, 24));
    EXPECT_EQ(x.grad().dtype(), dtype);
  }
}

TEST(HalfGradient, PassesThroughConversionsMovesAndReductions) {
  const Tensor x = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor half = to(x, DType::bf16), index = Tensor::from<std::int64_t>({1, 1}, {2});
  backward(to(mean(index_select(transpose(half, 0, 1), 0, index)), DType::f64) * 4.0);
  EXPECT_EQ(x.grad().dtype(), DType::f64);
  EXPECT_EQ(values(x.grad()), (std::vector<double>{0, 2, 0, 0, 2, 0}));
}

TEST(HalfGradient, CanBeDifferentiatedAgain) {
  const Tensor x = kernels::full({3}, 2, DType::bf16);
  x.set_requires_grad();
  const Tensor g = grad({sum(x * x * x)}, {x}, {.create_graph = true})[0];
  EXPECT_EQ(values(g), std::vector<double>(3, 12));
  EXPECT_EQ(values(grad({sum(g)}, {x})[0]), std::vector<double>(3, 12));
}

TEST(HalfText, IsPyTorchs) {
  std::ostringstream text;
  text << kernels::full({2}, 1.1, DType::bf16) << kernels::full({1}, 2, DType::f16);
  EXPECT_EQ(text.str(), "tensor([1.1016, 1.1016], dtype=torch.bfloat16)tensor([2.], dtype=torch.float16)");
}

}  // namespace
}  // namespace hop::autograd
