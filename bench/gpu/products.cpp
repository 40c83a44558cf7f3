// Matrix products and convolutions: through the libraries in each precision, and by our own kernels.
#include "base/error.h"
#include "bench/gpu/rows.h"
#include "kernels/conv.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/dnn.h"
#include "kernels/cuda/lessons/matmul.h"
#include "kernels/cuda/math.h"
#include "kernels/cuda/matmul_internal.h"
#include "kernels/cuda/runtime.h"
#include "kernels/matmul.h"
#include "kernels/precision.h"
#include "kernels/random.h"

namespace hop::bench::gpu {
namespace {

namespace cuda = hop::kernels::cuda;
using kernels::Precision;

Tensor random(const Shape& shape, std::uint64_t key) {
  const Tensor x = Tensor::empty(shape, DType::f32, Device::cuda());
  kernels::uniform_(x, -1, 1, {.key = key, .step = 0, .draw = 0});
  return x;
}

Row flops(const Timing& t, double flop, std::string note = {}) {
  return {"", "", flop / t.seconds * 1e-12, "TFLOP/s", flop / t.seconds * 1e-12 * t.spread / t.seconds, 0, note};
}

struct Way {
  const char* name;
  Precision precision = Precision::strict;
  bool own_kernels = false;
};
constexpr Way kWays[] = {{"library, f32"},
                         {"library, tf32", Precision::tf32},
                         {"library, bf16", Precision::bf16},
                         {"own kernel, f32", Precision::strict, true}};

class WayScope {
 public:
  explicit WayScope(const Way& way) : math_(cuda::math()), precision_(way.precision) {
    cuda::set_math({.own_kernels = way.own_kernels});
  }
  ~WayScope() { cuda::set_math(math_); }
  WayScope(const WayScope&) = delete;
  WayScope& operator=(const WayScope&) = delete;

 private:
  cuda::Math math_;
  kernels::PrecisionScope precision_;
};

void add(std::vector<Row>& all, std::vector<Row> more) { all.insert(all.end(), more.begin(), more.end()); }

std::vector<Row> matmuls(Size size) {
  const std::int64_t side = size == Size::full ? 4096 : 33;
  const Tensor a = random({side, side}, 1), b = random({side, side}, 2);
  const double flop = 2 * static_cast<double>(side) * static_cast<double>(side) * static_cast<double>(side);
  const std::string shape = "matmul " + std::to_string(side) + "^3, ";
  std::vector<Row> all;
  for (const Way& way : kWays) {
    const WayScope scope(way);
    if (!way.own_kernels && !cuda::blas::available()) continue;
    add(all, guarded("products", shape + way.name,
                     [&] { return flops(time_on_device([&] { kernels::matmul(a, b); }, size), flop); }));
  }
  using Multiply = void (*)(const float*, const float*, float*, int, int, int);
  const std::pair<const char*, Multiply> lessons[] = {
      {"lesson 1, naive", cuda::lessons::matmul_naive},
      {"lesson 2, shared tiles", cuda::lessons::matmul_shared_tiles},
      {"lesson 3, register tiles", cuda::lessons::matmul_register_tiles},
      {"lesson 4, tensor cores", cuda::lessons::matmul_tensor_cores}};
  const Tensor y = Tensor::empty({side, side}, DType::f32, Device::cuda());
  for (const auto& [name, multiply] : lessons) {
    const int n = static_cast<int>(side);
    add(all, guarded("products", shape + name, [&, multiply = multiply] {
          const auto work = [&] { multiply(a.data<float>(), b.data<float>(), y.data<float>(), n, n, n); };
          return flops(time_on_device(work, size), flop);
        }));
  }
  return all;
}

/// The first product of a small MLP, as its linear layer makes it: by our kernel for few rows, and by cuBLASLt, which
/// cuts it along k and adds the parts in a second launch.
std::vector<Row> few_rows(Size size) {
  const std::int64_t m = 32, k = size == Size::full ? 784 : 33, n = size == Size::full ? 512 : 5;
  const Tensor x = random({m, k}, 1), weight = random({n, k}, 2), bias = random({n}, 3);
  const Tensor w = weight.as_strided({k, n}, {1, k}, 0), y = Tensor::empty({m, n}, DType::f32, Device::cuda());
  const double flop = 2 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const std::string shape =
      "linear, " + std::to_string(m) + " rows of " + std::to_string(k) + " to " + std::to_string(n);
  const kernels::PrecisionScope strict(Precision::strict);
  std::vector<Row> all = guarded("products", shape + ", own kernel for few rows", [&] {
    return flops(time_on_device([&] { cuda::matmul_of_few_rows(x, w, bias, y); }, size), flop);
  });
  if (!cuda::blas::available()) return all;
  add(all, guarded("products", shape + ", library, f32", [&] {
        bool done = true;
        const auto work = [&] { done = cuda::multiply_with(cuda::blas::multiply, x, w, bias, y) && done; };
        const Row row = flops(time_on_device(work, size), flop);
        if (!done) throw Error("cuBLASLt knows no algorithm for this product");
        return row;
      }));
  return all;
}

/// One inner layer of a residual net, each pass.
std::vector<Row> convolutions(Size size) {
  const std::int64_t n = size == Size::full ? 128 : 2, c = size == Size::full ? 64 : 3, h = size == Size::full ? 32 : 5;
  const Conv2dOptions same{.padding = {1, 1}};
  const Tensor x = random({n, c, h, h}, 1), weight = random({c, c, 3, 3}, 2), g = random({n, c, h, h}, 3);
  const double flop = 2 * 9 * static_cast<double>(x.numel()) * static_cast<double>(c);
  const std::pair<const char*, std::function<void()>> passes[] = {
      {"forward", [=] { kernels::conv2d(x, weight, {}, same); }},
      {"input gradient", [=] { kernels::conv2d_input_grad(g, weight, x.shape(), same); }},
      {"weight gradient", [=] { kernels::conv2d_weight_grad(g, x, weight.shape(), same); }}};
  std::vector<Row> all;
  for (const Way& way : kWays) {
    const WayScope scope(way);
    if (!way.own_kernels && !cuda::dnn::available()) continue;
    for (const auto& [pass, work] : passes) {
      add(all, guarded("products", std::string("conv 3x3 ") + pass + ", " + way.name,
                       [&, work = work] { return flops(time_on_device(work, size), flop); }));
    }
  }
  return all;
}

}  // namespace

std::vector<Row> products(Size size) {
  std::vector<Row> all = matmuls(size);
  add(all, few_rows(size));
  add(all, convolutions(size));
  return all;
}

}  // namespace hop::bench::gpu
