// Every primitive of oneDNN that we use, in the formats that we ask for, between guard bytes: nothing is written
// outside of its buffers and its scratchpad, nothing depends on what lies there, and the values are right (f64 loops of
// ours). Random shapes; HOP_ONEDNN_SHAPES=5000 in the environment tries more of them than the few hundred of a plain
// run.
// Long because each primitive has its own way to be called, and all of them share the guards.
//
// clang-format off
// Faults of oneDNN 2.6.3 that are known in public and lie near our calls (uxlfoundation/oneDNN, issue or commit), and
// what keeps them away: a test [T] below or its random shapes, a guard of ours [G], or why they cannot be met [N].
//   #6035       [T,G] 1x1, strided, channels last, fewer channels than a block: the weight gradient overruns its
//                     scratchpad. overruns_with_nhwc() chooses another format.
//   540d3dcd0b  [T]   AVX2, one input channel: channels last is taken for planes (the same bytes), so another kernel runs.
//   0648a3589f  [G]   AVX2, 1x1, blocks of channels: offsets in the code beyond 2 GiB, from 16 million pixels on.
//                     images_for_onednn() refuses such images for 1x1; conv2d_in_doubles() takes them.
//   b552ce7c6f  [G]   AVX2, 1x1: offsets in the code beyond 2 GiB into a weight of that size. images_for_onednn().
//   3a71229914  [G]   AVX2: 32-bit offsets inside an image. images_for_onednn().
//   c07fe05d9c, 317e45e138
//               [G]   AVX2 and AVX-512: 32-bit sizes of whole batches. conv2d_in_parts() cuts a batch at 2 GiB.
//   aa9426c2b3  [T]   reorder into blocks with a rest, on several threads: wrong values.
//   dde1626d7c  [T]   reorder between two block sizes (in 2.6.1 already).
//   c67bd97789  [G]   reorders that are made on several threads at once: a race. make_alone().
//   af9c118811  [N]   a product without copies reads, and does not use, up to 192 bytes behind its workspace, 40 KB of
//                     the heap: a fault only if the heap ended there.
//   b3ebff028c  [N]   sgemm: a 32-bit product of the number of threads and 378, so from 5 million threads on.
//   #1486       [N]   sgemm on AVX2: equal columns give sums that differ in their last bits. Within the tolerance of f32;
//                     the bits of a product still depend on its shape and values alone.
//   14a472515e  [T]   matmul in bf16, k cut over threads, a rest of columns: overruns its buffer.
//   25837c06de  [T]   depthwise weight gradient: too many channels at once (in 2.6 already).
//   ccf3439bd1  [G]   reorder of more than 2^31 elements: 32-bit strides. Those of images: images_for_onednn(); those of
//                     the factors of bf16 products: is_worth_rounding().
//   #5942       [T]   channels last, windows that see padding alone: a crash in later versions, none in 2.6.3.
// clang-format on
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/cpu/conv_internal.h"
#include "kernels/cpu/onednn_internal.h"
#include "kernels/cpu/product_internal.h"
#include "kernels/precision.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;
using Call = onednn::Step::Call;

constexpr std::size_t kGuard = std::size_t{1} << 16;  // bytes on each side: the known overruns reach 53,248
constexpr auto kPattern = std::byte{0xFF};            // floats of these bytes are NaN, so a read of them shows

/// A copy of `size` bytes between two guards.
class Guarded {
 public:
  explicit Guarded(std::size_t size) : bytes_(size + 2 * kGuard + 64, kPattern), size_(size) {
    const auto at = reinterpret_cast<std::uintptr_t>(bytes_.data()) + kGuard;
    offset_ = kGuard + (64 - at % 64) % 64;  // as our allocator's
  }
  std::byte* data() { return bytes_.data() + offset_; }
  bool is_intact() const {
    const auto is_pattern = [](std::byte b) { return b == kPattern; };
    const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(offset_);
    return std::all_of(bytes_.begin(), begin, is_pattern) &&
           std::all_of(begin + static_cast<std::ptrdiff_t>(size_), bytes_.end(), is_pattern);
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t size_, offset_;
};

/// While it lives, every primitive of this thread runs on guarded copies of its buffers.
class Guards {
 public:
  Guards() { onednn::watch = &watch_; }
  ~Guards() { onednn::watch = nullptr; }
  Guards(const Guards&) = delete;
  Guards& operator=(const Guards&) = delete;
  int calls() const { return calls_; }

 private:
  void execute(const Call& call) {
    Call own = call.copy();
    std::vector<Guarded> buffers;
    for (dnnl::memory& memory : own.memory) {
      const std::size_t size = memory.get_desc().get_size();
      buffers.emplace_back(size);
      const bool is_scratchpad = &memory == &own.memory.back() && own.arguments.back().arg == DNNL_ARG_SCRATCHPAD;
      if (!is_scratchpad) std::memcpy(buffers.back().data(), memory.get_data_handle(), size);
      memory.set_data_handle(buffers.back().data());
    }
    own.execute();
    ++calls_;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      EXPECT_TRUE(buffers[i].is_intact()) << "argument " << own.arguments[i].arg << " was overrun";
      std::memcpy(call.memory[i].get_data_handle(), buffers[i].data(), call.memory[i].get_desc().get_size());
    }
  }

  int calls_ = 0;
  const onednn::Watch watch_ = [this](const Call& call) { execute(call); };
};

/// Random whole numbers, the same in every run.
class Dice {
 public:
  explicit Dice(std::string_view purpose) : stream_({.key = hash64(7, purpose), .step = 0, .draw = 0}) {}
  /// low .. high
  std::int64_t roll(std::int64_t low, std::int64_t high) {
    const auto faces = static_cast<double>(high - low + 1);
    return low + std::min(high - low, static_cast<std::int64_t>(static_cast<double>(stream_.uniform()) * faces));
  }
  template <class T>
  T one_of(std::initializer_list<T> list) {
    return *(list.begin() + roll(0, static_cast<std::int64_t>(list.size()) - 1));
  }

 private:
  PhiloxStream stream_;
};

int shapes(int few) {
  const char* wish = std::getenv("HOP_ONEDNN_SHAPES");
  return wish == nullptr ? few : std::atoi(wish);
}

struct Case {
  Shape x, weight;
  Conv2dOptions options;
  bool x_last, g_last;  // as channels lie
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  const auto& o = c.options;
  return out << c.x.to_string() << " * " << c.weight.to_string() << " stride " << o.stride[0] << ' ' << o.stride[1]
             << " padding " << o.padding[0] << ' ' << o.padding[1] << " dilation " << o.dilation[0] << ' '
             << o.dilation[1] << " groups " << o.groups << " last " << c.x_last << c.g_last;
}

/// Any convolution that conv2d takes; images up to 40 x 40.
Case any_case(Dice& dice) {
  for (;;) {
    Case c;
    const std::int64_t groups = dice.one_of<std::int64_t>({1, 1, 1, 2, 3, 8, 24});
    const std::int64_t in = groups >= 8 ? 1 : dice.one_of<std::int64_t>({1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 24, 32, 33});
    const std::int64_t out = groups >= 8 ? 1 : dice.one_of<std::int64_t>({1, 3, 7, 8, 9, 16, 17, 20, 32, 40});
    const std::int64_t r = dice.roll(1, 5), s = dice.one_of<std::int64_t>({r, r, dice.roll(1, 7)});
    c.x = {dice.roll(1, 3), in * groups, dice.roll(1, 40), dice.roll(1, 40)};
    c.weight = {out * groups, in, r, s};
    const std::int64_t stride = dice.roll(1, 3), padding = dice.roll(0, 2), dilation = dice.one_of({1, 1, 1, 2, 3});
    c.options = {{stride, dice.one_of({stride, stride, dice.roll(1, 4)})},
                 {padding, dice.one_of({padding, padding, dice.roll(0, 3)})},
                 {dilation, dilation},
                 groups};
    c.x_last = dice.roll(0, 1) == 1, c.g_last = dice.roll(0, 1) == 1;
    const auto fits = [&](std::size_t d) {
      const auto i = static_cast<int>(2 + d);
      return c.x[i] + 2 * c.options.padding[d] >= c.options.dilation[d] * (c.weight[i] - 1) + 1;
    };
    const std::int64_t work = c.x.numel() * c.weight.numel() / groups;
    if (fits(0) && fits(1) && work < (std::int64_t{1} << 24)) return c;
  }
}

/// The kind that overruns with channels last: the shortcut of a narrow residual net.
Case strided_1x1(Dice& dice) {
  Case c;
  c.x = {dice.one_of<std::int64_t>({1, 4, 8}), dice.roll(1, 17), dice.one_of<std::int64_t>({9, 16, 32, 33}),
         dice.one_of<std::int64_t>({8, 15, 32, 64})};
  c.weight = {dice.one_of<std::int64_t>({1, 5, 8, 16, 20, 32}), c.x[1], 1, 1};
  c.options.stride = {dice.roll(1, 3), dice.roll(1, 3)};
  c.options.padding = {dice.one_of<std::int64_t>({0, 0, 0, 1}), 0};
  c.x_last = c.g_last = true;
  return c;
}

Tensor laid_out(const Tensor& x, bool last) { return last ? with_order(x, {0, 2, 3, 1}) : x; }
Tensor in_double(const Tensor& x) {
  const Tensor y = Tensor::empty(x.shape(), DType::f64);
  for (std::int64_t i = 0; i < x.numel(); ++i) y.data<double>()[i] = static_cast<double>(x.data<float>()[i]);
  return y;
}

/// Both as large as what `terms` roundings of sums of values in [-1, 1] make of them.
::testing::AssertionResult agrees(const Tensor& y, const Tensor& right, std::int64_t terms) {
  return close(y, values<double>(right), 1e-6, epsilon(DType::f32, 2) * std::max(4.0, static_cast<double>(terms) / 4));
}

void check(const Case& c) {
  const Tensor x = random_tensor(c.x, DType::f32, 1), weight = random_tensor(c.weight, DType::f32, 2);
  const Tensor bias = random_tensor({c.weight[0]}, DType::f32, 3);
  const Shape y_shape = conv2d_shape(c.x, c.weight, c.options);
  const Tensor g = random_tensor(y_shape, DType::f32, 4);
  const Tensor dx = in_double(x), dweight = in_double(weight), dg = in_double(g);
  const Tensor y = conv2d(dx, dweight, in_double(bias), c.options);
  const Tensor x_grad = conv2d_input_grad(dg, dweight, c.x, c.options);
  const Tensor weight_grad = conv2d_weight_grad(dg, dx, c.weight, c.options);
  const std::int64_t taps = c.weight.numel() / c.weight[0], kernel = c.weight[2] * c.weight[3];
  for (const int threads : {1, 2}) {
    const ComputeThreads scope(threads);
    const Guards guards;
    SCOPED_TRACE(threads);
    EXPECT_TRUE(agrees(conv2d(laid_out(x, c.x_last), weight, bias, c.options), y, taps));
    EXPECT_TRUE(agrees(conv2d(laid_out(x, c.x_last), weight, {}, c.options), conv2d(dx, dweight, {}, c.options), taps));
    EXPECT_TRUE(agrees(conv2d_input_grad(laid_out(g, c.g_last), weight, c.x, c.options), x_grad,
                       c.weight[0] / c.options.groups * kernel));
    EXPECT_TRUE(agrees(conv2d_weight_grad(laid_out(g, c.g_last), laid_out(x, c.x_last), c.weight, c.options),
                       weight_grad, y_shape[0] * y_shape[2] * y_shape[3]));
    EXPECT_GE(guards.calls(), 4);
  }
}

TEST(OneDnn, ConvolutionsStayInsideTheirBuffersAndAreRight) {
  Dice dice("convolutions");
  for (int i = 0; i < shapes(60) && !::testing::Test::HasFailure(); ++i) {
    const Case c = any_case(dice);
    SCOPED_TRACE(::testing::PrintToString(c));
    check(c);
  }
}

TEST(OneDnn, StridedConvolutionsOfOneTapStayInsideTheirBuffersAndAreRight) {
  Dice dice("strided");
  for (int i = 0; i < shapes(60) && !::testing::Test::HasFailure(); ++i) {
    const Case c = strided_1x1(dice);
    SCOPED_TRACE(::testing::PrintToString(c));
    check(c);
  }
}

// Larger than a cache, with channels that fill no block: the conversions before and after are cut over threads.
TEST(OneDnn, ConversionsIntoBlocksWithARestAreRight) {
  for (const std::int64_t channels : {34, 18}) {
    check({{2, channels, 63, 65}, {channels, channels / 2, 3, 3}, {.padding = {1, 1}, .groups = 2}, true, true});
    check({{2, channels, 63, 65}, {channels, channels / 2, 3, 3}, {.padding = {1, 1}, .groups = 2}, false, false});
  }
}

// Kernels far larger than the image, of which a window meets a pixel or none.
TEST(OneDnn, WindowsThatSeePaddingAloneAreRight) {
  for (const bool last : {false, true}) {
    check({{3, 64, 1, 1}, {1, 64, 125, 1}, {.stride = {2, 2}, .padding = {63, 63}}, last, last});
    check({{2, 16, 1, 1}, {8, 16, 125, 1}, {.stride = {2, 2}, .padding = {62, 62}}, last, last});
  }
}

ConvSizes sizes_of(const Shape& x, const Shape& weight, const Conv2dOptions& options) {
  const Shape y = conv2d_shape(x, weight, options);
  return {x[0], x[1], x[2], x[3], weight[0], weight[2], weight[3], y[2], y[3], options};
}

// The shapes are never allocated.
TEST(OneDnn, TakesNoMoreThanItsOffsetsReach) {
  const auto images = [](const Shape& x, const Shape& weight, const Conv2dOptions& options = {}) {
    return cpu::images_for_onednn(ConvPass::forward, sizes_of(x, weight, options), true);
  };
  EXPECT_EQ(images({256, 64, 112, 112}, {64, 64, 1, 1}), 668);   // 3.2 MB each
  EXPECT_EQ(images({1024, 16, 112, 112}, {64, 16, 1, 1}), 668);  // of the larger side
  EXPECT_EQ(images({1024, 64, 112, 112}, {16, 64, 3, 3}), 668);
  EXPECT_EQ(images({1, 1, 4095, 4096}, {1, 1, 1, 1}), 2);  // one channel counts as a block
  EXPECT_EQ(images({1, 1, 4096, 4096}, {1, 1, 1, 1}), 0);
  EXPECT_EQ(images({1, 3, 2000, 2000}, {8, 3, 1, 1}, {.padding = {1100, 1100}}), 0);  // the result is too large
  EXPECT_EQ(images({1, 1024, 1024, 1024}, {1, 1024, 1, 1}), 0);                       // 4 GiB
  EXPECT_EQ(images({8, 16384, 1, 1}, {32768, 16384, 1, 1}), 0);                       // a weight of 2 GiB
  EXPECT_GT(images({8, 1 << 20, 4, 4}, {1 << 20, 1, 3, 3}, {.groups = 1 << 20}), 8);  // depthwise: a weight of 36 MiB
  for (const ConvPass pass : {ConvPass::forward, ConvPass::input_grad, ConvPass::weight_grad}) {
    const auto whole = [pass](const Shape& x, const Shape& weight, const Conv2dOptions& options = {}) {
      return cpu::images_for_onednn(pass, sizes_of(x, weight, options), false) >= x[0];
    };
    EXPECT_TRUE(whole({1, 3, 4096, 4096}, {16, 3, 3, 3}, {.padding = {1, 1}})) << "the limit of planes is that of 1x1";
    EXPECT_FALSE(whole({1, 3, 8192, 8192}, {8, 3, 3, 3}, {.padding = {1, 1}})) << "2 GiB of a result";
    EXPECT_TRUE(whole({60000, 1, 28, 28}, {6, 1, 5, 5}, {.padding = {2, 2}})) << "all images of MNIST: 188 MB";
    EXPECT_TRUE(whole({3, 1, 8192, 4096}, {1, 1, 3, 3}, {.padding = {1, 1}})) << "no block of 16 channels: 2 GiB";
    EXPECT_FALSE(whole({5, 1, 8192, 16384}, {1, 1, 3, 3}, {.padding = {1, 1}})) << "2.5 GiB";
  }
}

TEST(OneDnn, RoundsNoFactorThatItsConversionsCannotCount) {
  const auto is_rounded = [](std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t batch) {
    const cpu::Factor a{{}, false, {batch}}, b{{}, false, {1}};
    return cpu::is_worth_rounding({m, n, k, m * batch, a, b, {batch}, {}, {}});
  };
  EXPECT_TRUE(is_rounded(16, 16, 16, 1));
  EXPECT_FALSE(is_rounded(15, 16, 16, 1));
  EXPECT_TRUE(is_rounded(1 << 15, 1 << 15, (1 << 16) - 2, 1));
  EXPECT_FALSE(is_rounded(1 << 15, 16, 1 << 16, 1));
  EXPECT_FALSE(is_rounded(16, 1 << 15, 1 << 16, 1));
  EXPECT_FALSE(is_rounded(1 << 10, 16, 1 << 11, 1 << 10));
}

TEST(OneDnn, ConvolutionsInPartsAndInDoublesAreRight) {
  const Shape shape{5, 6, 7, 8}, weight_shape{4, 3, 3, 2};
  const Conv2dOptions options{.stride = {2, 1}, .padding = {1, 0}, .groups = 2};
  const ConvSizes z = sizes_of(shape, weight_shape, options);
  const Tensor x = random_tensor(shape, DType::f32, 1), weight = random_tensor(weight_shape, DType::f32, 2);
  const Tensor bias = random_tensor({4}, DType::f32, 3);
  const Shape y_shape = conv2d_shape(shape, weight_shape, options);
  const Tensor g = random_tensor(y_shape, DType::f32, 4);
  for (const bool last : {false, true}) {
    using Way = std::function<void(ConvPass, const Tensor&, const Tensor&, const Tensor&, const Tensor&)>;
    const Way parts = [&](ConvPass pass, const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d) {
      cpu::conv2d_in_parts(pass, z, a, b, c, d, 2);
    };
    const Way doubles = [&](ConvPass pass, const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d) {
      cpu::conv2d_in_doubles(pass, z, a, b, c, d);
    };
    for (const Way& way : {parts, doubles}) {
      const Tensor y = laid_out(Tensor::empty(y_shape, DType::f32), last), dx = laid_out(zeros(shape), last);
      const Tensor dweight = zeros(weight_shape);
      way(ConvPass::forward, laid_out(x, last), weight, bias, y);
      way(ConvPass::input_grad, dx, weight, {}, laid_out(g, last));
      way(ConvPass::weight_grad, laid_out(x, last), dweight, {}, laid_out(g, last));
      EXPECT_TRUE(agrees(y, conv2d(in_double(x), in_double(weight), in_double(bias), options), 18));
      EXPECT_TRUE(agrees(dx, conv2d_input_grad(in_double(g), in_double(weight), shape, options), 18));
      EXPECT_TRUE(agrees(dweight, conv2d_weight_grad(in_double(g), in_double(x), weight_shape, options), 140));
    }
  }
}

// Speed: the primitives of a residual net's convolutions see the images as they lie, channels last.
TEST(OneDnn, ResNet20NeedsNoConversionOfImages) {
  struct Layer {
    std::int64_t in, out, kernel, stride, size;
  };
  for (const Layer l : {Layer{16, 16, 3, 1, 32},
                        {16, 32, 3, 2, 32},
                        {32, 32, 3, 1, 16},
                        {32, 64, 3, 2, 16},
                        {64, 64, 3, 1, 8},
                        {16, 32, 1, 2, 32},
                        {32, 64, 1, 2, 16}}) {
    SCOPED_TRACE(std::to_string(l.in) + " to " + std::to_string(l.out) + ", kernel " + std::to_string(l.kernel));
    const Conv2dOptions options{.stride = {l.stride, l.stride}, .padding = {l.kernel / 2, l.kernel / 2}};
    const Shape weight_shape{l.out, l.in, l.kernel, l.kernel};
    const Tensor x = laid_out(random_tensor({4, l.in, l.size, l.size}), true), weight = random_tensor(weight_shape);
    const Tensor g = laid_out(random_tensor(conv2d_shape(x.shape(), weight_shape, options)), true);
    std::vector<const void*> images;
    const onednn::Watch watch = [&](const Call& call) {
      for (std::size_t i = 0; i < call.memory.size(); ++i) images.push_back(call.memory[i].get_data_handle());
      call.execute();
    };
    onednn::watch = &watch;
    const Tensor y = conv2d(x, weight, {}, options), dx = conv2d_input_grad(g, weight, x.shape(), options);
    conv2d_weight_grad(g, x, weight_shape, options);
    onednn::watch = nullptr;
    const auto times = [&](const Tensor& t) { return std::count(images.begin(), images.end(), t.raw_data()); };
    EXPECT_EQ(times(x), 2);  // forward, weight gradient
    EXPECT_EQ(times(g), 2);  // both gradients
    EXPECT_EQ(times(y), 1);
    EXPECT_EQ(times(dx), 1);
    EXPECT_LE(images.size(), 3U * (3 + 1 + 3));  // nothing else but a conversion of the weight for each
  }
}

/// Tensors between guards: what oneDNN's sgemm, which is no primitive, reads and writes.
class Room {
 public:
  explicit Room(const Shape& shape)
      : all_(Tensor::empty({shape.numel() + 2 * kFloats}, DType::f32)),
        inside_(all_.as_strided(shape, contiguous_strides(shape), kFloats)) {
    std::memset(all_.raw_data(), static_cast<int>(kPattern), static_cast<std::size_t>(all_.numel()) * sizeof(float));
  }
  explicit Room(const Tensor& x) : Room(x.shape()) {
    std::memcpy(inside_.raw_data(), x.raw_data(), static_cast<std::size_t>(x.numel()) * sizeof(float));
  }
  const Tensor& tensor() const { return inside_; }
  bool is_intact() const {
    const auto is_pattern = [](std::byte b) { return b == kPattern; };
    const std::byte* begin = all_.raw_data();
    const std::byte* end = begin + static_cast<std::size_t>(all_.numel()) * sizeof(float);
    return std::all_of(begin, begin + kGuard, is_pattern) && std::all_of(end - kGuard, end, is_pattern);
  }

 private:
  static constexpr auto kFloats = static_cast<std::int64_t>(kGuard / sizeof(float));
  Tensor all_, inside_;
};

Tensor turned(const Tensor& x) {
  return x.as_strided({x.shape()[1], x.shape()[0]}, {1, x.shape()[1]}, x.storage_offset());
}

void check_product(Dice& dice, std::int64_t m, std::int64_t n, std::int64_t k, bool rounded) {
  const bool a_turned = dice.roll(0, 1) == 1, b_turned = dice.roll(0, 1) == 1, with_bias = dice.roll(0, 1) == 1;
  const auto factor = [](std::int64_t rows, std::int64_t columns, bool is_turned, std::uint64_t seed) {
    return random_tensor(is_turned ? Shape{columns, rows} : Shape{rows, columns}, DType::f32, seed);
  };
  const Room a(factor(m, k, a_turned, 1)), b(factor(k, n, b_turned, 2)), bias(random_tensor({n}, DType::f32, 3));
  const auto as_read = [](const Tensor& x, bool is_turned) { return is_turned ? turned(x) : x; };
  const Tensor u = as_read(a.tensor(), a_turned), v = as_read(b.tensor(), b_turned);
  const Tensor right = Tensor::empty({m, n}, DType::f64);
  const Tensor du = as_read(in_double(a.tensor()), a_turned), dv = as_read(in_double(b.tensor()), b_turned);
  cpu::multiply_in_loops(cpu::make_product(du, dv, with_bias ? in_double(bias.tensor()) : Tensor(), right));
  for (const int threads : {1, 2}) {
    const ComputeThreads scope(threads);
    const Room y(Shape{m, n});
    {
      const Guards guards;
      const cpu::Product p = cpu::make_product(u, v, with_bias ? bias.tensor() : Tensor(), y.tensor());
      rounded ? cpu::multiply_as_bf16("test", p) : cpu::multiply_with_onednn("test", p);
    }
    EXPECT_TRUE(a.is_intact() && b.is_intact() && bias.is_intact() && y.is_intact());
    const double tolerance = rounded ? 0.01 * std::sqrt(static_cast<double>(k)) : 0;
    EXPECT_TRUE(rounded ? close(y.tensor(), values<double>(right), 0, 0.02 + tolerance) : agrees(y.tensor(), right, k))
        << m << " x " << n << " x " << k << " on " << threads << (a_turned ? " a turned" : "")
        << (b_turned ? " b turned" : "") << (with_bias ? " with bias" : "");
  }
}

TEST(OneDnn, ProductsStayInsideTheirBuffersAndAreRight) {
  Dice dice("products");
  const auto size = [&dice] { return dice.one_of({dice.roll(2, 16), dice.roll(2, 70), dice.roll(2, 300)}); };
  for (int i = 0; i < shapes(60) && !::testing::Test::HasFailure(); ++i) {
    const std::int64_t m = size(), n = size(), k = size();
    check_product(dice, m, n, k, false);
  }
}

TEST(OneDnn, ProductsWithAVectorStayInsideTheirBuffersAndAreRight) {
  Dice dice("vectors");
  for (int i = 0; i < shapes(60) && !::testing::Test::HasFailure(); ++i) {
    const bool is_row = dice.roll(0, 1) == 1;
    const std::int64_t other = dice.one_of({dice.roll(1, 20), dice.roll(1, 600)});
    check_product(dice, is_row ? 1 : other, is_row ? other : 1, dice.one_of({dice.roll(1, 20), dice.roll(1, 2000)}),
                  false);
  }
}

TEST(OneDnn, ProductsOfRoundedFactorsStayInsideTheirBuffersAndAreRight) {
  if (!has_bf16()) GTEST_SKIP() << "this processor has no bf16 instructions, or HOP_ISA forbids them";
  Dice dice("rounded");
  const auto size = [&dice] { return dice.one_of({dice.roll(16, 33), dice.roll(16, 130), dice.roll(16, 300)}); };
  for (int i = 0; i < shapes(50) && !::testing::Test::HasFailure(); ++i) {
    const std::int64_t m = size(), n = size(), k = size();
    check_product(dice, m, n, k, true);
  }
  check_product(dice, 16, 65, 1280, true);
}

// Leading dimensions, broadcast or not, go into one primitive.
TEST(OneDnn, BatchesOfProductsStayInsideTheirBuffersAndAreRight) {
  Dice dice("batches");
  for (int i = 0; i < shapes(24) && !::testing::Test::HasFailure(); ++i) {
    const std::int64_t m = dice.roll(2, 20), n = dice.roll(2, 33), k = dice.roll(1, 40);
    const std::int64_t outer = dice.roll(1, 3), inner = dice.roll(1, 4);
    const Tensor a = random_tensor({dice.one_of({std::int64_t{1}, outer}), inner, m, k}, DType::f32, 1);
    const Tensor b = random_tensor({outer, dice.one_of({std::int64_t{1}, inner}), k, n}, DType::f32, 2);
    const Tensor right = Tensor::empty({outer, inner, m, n}, DType::f64);
    cpu::multiply_in_loops(cpu::make_product(in_double(a), in_double(b), {}, right));
    for (const int threads : {1, 2}) {
      const ComputeThreads scope(threads);
      const Guards guards;
      const Tensor y = Tensor::empty({outer, inner, m, n}, DType::f32);
      cpu::multiply_with_onednn("test", cpu::make_product(a, b, {}, y));
      EXPECT_TRUE(agrees(y, right, k)) << a.describe() << ' ' << b.describe() << " on " << threads;
      EXPECT_EQ(guards.calls(), 1);
    }
  }
}

}  // namespace
}  // namespace hop::kernels
