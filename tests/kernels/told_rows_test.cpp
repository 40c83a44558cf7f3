// Tiles of a product and updates tell a sanitizer whole rows (kernels/cpu/isa/told_rows.h). Here a matrix, or an array
// of an update, ends before its shape does.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "kernels/average_rules.h"
#include "kernels/copy.h"
#include "kernels/matmul.h"
#include "kernels/optimizer.h"
#include "kernels/update_rules.h"
#include "tensor/tensor.h"

namespace hop::kernels {
namespace {

// A contiguous tensor of that shape, of which only the first `numbers` values are there.
template <class T>
Tensor shortened(const Shape& shape, std::size_t numbers) {
  const auto values = std::make_shared<std::vector<T>>(numbers, T{1});
  const auto bytes = static_cast<std::size_t>(shape.numel()) * sizeof(T);
  return Tensor::view(Storage::borrow(values->data(), bytes, values), dtype_of<T>(), shape, contiguous_strides(shape));
}

Tensor matrix(std::int64_t rows, std::int64_t columns, std::size_t floats) {
  return shortened<float>({rows, columns}, floats);
}

/// The rule with the settings that make it keep all of its slots.
template <class Rule>
Rule with_all_slots(Rule rule) {
  if constexpr (requires { rule.momentum; }) rule.momentum = 0.9;
  if constexpr (requires { rule.centered; }) rule.centered = true;
  if constexpr (requires { rule.amsgrad; }) rule.amsgrad = true;
  return rule;
}

template <class... Rules>
std::vector<UpdateRule> all_rules(const std::variant<Rules...>*) {
  return {with_all_slots(Rules{})...};
}
const std::vector<UpdateRule> kRules = all_rules(static_cast<const UpdateRule*>(nullptr));

constexpr std::size_t kParameter = 0, kGradient = 1, kFirstSlot = 2, kNone = 99;

/// An update of 37 numbers: two vectors of floats and a tail. The array `shorter` is one number short.
template <class T>
void update_with(const UpdateRule& rule, std::size_t shorter) {
  const auto array = [&](std::size_t k) { return shortened<T>({37}, k == shorter ? 36 : 37); };
  std::vector<Tensor> slots;
  for (std::size_t k = 0; k < slots_of(rule).size(); ++k) slots.push_back(array(kFirstSlot + k));
  const UpdateState state{full({}, 0.1, DType::f64), full({}, 1, DType::i64)};
  update(rule, std::vector{UpdateSegment{array(kParameter), array(kGradient), slots}}, state);
}

template <class T>
void average_with(const AverageRule& rule, std::size_t shorter) {
  const auto array = [&](std::size_t k) { return shortened<T>({37}, k == shorter ? 36 : 37); };
  const UpdateState state{{}, full({}, 1, DType::i64)};
  update_averages(rule, std::vector{UpdateSegment{array(kParameter), array(kGradient)}}, state);
}

// A row that begins inside its block and ends behind it has no other name.
constexpr char kReport[] = "AddressSanitizer: (heap-buffer-overflow|unknown-crash)";

class ToldRows : public testing::Test {
 protected:
  void SetUp() override {
#if !defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "only AddressSanitizer sees it";
#endif
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

TEST(WholeRows, Pass) { EXPECT_EQ(matmul(matrix(9, 40, 360), matrix(40, 50, 2000)).data<float>()[449], 40); }

TEST_F(ToldRows, TheLeftMatrixIsTooShort) { EXPECT_DEATH(matmul(matrix(9, 40, 359), matrix(40, 50, 2000)), kReport); }

TEST_F(ToldRows, TheRightMatrixIsTooShort) { EXPECT_DEATH(matmul(matrix(9, 40, 360), matrix(40, 48, 1919)), kReport); }

TEST_F(ToldRows, TheResultIsTooShort) {
  EXPECT_DEATH(matmul(matrix(9, 40, 360), matrix(40, 50, 2000), matrix(9, 50, 449)), kReport);
}

TEST_F(ToldRows, TheLeftMatrixLiesColumnByColumn) {
  const Tensor turned = matrix(40, 9, 359).as_strided({9, 40}, {1, 9}, 0);
  EXPECT_DEATH(matmul(turned, matrix(40, 50, 2000)), kReport);
}

TEST(WholeArrays, Pass) {
  for (const UpdateRule& rule : kRules) {
    update_with<float>(rule, kNone);
    update_with<double>(rule, kNone);
  }
}

TEST_F(ToldRows, AParameterIsTooShort) {
  for (const UpdateRule& rule : kRules) {
    EXPECT_DEATH(update_with<float>(rule, kParameter), kReport) << "rule " << rule.index();
    EXPECT_DEATH(update_with<double>(rule, kParameter), kReport) << "rule " << rule.index();
  }
}

TEST_F(ToldRows, AGradientIsTooShort) {
  for (const UpdateRule& rule : kRules)
    EXPECT_DEATH(update_with<float>(rule, kGradient), kReport) << "rule " << rule.index();
}

TEST_F(ToldRows, ASlotIsTooShort) {
  std::size_t slots = 0;
  for (const UpdateRule& rule : kRules) {
    for (std::size_t k = 0; k < slots_of(rule).size(); ++k, ++slots)
      EXPECT_DEATH(update_with<float>(rule, kFirstSlot + k), kReport) << "rule " << rule.index() << ", slot " << k;
  }
  EXPECT_GT(slots, kRules.size());
}

TEST_F(ToldRows, AnAverageOrItsValueIsTooShort) {
  EXPECT_DEATH(average_with<float>(rules::EqualAverage{}, kParameter), kReport);
  EXPECT_DEATH(average_with<float>(rules::EqualAverage{}, kGradient), kReport);
  EXPECT_DEATH(average_with<double>(rules::ExponentialAverage{.decay = 0.9}, kParameter), kReport);
  EXPECT_DEATH(average_with<double>(rules::ExponentialAverage{.decay = 0.9}, kGradient), kReport);
}

}  // namespace
}  // namespace hop::kernels
