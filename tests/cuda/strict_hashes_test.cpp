// Strict kernels give the same bits on every card and on the CPU: they only add, multiply, divide, take square roots
// and fused multiply-adds, all rounded to nearest, in an order that the source fixes. tests/cuda/strict_hashes.txt
// holds the XXH3-128 of their results as kernels/simt computes them; a card must give the same file.
//
// HOP_STRICT_HASHES names another place of the file; with HOP_STRICT_HASHES_WRITE=1 it is written anew.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>

#include "base/hash.h"
#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/matmul.h"
#include "kernels/norm.h"
#include "kernels/optimizer.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/update_rules.h"
#include "kernels/view.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"
#include "tests/kernels/layouts.h"
#include "tests/source_tree.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::random_tensor;

/// The NaN of 0 / 0 has the sign bit on an x86 and not on a GPU, and payloads differ too: one NaN stands for all.
template <class T>
void unify_nans(const Tensor& x) {
  T* values = x.data<T>();
  for (std::int64_t i = 0; i < x.numel(); ++i)
    if (values[i] != values[i]) values[i] = std::numeric_limits<T>::quiet_NaN();
}

std::string hash_of(const Tensor& x) {
  const Tensor here = on_host(x);
  if (here.dtype() == DType::f32) unify_nans<float>(here);
  if (here.dtype() == DType::f64) unify_nans<double>(here);
  return xxh3_128({here.raw_data(), static_cast<std::size_t>(here.numel()) * size_of(here.dtype())}).hex();
}

/// Random operands on the device, none of them near 0.
Tensor operand(const Shape& shape, std::uint64_t seed, DType dtype = DType::f32) {
  return on_device(random_tensor(shape, dtype, seed, 0.25, 2));
}

using Hashes = std::map<std::string, std::string>;

void add_products(Hashes& all) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const std::string type(name(dtype));
    all["matmul " + type] = hash_of(kernels::matmul(operand({70, 33}, 1, dtype), operand({33, 65}, 2, dtype)));
    const Tensor x = operand({2, 4, 9, 8}, 3, dtype), weight = operand({6, 2, 3, 3}, 4, dtype);
    const Conv2dOptions options{.stride = {2, 1}, .padding = {1, 1}, .groups = 2};
    const Tensor y = kernels::conv2d(x, weight, operand({6}, 5, dtype), options);
    all["conv2d " + type] = hash_of(y);
    all["conv2d_input_grad " + type] = hash_of(kernels::conv2d_input_grad(y, weight, x.shape(), options));
    all["conv2d_weight_grad " + type] = hash_of(kernels::conv2d_weight_grad(y, x, weight.shape(), options));
  }
}

void add_elementwise(Hashes& all) {
  const Tensor a = operand({1023}, 6), b = operand({1023}, 7);
  all["add"] = hash_of(kernels::add(a, b));
  all["mul"] = hash_of(kernels::mul(a, b));
  all["div"] = hash_of(kernels::div(a, b));
  all["sqrt"] = hash_of(kernels::sqrt(a));
  all["relu"] = hash_of(kernels::relu(kernels::sub(a, b)));
  all["reciprocal_grad"] = hash_of(kernels::reciprocal_grad(a, {}, b));
  all["cast to f64"] = hash_of(kernels::cast(a, DType::f64));
}

void add_reductions(Hashes& all) {
  const Tensor x = operand({37, 1023}, 8);
  static constexpr std::int64_t kRows[] = {0}, kColumns[] = {1};
  all["sum"] = hash_of(kernels::sum(x));
  all["sum of rows"] = hash_of(kernels::sum(x, kColumns));
  all["sum of columns"] = hash_of(kernels::sum(x, kRows));
  for (const std::int64_t length : {1, 7, 10, 32, 33}) {  // as many rows as fill several blocks, and one more
    const Tensor rows = operand({257, length}, 22);
    const std::string of = " of rows of " + std::to_string(length);
    all["sum" + of] = hash_of(kernels::sum(rows, kColumns));
    all["max" + of] = hash_of(kernels::max(rows, kColumns));
    all["var" + of] = hash_of(kernels::var(rows, kColumns, 1));
  }
  // Runs that no packet divides, of the reduced dimensions or of the kept ones, over more than one step of the lanes.
  static constexpr std::int64_t kOuter[] = {0, 2}, kMiddle[] = {0, 2, 3};
  for (const DType dtype : {DType::f32, DType::f64}) {
    const std::string type(name(dtype));
    all["sum of runs of 7 " + type] = hash_of(kernels::sum(operand({83, 3, 7}, 23, dtype), kOuter));
    all["var of runs of 7 " + type] = hash_of(kernels::var(operand({83, 3, 7}, 24, dtype), kOuter, 0));
    all["sum between " + type] = hash_of(kernels::sum(operand({29, 3, 13, 5}, 25, dtype), kOuter));
    all["sum of three dimensions " + type] =
        hash_of(kernels::sum(kernels::transpose(operand({5, 3, 9, 7, 2}, 26, dtype), 0, 3), kMiddle));
  }
}

void add_random_numbers(Hashes& all) {
  const Tensor x = Tensor::empty({1023}, DType::f32, Device::cuda());
  kernels::uniform_(x, -1, 2, {.key = 9, .step = 10, .draw = 11});
  all["uniform"] = hash_of(x);
  all["dropout"] = hash_of(kernels::dropout(operand({33, 31}, 12), 0.3, {.key = 13, .step = 14, .draw = 15}));
}

void add_windows_and_indices(Hashes& all) {
  const Tensor x = operand({2, 3, 9, 7}, 16);
  const kernels::MaxPool2dResult pooled =
      kernels::max_pool2d(x, {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}});
  all["max_pool2d"] = hash_of(pooled.y);
  all["max_pool2d_grad"] = hash_of(kernels::max_pool2d_grad(pooled.y, pooled.indices, x.shape()));
  all["avg_pool2d"] = hash_of(kernels::avg_pool2d(x, {}));
  const Tensor index = on_device(random_tensor({100}, DType::i64, 17, 0, 7));
  all["index_add"] = hash_of(kernels::index_add({7, 33}, 0, index, operand({100, 33}, 18)));
  const Tensor few = on_device(random_tensor({997}, DType::i64, 27, 0, 3));
  all["index_add of long runs"] = hash_of(kernels::index_add({4, 3}, 0, few, operand({997, 3}, 28)));
  all["index_add of long runs of packets"] = hash_of(kernels::index_add({4, 8}, 0, few, operand({997, 8}, 29)));
}

// One value per row and channel, and more; a chunk (2,048 values) and a bit more, as two parts or as one.
void add_batch_norms(Hashes& all) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : {Shape{33, 5}, {300, 40}, {2049, 9}, {9001, 3}, {2050, 513}, {4, 3, 8, 8}, {70, 2, 31}}) {
      const bool is_large = shape[0] == 2050;  // a million values are slow over the executor
      if (is_large && (dtype == DType::f64 || hop::testing::kRaceCheck)) continue;
      const std::string of = " of " + shape.to_string() + " " + std::string(name(dtype));
      const Tensor x = operand(shape, 30, dtype), g = operand(shape, 31, dtype);
      const Tensor weight = operand({shape[1]}, 32, dtype), bias = operand({shape[1]}, 33, dtype);
      const kernels::NormResult there = kernels::batch_norm(x, weight, bias, 1e-5);
      const kernels::NormGrads grads = kernels::batch_norm_grad(g, x, weight, there.mean, there.rstd);
      all["batch_norm" + of] = hash_of(there.y);
      all["batch_norm statistics" + of] = hash_of(there.mean) + hash_of(there.rstd);
      all["batch_norm_grad" + of] = hash_of(grads.dx) + hash_of(grads.dweight) + hash_of(grads.dbias);
      all["batch_norm_apply" + of] = hash_of(kernels::batch_norm_apply(x, weight, bias, there.mean, there.rstd));
    }
  }
}

void add_update(Hashes& all) {
  const kernels::rules::Sgd rule{.momentum = 0.9, .weight_decay = 0.01};
  const std::vector<Tensor> slots = {operand({1023}, 21)};
  const kernels::UpdateSegment segment{operand({1023}, 19), operand({1023}, 20), slots};
  const kernels::UpdateState state{
      kernels::full({}, 0.1, DType::f64, Device::cuda()), kernels::full({}, 3, DType::i64, Device::cuda()), {}};
  kernels::update(rule, std::span(&segment, 1), state);
  all["sgd"] = hash_of(segment.parameter);
  all["sgd momentum"] = hash_of(slots[0]);
}

Hashes compute() {
  const MathGuard own({.own_kernels = true});
  Hashes all;
  add_products(all);
  add_elementwise(all);
  add_reductions(all);
  add_random_numbers(all);
  add_windows_and_indices(all);
  add_batch_norms(all);
  add_update(all);
  return all;
}

std::string path() {
  const char* named = std::getenv("HOP_STRICT_HASHES");
  return named != nullptr ? named : (source_directory() / "tests/cuda/strict_hashes.txt").string();
}

Hashes read() {
  std::ifstream file(path());
  Hashes all;
  for (std::string line; std::getline(file, line);) {
    const std::size_t tab = line.find('\t');
    if (tab != std::string::npos) all[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return all;
}

/// A line per name that has other hashes here and there, or is only here or there.
std::string differences(const Hashes& expected, const Hashes& computed) {
  const auto of = [](const Hashes& all, const std::string& name) {
    const auto found = all.find(name);
    return found != all.end() ? found->second : std::string("nothing");
  };
  Hashes names = expected;
  names.insert(computed.begin(), computed.end());
  std::string text;
  for (const auto& [name, any] : names) {
    if (of(expected, name) != of(computed, name))
      text += name + ": expected " + of(expected, name) + ", got " + of(computed, name) + '\n';
  }
  return text;
}

TEST(StrictHashesReport, NamesOnlyWhatDiffers) {
  EXPECT_EQ(differences({{"a", "1"}, {"b", "2"}, {"c", "3"}}, {{"a", "1"}, {"b", "4"}, {"d", "5"}}),
            "b: expected 2, got 4\nc: expected 3, got nothing\nd: expected nothing, got 5\n");
  EXPECT_EQ(differences({{"a", "1"}}, {{"a", "1"}}), "");
}

using StrictHashes = OnDevice;

TEST_F(StrictHashes, AreThoseOfTheCpu) {
  const Hashes computed = compute();
  if (std::getenv("HOP_STRICT_HASHES_WRITE") != nullptr) {
    std::ofstream file(path());
    for (const auto& [name, hash] : computed) file << name << '\t' << hash << '\n';
  }
  Hashes expected = read();
  ASSERT_FALSE(expected.empty()) << "there is nothing in " << path();
  if (hop::testing::kRaceCheck) std::erase_if(expected, [&](const auto& e) { return !computed.contains(e.first); });
  EXPECT_EQ(differences(expected, computed), "");
}

}  // namespace
}  // namespace hop::kernels::cuda
