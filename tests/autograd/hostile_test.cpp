// Every operation against inputs that no careful caller would pass: sizes of 0, sizes whose product passes 64 bits,
// positions and options far outside, tensors that overlap themselves or each other. The answer is a typed error or the
// right value, never a crash. Long because every operation is tried.
#include <limits>
#include <optional>

#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/random.h"
#include "kernels/view.h"
#include "tests/autograd/public_functions.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min(),
                       kMost = std::numeric_limits<std::int64_t>::max(), kHuge = std::int64_t{1} << 58;

struct Operation {
  std::string name;
  std::function<Tensor(const Tensor&)> run;
};

/// Operations y = f(x) that keep the shape.
std::vector<Operation> elementwise_operations() {
  std::vector<Operation> list;
#define HOP_UNARY(name, ...) list.push_back({#name, [](const Tensor& x) { return hop::name(x); }});
#define HOP_BINARY(name, ...)                                                         \
  list.push_back({#name " itself", [](const Tensor& x) { return hop::name(x, x); }}); \
  list.push_back({#name " number", [](const Tensor& x) { return hop::name(2, x); }});
#define HOP_TERNARY(name, ...) list.push_back({#name, [](const Tensor& x) { return hop::name(gt(x, 0), x, 1); }});
#define HOP_PREDICATE HOP_UNARY
#define HOP_COMPARE HOP_BINARY
#include "kernels/elementwise.def"
  return list;
}

std::vector<Operation> shape_keeping_operations() {
  std::vector<Operation> list = elementwise_operations();
  const std::vector<Operation> more = {
      {"clone", [](const Tensor& x) { return clone(x); }},
      {"to", [](const Tensor& x) { return to(x, DType::f64); }},
      {"softmax", [](const Tensor& x) { return softmax(x, 0); }},
      {"log_softmax", [](const Tensor& x) { return log_softmax(x); }},
      {"dropout", [](const Tensor& x) { return dropout(x, 0.5, {}); }},
      {"dropout of all", [](const Tensor& x) { return dropout(x, 1, {}); }},
      {"contiguous", [](const Tensor& x) { return contiguous(x) + 0; }},
      {"matmul",
       [](const Tensor& x) {
         return x.dim() == 2 ? matmul(x, ones({x.size(1), x.size(1)})) : x;
       }},
      {"layer_norm", [](const Tensor& x) { return layer_norm(x, {x.size(-1)}); }},
  };
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

/// True when f ends without an error or with one of the library's.
template <class F>
::testing::AssertionResult survives(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    if (std::string(e.what()).starts_with("[")) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "names no operation: " << e.what();
  } catch (const std::exception& e) {
    return ::testing::AssertionFailure() << "not an error of the library: " << e.what();
  }
  return ::testing::AssertionSuccess();
}

TEST(HostileInput, OfNoElementsKeepsItsShapeForwardAndBackward) {
  for (const Shape& shape : {Shape{0}, Shape{0, 3}, Shape{3, 0}, Shape{2, 0, 3}, Shape{0, 0, 0, 0}}) {
    for (const Operation& op : shape_keeping_operations()) {
      const bool needs_width = op.name == "layer_norm" && shape.back() == 0;
      const Tensor x = zeros(shape, {.requires_grad = true});
      EXPECT_TRUE(survives([&] {
        const Tensor y = op.run(x);
        EXPECT_EQ(y.shape(), shape) << op.name;
        if (!y.requires_grad()) return;
        backward(sum(y));
        EXPECT_EQ(x.grad().shape(), shape) << op.name;
      })) << op.name;
      if (needs_width) continue;
      EXPECT_NO_THROW(op.run(x.detach())) << op.name << " " << shape.to_string();
    }
  }
}

TEST(HostileInput, OfTooManyElementsIsAMemoryOrShapeError) {
  const Tensor x = expand(ones({1}), {kHuge});
  for (const Operation& op : elementwise_operations()) EXPECT_THROW(op.run(x), MemoryError) << op.name;
  EXPECT_THROW(clone(x), MemoryError);
  EXPECT_THROW(to(x, DType::f64), MemoryError);
  EXPECT_THROW(softmax(x), MemoryError);
  EXPECT_THROW(add(x, ones({2, 1})), ShapeError);  // 2^59 elements
  EXPECT_THROW(matmul(unsqueeze(x, 1), ones({1, 2})), ShapeError);
  EXPECT_THROW(matmul(unsqueeze(x, 1), ones({1, 1})), MemoryError);
  EXPECT_THROW(linear(unsqueeze(x, 1), ones({4, 1})), ShapeError);
  EXPECT_THROW(cat({x, x}), ShapeError);
  EXPECT_THROW(cat(std::vector<Tensor>(40, x)), ShapeError);
  EXPECT_THROW(stack({x, x}), ShapeError);
  EXPECT_THROW(index_select(expand(ones({1, 1}), {1, kHuge}), 0, zeros({4}, {.dtype = DType::i64})), ShapeError);
  EXPECT_THROW(embedding(expand(ones({1, 1}), {1, kHuge}), zeros({4}, {.dtype = DType::i64})), ShapeError);
  EXPECT_THROW(gather(ones({1}), 0, expand(zeros({1}, {.dtype = DType::i64}), {kHuge})), MemoryError);
}

TEST(HostileInput, OfSizesWhoseProductOverflowsIsATypedError) {
  const std::vector<Shape> shapes = {{kMost},
                                     {(std::int64_t{1} << 62) + 4},
                                     {(std::int64_t{1} << 62) - 1},
                                     {std::int64_t{1} << 62},
                                     {std::int64_t{1} << 32, std::int64_t{1} << 32},
                                     {3037000500, 3037000500},
                                     {0, std::int64_t{1} << 32, std::int64_t{1} << 32},
                                     {kMost, kMost, kMost, kMost},
                                     {-2},
                                     {2, kLeast}};
  for (const Shape& shape : shapes) {
    const std::string text = shape.to_string();
    EXPECT_THROW(zeros(shape), ShapeError) << text;
    EXPECT_THROW(ones(shape, {.dtype = DType::u8}), ShapeError) << text;
    EXPECT_THROW(full(shape, 3), ShapeError) << text;
    EXPECT_TRUE(survives([&] { expand(ones({1}), shape); })) << text;
    EXPECT_THROW(expand(ones(Shape{1}), shape) + 1, Error) << text;
    EXPECT_THROW(reshape(zeros({0}), shape), ShapeError) << text;
    EXPECT_THROW(reshape(zeros({4}), shape), ShapeError) << text;
    EXPECT_THROW(sum_to(ones({4}), shape), ShapeError) << text;
    EXPECT_THROW(layer_norm(ones({4}), shape), ShapeError) << text;
  }
  EXPECT_THROW(arange(kMost), ShapeError);
  EXPECT_THROW(arange(-1), ShapeError);
}

TEST(HostileInput, OfOptionsFarOutsideIsATypedError) {
  const Tensor image = ones({1, 1, 4, 4}), filter = ones({1, 1, 2, 2}), x = ones({3, 4});
  for (const std::int64_t far :
       {kLeast, kLeast + 1, std::int64_t{-1}, std::int64_t{0}, std::int64_t{7}, kHuge, kMost}) {
    const std::vector<std::function<void()>> runs = {
        [&] {
          conv2d(image, filter, {}, {.stride = {far, 1}});
        },
        [&] {
          conv2d(image, filter, {}, {.padding = {1, far}});
        },
        [&] {
          conv2d(image, filter, {}, {.padding = {far, far}, .dilation = {far, far}});
        },
        [&] {
          conv2d(image, filter, {}, {.dilation = {far, 1}});
        },
        [&] { conv2d(image, filter, {}, {.groups = far}); },
        [&] {
          max_pool2d(image, {.kernel = {far, 2}});
        },
        [&] {
          max_pool2d(image, {.stride = {2, far}});
        },
        [&] {
          max_pool2d(image, {.kernel = {far, far}, .padding = {far / 2, far / 2}});
        },
        [&] {
          avg_pool2d(image, {.padding = {far, 0}});
        },
        [&] {
          avg_pool2d(image, {.kernel = {far, far}, .stride = {far, far}});
        },
        [&] { slice(x, 0, far); },
        [&] { slice(x, 0, 0, far); },
        [&] { slice(x, 1, far, far, 2); },
        [&] { slice(x, 1, 0, kMost, far); },
        [&] { slice(slice(x, 1, 0, kMost, far), 1, 0, kMost, far); },
        [&] { select(x, 0, far); },
        [&] { var(x, {}, far); },
        [&] { var(x, {0}, far); },
        [&] {
          x.as_strided({2, 2}, {far, 1}, 0);
        },
        [&] {
          x.as_strided({2, 2}, {1, 1}, far);
        },
        [&] { x.as_strided({far}, {1}, 0); },
        [&] { x.as_strided({far}, {0}, 0); },
        [&] {
          x.as_strided({3, far}, {far, far}, far);
        },
        [&] { x.as_strided({1}, {far}, 0); },
    };
    for (std::size_t i = 0; i < runs.size(); ++i) EXPECT_TRUE(survives(runs[i])) << "call " << i << " with " << far;
  }
  // Extreme bounds that are allowed select the right values.
  EXPECT_EQ(values(slice(x, 1, 0, kMost, kMost)), (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(values(slice(arange(4), 0, kLeast, kMost)), (std::vector<double>{0, 1, 2, 3}));
  EXPECT_EQ(slice(x, 0, kMost, kLeast).shape(), (Shape{0, 4}));
  EXPECT_THROW(x.as_strided({(std::int64_t{1} << 62) + 1}, {4}, 0), ShapeError);
}

TEST(HostileInput, OfDimensionsOutsideIsAnIndexError) {
  const Tensor x = ones({3, 4}), index = zeros({1, 4}, {.dtype = DType::i64}), row = zeros({2}, {.dtype = DType::i64});
  for (const std::int64_t dim : {kLeast, std::int64_t{-9}, std::int64_t{9}, std::int64_t{1} << 32, kMost}) {
    const std::vector<std::function<void()>> runs = {[&] { sum(x, {dim}); },
                                                     [&] { mean(x, {dim}); },
                                                     [&] { max(x, {dim}); },
                                                     [&] { var(x, {dim}); },
                                                     [&] { argmax(x, dim); },
                                                     [&] { softmax(x, dim); },
                                                     [&] { log_softmax(x, dim); },
                                                     [&] { transpose(x, 0, dim); },
                                                     [&] {
                                                       permute(x, {dim, 0});
                                                     },
                                                     [&] { slice(x, dim, 0); },
                                                     [&] { select(x, dim, 0); },
                                                     [&] { squeeze(x, dim); },
                                                     [&] { unsqueeze(x, dim); },
                                                     [&] { flatten(x, dim); },
                                                     [&] { flatten(x, 0, dim); },
                                                     [&] {
                                                       cat({x, x}, dim);
                                                     },
                                                     [&] {
                                                       stack({x, x}, dim);
                                                     },
                                                     [&] { gather(x, dim, index); },
                                                     [&] { index_select(x, dim, row); },
                                                     [&] { x.size(dim); }};
    for (std::size_t i = 0; i < runs.size(); ++i) EXPECT_THROW(runs[i](), IndexError) << "call " << i << ": " << dim;
  }
}

TEST(HostileInput, OfPositionsOutsideIsAnIndexErrorThatNamesTheOperation) {
  const Tensor x = ones({3, 4});
  for (const std::int64_t at : {kLeast, std::int64_t{-1}, std::int64_t{4}, kMost}) {
    const Tensor row = Tensor::from<std::int64_t>({0, 1, at}, {3});
    EXPECT_TRUE(throws<IndexError>([&] { index_select(x, 0, row); }, "[index_select]"));
    EXPECT_TRUE(throws<IndexError>([&] { embedding(x, row); }, "[embedding]"));
    EXPECT_TRUE(throws<IndexError>([&] { gather(x, 1, unsqueeze(row, 1)); }, "[gather]"));
    EXPECT_TRUE(throws<IndexError>([&] { cross_entropy(x, row); }, "[cross_entropy]"));
    EXPECT_TRUE(throws<IndexError>([&] { nll_loss(x, row); }, "[nll_loss]"));
  }
  EXPECT_TRUE(throws<IndexError>([&] { embedding(zeros({0, 2}), zeros({1}, {.dtype = DType::i64})); }, "[embedding]"));
}

TEST(HostileInput, OfPositionsOutsideIsAnIndexErrorThatNamesTheComposedOperation) {
  const Tensor x = ones({3, 4}), ones_of_a_class = ones({4});
  for (const std::int64_t at : {kLeast, std::int64_t{-1}, std::int64_t{4}, kMost}) {
    const Tensor row = Tensor::from<std::int64_t>({0, 1, at}, {3}), column = unsqueeze(row, 1);
    const std::vector<Operation> list = {
        {"nll_loss", [&](const Tensor& y) { return nll_loss(y, row, {.weight = ones_of_a_class}); }},
        {"nll_loss", [&](const Tensor& y) { return nll_loss(y, row, {.ignore_index = 0}); }},
        {"cross_entropy", [&](const Tensor& y) { return cross_entropy(y, row, {.weight = ones_of_a_class}); }},
        {"cross_entropy", [&](const Tensor& y) { return cross_entropy(y, row, {.label_smoothing = 0.5}); }},
        {"multi_margin_loss", [&](const Tensor& y) { return multi_margin_loss(y, row); }},
        {"scatter", [&](const Tensor& y) { return scatter(y, 1, column, 2); }},
        {"scatter", [&](const Tensor& y) { return scatter(y, 1, column, y); }},
        {"scatter_add", [&](const Tensor& y) { return scatter_add(y, 1, column, y); }},
        {"index_add", [&](const Tensor& y) { return index_add(y, 0, row, y); }},
        {"index_copy", [&](const Tensor& y) { return index_copy(y, 0, row, y); }},
        {"index_fill", [&](const Tensor& y) { return index_fill(y, 0, row, 2); }},
        {"one_hot", [&](const Tensor&) { return one_hot(row, 4); }},
        {"max_unpool1d",
         [&](const Tensor&) {
           return max_unpool1d(ones({1, 1, 3}), reshape(row, {1, 1, 3}), {.kernel = 1});
         }},
        {"max_unpool2d",
         [&](const Tensor&) {
           return max_unpool2d(ones({1, 1, 1, 3}), reshape(row, {1, 1, 1, 3}), {.kernel = {1, 1}});
         }},
        {"max_unpool3d",
         [&](const Tensor&) {
           const PoolWindow one{.kernel = 1};
           return max_unpool3d(ones({1, 1, 1, 1, 3}), reshape(row, {1, 1, 1, 1, 3}), {one, one, one});
         }},
    };
    for (const Operation& op : list) EXPECT_TRUE(throws<IndexError>([&] { op.run(x); }, "[" + op.name + "]")) << at;
    if (at == -1) continue;  // counts from the back, or ends the labels
    EXPECT_TRUE(throws<IndexError>([&] { capture([&] { index(x, row); }); }, "[index]"));
    if (at < 0) continue;
    const Tensor labels = expand(column, {3, 4});
    EXPECT_TRUE(throws<IndexError>([&] { multilabel_margin_loss(x, labels); }, "[multilabel_margin_loss]"));
  }
}

TEST(HostileInput, OfANegativeLabelIsAnIndexErrorThatNamesIt) {
  const auto one_hot_of = [](std::int64_t label) { one_hot(Tensor::from<std::int64_t>({label}, {1})); };
  EXPECT_TRUE(throws<IndexError>([&] { one_hot_of(-1); }, "[one_hot] expected labels of at least 0, got -1"));
  EXPECT_TRUE(throws<IndexError>([&] { one_hot_of(kLeast); }, "got " + std::to_string(kLeast)));
  EXPECT_TRUE(throws<IndexError>(
      [] {
        one_hot(Tensor::from<std::int64_t>({2, -1}, {2}));
      },
      "[one_hot] expected indices in 0..2, got -1"));
  EXPECT_TRUE(throws<ConfigError>([] { one_hot(zeros({1}, {.dtype = DType::i64}), 0); }, "num_classes of at least 1"));
}

TEST(HostileInput, OfTooManyPiecesIsAShapeErrorThatNamesTheirNumber) {
  constexpr std::int64_t kMany = std::int64_t{1} << 40;
  const Tensor x = zeros({0, kMany}), none = zeros({0});
  const std::string got = "expected at most 16777216 pieces, got 1099511627776";
  EXPECT_TRUE(throws<ShapeError>([&] { split(x, 1, 1); }, "[split] " + got));
  EXPECT_TRUE(throws<ShapeError>([&] { unbind(x, 1); }, "[unbind] " + got));
  EXPECT_TRUE(throws<ShapeError>([&] { chunk(x, kMany, 1); }, "[chunk] " + got));
  EXPECT_TRUE(throws<ShapeError>([&] { chunk(none, kMany); }, "[chunk] " + got));
  EXPECT_TRUE(throws<ShapeError>([&] { chunk(none, kMost); }, "got " + std::to_string(kMost)));
  EXPECT_EQ(split(x, kMany / 2 + 1, 1).size(), 2U);
  EXPECT_EQ(split(x, kMost, 1).size(), 1U);
  EXPECT_EQ(chunk(x, 3, 1).size(), 3U);
  EXPECT_EQ(chunk(none, 3).size(), 3U);
  EXPECT_EQ(chunk(ones({2}), kMost).size(), 2U);
  EXPECT_EQ(unbind(x, 0).size(), 0U);
}

struct Write {
  std::string name;
  std::function<void(const Tensor& y, const Tensor& x)> run;
  std::optional<double> one_number = {};  ///< that is written everywhere, without a look at y or x
};

const std::vector<Write>& writes() {
  static const std::vector<Write> kWrites = {
      {"copy_", [](const Tensor& y, const Tensor& x) { copy_(y, x); }},
      {"add_", [](const Tensor& y, const Tensor& x) { add_(y, x); }},
      {"add_ with a factor", [](const Tensor& y, const Tensor& x) { add_(y, x, -2); }},
      {"mul_", [](const Tensor& y, const Tensor& x) { mul_(y, x); }},
      {"lerp_", [](const Tensor& y, const Tensor& x) { lerp_(y, x, 0.25); }},
      {"lerp_ behind the middle", [](const Tensor& y, const Tensor& x) { lerp_(y, x, 0.75); }},
      {"sub_", [](const Tensor& y, const Tensor& x) { sub_(y, x); }},
      {"sub_ with a factor", [](const Tensor& y, const Tensor& x) { sub_(y, x, 3); }},
      {"div_", [](const Tensor& y, const Tensor& x) { div_(y, x); }},
      {"index_put_ of all", [](const Tensor& y, const Tensor& x) { index_put_(y, Ellipsis, x); }},
      {"index_put_ of a sum", [](const Tensor& y, const Tensor& x) { index_put_(y, Ellipsis, x, true); }},
      {"index_put_ at positions",
       [](const Tensor& y, const Tensor& x) { index_put_(y, flip(arange(y.size(0)), {0}), x); }},
      {"index_put_ of a sum at positions",
       [](const Tensor& y, const Tensor& x) { index_put_(y, zeros({y.size(0)}, DType::i64), x, true); }},
      {"zero_", [](const Tensor& y, const Tensor&) { zero_(y); }, 0},
      {"fill_", [](const Tensor& y, const Tensor&) { fill_(y, 5); }, 5},
      {"sub_ of a number", [](const Tensor& y, const Tensor&) { sub_(y, 3); }},
      {"div_ by a number", [](const Tensor& y, const Tensor&) { div_(y, 3); }},
      {"index_put_ of a number", [](const Tensor& y, const Tensor&) { index_put_(y, Ellipsis, 3); }},
      {"index_put_ of a number at positions",
       [](const Tensor& y, const Tensor&) { index_put_(y, zeros({1}, DType::i64), 3); }},
      {"embedding_renorm_",
       [](const Tensor& y, const Tensor&) {
         embedding_renorm_(y.dim() == 2 ? y : unsqueeze(y, 1), zeros({1}, DType::i64), 0.5);
       }},
      {"add_ of a number", [](const Tensor& y, const Tensor&) { add_(y, 3); }},
      {"mul_ by a number", [](const Tensor& y, const Tensor&) { mul_(y, 3); }},
  };
  return kWrites;
}

/// Two views of one buffer of 12 values, for each way in which they can meet.
std::vector<std::pair<Tensor, Tensor>> views_of(const Tensor& buffer) {
  const auto view = [&](const Shape& shape, const Strides& strides, std::int64_t offset) {
    return buffer.as_strided(shape, strides, offset);
  };
  return {{view({6}, {1}, 0), view({6}, {1}, 0)},
          {view({6}, {1}, 0), view({6}, {1}, 3)},
          {view({6}, {1}, 3), view({6}, {1}, 0)},
          {view({6}, {2}, 0), view({6}, {2}, 1)},
          {view({3, 3}, {3, 1}, 0), view({3, 3}, {1, 3}, 0)},
          {view({3, 3}, {1, 3}, 0), view({3, 3}, {3, 1}, 0)},
          {view({3, 3}, {3, 1}, 0), view({3}, {1}, 3)},
          {view({3, 3}, {3, 1}, 0), view({3, 1}, {3, 1}, 1)},
          {view({3, 3}, {3, 1}, 0), view({}, {}, 4)},
          {view({2, 3}, {6, 2}, 0), view({2, 3}, {0, 1}, 2)}};
}

TEST(HostileInput, ThatOverlapsWhatIsWrittenCountsAsItWasBefore) {
  const auto fresh = [] { return arange(12, DType::f64) + 1; };
  for (std::size_t i = 0; i < views_of(fresh()).size(); ++i) {
    for (const Write& write : writes()) {
      const auto [y, x] = views_of(fresh())[i];
      const Tensor expected = clone(y);
      write.run(expected, clone(x));
      write.run(y, x);
      EXPECT_EQ(values(y), values(expected)) << write.name << ", pair " << i;
    }
  }
}

TEST(HostileInput, PositionsThatAreWrittenCountAsTheyWereBefore) {
  const auto fresh = [] { return Tensor::from<std::int64_t>({2, 0, 1, 5, 4, 3}, {6}); };
  for (const bool whole : {true, false}) {
    const Tensor y = fresh(), before = fresh();
    const auto at = [&](const Tensor& x) { return whole ? x : slice(x, 0, 0, 3); };
    const Tensor expected = index_put(before, at(before), at(before) * 10);
    index_put_(y, at(y), at(y) * 10);
    EXPECT_EQ(values(y), values(expected));
    const Tensor z = fresh();
    index_put_(z, at(z), at(z));
    EXPECT_EQ(values(z), values(index_put(before, at(before), at(before))));
  }
}

TEST(HostileInput, OfWritesIsTriedForEveryFunctionThatWrites) {
  std::set<std::string> tried, missing;
  for (const Write& write : writes()) tried.insert(write.name.substr(0, write.name.find(' ')));
  for (const std::string& name : public_functions()) {
    if (name.ends_with("_") && !tried.contains(name)) missing.insert(name);
  }
  EXPECT_EQ(missing, std::set<std::string>());
  EXPECT_GE(tried.size(), 10U);
}

TEST(HostileInput, ThatRepeatsElementsCannotBeWritten) {
  const Tensor one = ones({1}), buffer = ones({6});
  for (const Tensor& y : {expand(one, {3}), buffer.as_strided({3, 3}, {1, 1}, 0), expand(ones({2, 1}), {2, 3})}) {
    for (const Write& write : writes()) {
      if (write.one_number) {  // the same in every repetition
        write.run(y, {});
        for (const double value : values(y)) EXPECT_EQ(value, *write.one_number) << write.name << " " << y.describe();
        continue;
      }
      EXPECT_THROW(write.run(y, ones(y.shape())), ShapeError) << write.name << " " << y.describe();
    }
    EXPECT_THROW(kernels::uniform_(y, 0, 1, {}), ShapeError);
    EXPECT_THROW(kernels::normal_(y, 0, 1, {}), ShapeError);
  }
}

}  // namespace
}  // namespace hop::autograd
