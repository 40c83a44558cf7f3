// Tensors as a source of rows.
#include "data/source.h"

#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(TensorSource, ReadsRowsAndLabels) {
  const auto source = tensor_source(Tensor::from<float>({1, 2, 3, 4, 5, 6}, {3, 1, 2}),
                                    Tensor::from<std::int64_t>({1, 0, 1}, {3}), 2, {"no", "yes"});
  EXPECT_EQ(source->rows(), 3);
  EXPECT_EQ(source->feature_shape(), (Shape{1, 2}));
  EXPECT_EQ(source->feature_dtype(), DType::f32);
  EXPECT_EQ(source->class_names(), (std::vector<std::string>{"no", "yes"}));
  std::vector<float> row(2);
  EXPECT_EQ(source->read(2, std::as_writable_bytes(std::span(row))), 1);
  EXPECT_THAT(row, ElementsAre(5, 6));
  EXPECT_EQ(source->read(1, std::as_writable_bytes(std::span(row))), 0);
  EXPECT_THAT(row, ElementsAre(3, 4));
}

TEST(TensorSource, SaysWhatDoesNotFit) {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor y = Tensor::from<std::int64_t>({1, 0, 1}, {3});
  EXPECT_THAT(message_of<ShapeError>([&] {
                tensor_source(x, Tensor::from<std::int64_t>({1, 0}, {2}), 2);
              }),
              HasSubstr("expected 3 contiguous labels"));
  EXPECT_THAT(message_of<DtypeError>([&] {
                tensor_source(x, Tensor::from<float>({1, 0, 1}, {3}), 2);
              }),
              HasSubstr("expected i64 labels"));
  EXPECT_THAT(message_of<DataError>([&] { tensor_source(x, y, 1); }), HasSubstr("labels below 1, got 1 (row 0)"));
  EXPECT_THAT(message_of<DataError>([&] { tensor_source(x, y, 2, {"one"}); }), HasSubstr("one name per class"));
  EXPECT_THROW(tensor_source(Tensor(), y, 2), ShapeError);
  EXPECT_THROW(tensor_source(x, Tensor(), 2), DtypeError);
  EXPECT_THROW(tensor_source(x.as_strided({2, 3}, {1, 2}, 0), Tensor::from<std::int64_t>({1, 0}, {2}), 2), ShapeError);
}

}  // namespace
}  // namespace hop::data
