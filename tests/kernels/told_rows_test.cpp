// Tiles of a product tell a sanitizer whole rows (kernels/cpu/isa/told_rows.h). Here a matrix ends before its shape
// does.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "kernels/matmul.h"
#include "tensor/tensor.h"

namespace hop::kernels {
namespace {

// f32 of that shape in `floats` values, rows side by side.
Tensor matrix(std::int64_t rows, std::int64_t columns, std::size_t floats) {
  const auto values = std::make_shared<std::vector<float>>(floats, 1.0F);
  const auto bytes = static_cast<std::size_t>(rows * columns) * sizeof(float);
  return Tensor::view(Storage::borrow(values->data(), bytes, values, Device::cpu()), DType::f32, {rows, columns},
                      {columns, 1});
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

}  // namespace
}  // namespace hop::kernels
