// Products through oneDNN: cached matmul primitives, and its matrix-vector product. For factors in bf16 the primitive
// chooses the layout, and a conversion rounds and packs each factor in one pass. If the layout is the usual one, the
// conversion is ours (on one thread 3 to 5 times as fast as oneDNN's); otherwise it is oneDNN's.
#include <algorithm>

#include "kernels/capture_internal.h"
#include "kernels/cpu/lru_internal.h"
#include "kernels/cpu/onednn_internal.h"
#include "kernels/cpu/pack_bf16_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/product_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::size_t kCachedProducts = 256;  // per thread: a few hundred layers and batch sizes

/// Products with a vector: oneDNN's gemv is 2 to 7 times its matmul primitive here (measured).
void multiply_vector(const Product& p) {
  const float* bias = p.bias.defined() ? p.bias.data<float>() : nullptr;
  for_each_matrix<float>(p, [&](const float* a, const float* b, float* y) {
    launch([a, b, y, bias, m = p.m, n = p.n, k = p.k, a_turned = p.a.transposed, b_turned = p.b.transposed] {
      for (std::int64_t row = 0; bias != nullptr && row < m; ++row) std::copy_n(bias, n, y + row * n);
      const dnnl::status status =
          dnnl::sgemm(a_turned ? 'T' : 'N', b_turned ? 'T' : 'N', m, n, k, 1, a, a_turned ? m : k, b, b_turned ? k : n,
                      bias != nullptr ? 1.0F : 0.0F, y, n);
      if (status != dnnl::status::success) throw dnnl::error(static_cast<dnnl_status_t>(status), "sgemm failed");
    });
  });
}

/// The leading dimensions of a primitive: none; or one, which each factor walks or repeats as a whole; or all of them.
struct BatchDims {
  dnnl::memory::dims a, b, y;
};
BatchDims batch_dims(const Product& p) {
  const std::int64_t steps = p.batch.numel();
  const std::int64_t a_steps = p.a.batch.numel();
  const std::int64_t b_steps = p.b.batch.numel();
  if (steps == 1) return {};
  const auto whole = [&](std::int64_t own) { return own == 1 || own == steps; };
  if (whole(a_steps) && whole(b_steps)) return {{a_steps}, {b_steps}, {steps}};
  BatchDims dims{{}, {}, {p.batch.begin(), p.batch.end()}};
  dims.a.assign(dims.y.size() - static_cast<std::size_t>(p.a.batch.size()), 1);
  dims.a.insert(dims.a.end(), p.a.batch.begin(), p.a.batch.end());
  dims.b.assign(dims.y.size() - static_cast<std::size_t>(p.b.batch.size()), 1);
  dims.b.insert(dims.b.end(), p.b.batch.begin(), p.b.batch.end());
  return dims;
}

/// f32 matrices (batch.., rows, columns), dense, row by row or column by column.
dnnl::memory::desc describe(dnnl::memory::dims batch, std::int64_t rows, std::int64_t columns,
                            bool transposed = false) {
  dnnl::memory::dims strides(batch.size() + 2);
  std::int64_t step = rows * columns;
  for (std::size_t d = batch.size(); d-- > 0;) {
    strides[d] = step;
    step *= batch[d];
  }
  strides[batch.size()] = transposed ? 1 : columns;
  strides[batch.size() + 1] = transposed ? rows : 1;
  batch.push_back(rows);
  batch.push_back(columns);
  return {batch, dnnl::memory::data_type::f32, strides};
}

onednn::Step make_primitive(const Product& p) {
  const BatchDims dims = batch_dims(p);
  const auto a = describe(dims.a, p.m, p.k, p.a.transposed);
  const auto b = describe(dims.b, p.k, p.n, p.b.transposed);
  const auto y = describe(dims.y, p.m, p.n);
  const auto bias = describe(dnnl::memory::dims(dims.y.size(), 1), 1, p.n);
  const auto product = p.bias.defined() ? dnnl::matmul::desc(a, b, bias, y) : dnnl::matmul::desc(a, b, y);
  const dnnl::matmul::primitive_desc chosen(product, onednn::user_scratchpad(), onednn::engine());
  if (!p.bias.defined()) {
    return {
        dnnl::matmul(chosen), {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, y}}, chosen.scratchpad_desc()};
  }
  return {dnnl::matmul(chosen),
          {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, y}, {DNNL_ARG_BIAS, bias}},
          chosen.scratchpad_desc()};
}

/// A product of rounded factors: two conversions and a primitive.
class RoundedProduct {
 public:
  explicit RoundedProduct(const Product& p) : RoundedProduct(p, choose(p)) {}

  void run(const Product& p) {
    const Storage a(a_bytes_, Device::cpu()), b(b_bytes_, Device::cpu());
    round_a_.run({p.a.tensor.raw_data(), a.data()});
    if (b_is_usual_)
      pack({p.b.tensor.data<float>(), p.k, p.n, p.b.transposed, reinterpret_cast<std::uint16_t*>(b.data())});
    else
      round_b_.run({p.b.tensor.raw_data(), b.data()});
    if (p.bias.defined())
      multiply_.run({a.data(), b.data(), p.y.raw_data(), p.bias.raw_data()});
    else
      multiply_.run({a.data(), b.data(), p.y.raw_data()});
  }

 private:
  using Desc = dnnl::memory::desc;

  static dnnl::matmul::primitive_desc choose(const Product& p) {
    const BatchDims dims = batch_dims(p);
    const auto rounded = [](dnnl::memory::dims batch, std::int64_t rows, std::int64_t columns) {
      batch.insert(batch.end(), {rows, columns});
      return Desc(batch, dnnl::memory::data_type::bf16, dnnl::memory::format_tag::any);
    };
    const Desc a = rounded(dims.a, p.m, p.k), b = rounded(dims.b, p.k, p.n), y = describe(dims.y, p.m, p.n);
    const Desc bias = describe(dnnl::memory::dims(dims.y.size(), 1), 1, p.n);
    const auto product = p.bias.defined() ? dnnl::matmul::desc(a, b, bias, y) : dnnl::matmul::desc(a, b, y);
    return {product, onednn::user_scratchpad(), onednn::engine()};
  }

  static onednn::Step conversion(const Desc& from, const Desc& to) {
    const dnnl::reorder::primitive_desc reorder(onednn::engine(), from, onednn::engine(), to,
                                                onednn::user_scratchpad());
    return {dnnl::reorder(reorder), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}, reorder.scratchpad_desc()};
  }

  static onednn::Step product(const Product& p, const dnnl::matmul::primitive_desc& chosen) {
    const onednn::Step::Argument a{DNNL_ARG_SRC, chosen.src_desc()}, b{DNNL_ARG_WEIGHTS, chosen.weights_desc()},
        y{DNNL_ARG_DST, chosen.dst_desc()};
    if (!p.bias.defined()) return {dnnl::matmul(chosen), {a, b, y}, chosen.scratchpad_desc()};
    return {dnnl::matmul(chosen), {a, b, y, {DNNL_ARG_BIAS, chosen.bias_desc()}}, chosen.scratchpad_desc()};
  }

  RoundedProduct(const Product& p, const dnnl::matmul::primitive_desc& chosen)
      : round_a_(conversion(describe(batch_dims(p).a, p.m, p.k, p.a.transposed), chosen.src_desc())),
        round_b_(conversion(describe(batch_dims(p).b, p.k, p.n, p.b.transposed), chosen.weights_desc())),
        multiply_(product(p, chosen)),
        b_is_usual_(is_usual(chosen.weights_desc(), p)),
        a_bytes_(chosen.src_desc().get_size()),
        b_bytes_(chosen.weights_desc().get_size()) {}

  static void pack(const Bf16Packing& packing) {
    constexpr std::int64_t kGrain = 1 << 16;  // elements per thread's turn
    launch([packing, grain = std::max<std::int64_t>(1, kGrain / (packing.k * kBf16Columns))] {
      parallel_for(Bf16Packing::column_blocks(packing.n), grain, [&](std::int64_t begin, std::int64_t end) {
        HOP_PICK(pack_bf16)(packing, begin, end);
      });
    });
  }

  // Whether b is one matrix in the layout of pack_bf16.
  static bool is_usual(const Desc& b, const Product& p) {
    const Desc packed({p.k, p.n}, dnnl::memory::data_type::bf16, dnnl::memory::format_tag::BA16a64b2a);
    return p.batch.numel() == 1 && b == packed &&
           b.get_size() == static_cast<std::size_t>(Bf16Packing::size(p.k, p.n)) * sizeof(std::uint16_t);
  }

  onednn::Step round_a_, round_b_, multiply_;
  bool b_is_usual_;
  std::size_t a_bytes_, b_bytes_;
};

/// The key of a primitive.
using ProductKey = Key<7 + 2 * kMaxDims>;
ProductKey product_key(const Product& p, int threads) {
  constexpr std::size_t kFixed = 7;
  ProductKey key{p.m, p.n, p.k, threads, p.a.transposed, p.b.transposed, p.bias.defined()};
  for (int d = 0; d < p.a.batch.size(); ++d)
    key[kFixed + static_cast<std::size_t>(kMaxDims - p.a.batch.size() + d)] = p.a.batch[d];
  for (int d = 0; d < p.b.batch.size(); ++d)
    key[kFixed + static_cast<std::size_t>(2 * kMaxDims - p.b.batch.size() + d)] = p.b.batch[d];
  return key;
}

}  // namespace

void multiply_with_onednn(const char* op, const Product& p) {
  try {
    const int threads = onednn::prepare();
    if (p.m == 1 || p.n == 1) return multiply_vector(p);
    thread_local LruCache<std::tuple_size_v<ProductKey>, onednn::Step> cache(kCachedProducts);
    onednn::Step& step =
        cache.get(product_key(p, threads), [&] { return onednn::make_alone([&] { return make_primitive(p); }); });
    if (p.bias.defined())
      step.run({p.a.tensor.raw_data(), p.b.tensor.raw_data(), p.y.raw_data(), p.bias.raw_data()});
    else
      step.run({p.a.tensor.raw_data(), p.b.tensor.raw_data(), p.y.raw_data()});
  } catch (const dnnl::error& e) {
    onednn::rethrow(op, e);
  }
}

void multiply_as_bf16(const char* op, const Product& p) {
  try {
    const int threads = onednn::prepare();
    thread_local LruCache<std::tuple_size_v<ProductKey>, RoundedProduct> cache(kCachedProducts);
    const auto make = [&] { return onednn::make_alone([&] { return RoundedProduct(p); }); };
    cache.get(product_key(p, threads), make).run(p);
  } catch (const dnnl::error& e) {
    onednn::rethrow(op, e);
  }
}

}  // namespace hop::kernels::cpu
