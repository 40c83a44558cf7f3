// Brings a product into one of three forms: our own loops for doubles and what fits into the caches, oneDNN's
// matrix-vector product, or a cached oneDNN matmul primitive. Which one is a function of shape and dtype alone.
#include <algorithm>

#include "kernels/capture_internal.h"
#include "kernels/copy.h"
#include "kernels/cpu/gemm_loops_internal.h"
#include "kernels/cpu/lru_internal.h"
#include "kernels/cpu/onednn_internal.h"
#include "kernels/cpu/operations_internal.h"
#include "kernels/cpu/parallel_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 19;      // multiply-adds per thread's turn
constexpr std::int64_t kTinyVector = 4096;    // multiply-adds of a product with a vector that pay no call of oneDNN
constexpr std::size_t kCachedProducts = 256;  // per thread: a few hundred layers and batch sizes

/// One factor: matrices behind each other, each dense, row by row or (transposed) column by column.
struct Factor {
  Tensor tensor;
  bool transposed = false;
  Shape batch;  ///< 1 where the factor is repeated
};

/// The leading dimensions.
Shape batch_of(const Tensor& x) { return Shape(std::span(x.shape().begin(), x.shape().end() - 2)); }

/// Whether the matrices of `batch` lie densely behind each other with `rows` and `columns` in that order.
bool is_dense(const Tensor& x, const Shape& batch, int rows, int columns) {
  const auto& size = x.shape();
  const auto& stride = x.strides();
  if (size[columns] != 1 && stride[columns] != 1) return false;
  if (size[rows] != 1 && stride[rows] != size[columns]) return false;
  std::int64_t step = size[rows] * size[columns];
  for (int d = batch.size() - 1; d >= 0; --d) {
    if (batch[d] != 1 && stride[d] != step) return false;
    step *= batch[d];
  }
  return true;
}

/// x as it is if dense in either order, else a copy. (oneDNN's choice of kernel, and so its bits, depends on gaps
/// between rows.)
Factor make_factor(const Tensor& x) {
  const int rows = x.dim() - 2;
  const int columns = x.dim() - 1;
  Shape batch = batch_of(x);
  for (int d = 0; d < batch.size(); ++d) {
    if (x.strides()[d] == 0) batch[d] = 1;  // an expanded dimension
  }
  if (is_dense(x, batch, rows, columns)) return {x, false, batch};
  if (is_dense(x, batch, columns, rows)) return {x, true, batch};
  Shape shape = batch;
  shape.push_back(x.shape()[rows]);
  shape.push_back(x.shape()[columns]);
  return {contiguous(x.as_strided(shape, x.strides(), x.storage_offset())), false, batch};
}

struct Product {
  std::int64_t m, n, k;
  Factor a, b;
  Shape batch;  ///< of the result
  Tensor bias;  ///< contiguous, or undefined
  Tensor y;
};

Product make_product(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  Product p{a.shape()[a.dim() - 2], b.shape().back(), a.shape().back(), make_factor(a), make_factor(b), {}, {}, y};
  p.batch = broadcast_shapes(batch_of(a), batch_of(b), "matmul");
  if (bias.defined()) p.bias = contiguous(bias);
  if (p.b.batch.numel() == 1 && !p.a.transposed && p.a.batch.numel() == p.batch.numel()) {
    p.m *= p.batch.numel();  // one tall matrix
    p.a.batch = p.b.batch = p.batch = {};
  }
  return p;
}

/// Calls f(a, b, y) for the matrices of each step of the batch.
template <class T, class F>
void for_each_matrix(const Product& p, const F& f) {
  const auto matrix = [&](const Factor& factor, std::int64_t step) {
    std::int64_t index = 0, stride = 1;
    for (int d = p.batch.size() - 1; d >= 0; --d) {
      const std::int64_t at = step % p.batch[d];
      step /= p.batch[d];
      const int own = d - (p.batch.size() - factor.batch.size());
      if (own < 0) continue;
      if (factor.batch[own] != 1) index += at * stride;
      stride *= factor.batch[own];
    }
    return index;
  };
  const std::int64_t steps = p.batch.numel();
  for (std::int64_t i = 0; i < steps; ++i) {
    f(p.a.tensor.data<T>() + matrix(p.a, i) * p.m * p.k, p.b.tensor.data<T>() + matrix(p.b, i) * p.k * p.n,
      p.y.data<T>() + i * p.m * p.n);
  }
}

/// Whether our own loops take the product: they are as fast as oneDNN while the factors fit into the caches (measured),
/// and know no layout. A function of sizes and dtype alone.
bool is_own(const Product& p) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 27;  // multiply-adds
  return p.y.dtype() == DType::f64 || (p.m > 1 && p.n > 1 && p.m * p.n * p.k <= kLargest) ||
         p.m * p.n * p.k <= kTinyVector;
}

/// A product in our loops, and what has to be packed before.
template <class T>
struct OwnProduct {
  Gemm<T> gemm;
  enum class Pack { nothing, rest, turned } pack;
  const T* from;  // b's rest (k, n % 16), or what is turned (columns, k)
  std::int64_t from_row, columns;
  T* packed;

  void operator()() const {
    if (pack == Pack::turned) HOP_PICK(pack_turned<T>)(from, from_row, gemm.k, columns, packed);
    if (pack == Pack::rest) HOP_PICK(pack_rest<T>)(from, from_row, gemm.k, columns, packed);
    const std::int64_t blocks = (gemm.m + kGemmRows - 1) / kGemmRows;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / (kGemmRows * gemm.n * gemm.k));
    parallel_for(blocks, grain, [&](std::int64_t begin, std::int64_t end) {
      HOP_PICK(gemm_rows<T>)(gemm, begin, end);
    });
  }
};

/// y (m, n) = a b + bias as it lies, or, where b is transposed, by way of one turned factor: of b where that is the
/// smaller one, else y^T = b^T a^T with a turned.
template <class T>
class OwnProductMaker {
 public:
  explicit OwnProductMaker(const Product& p)
      : p_(p),
        turns_y_(p.b.transposed && p.n > p.m),
        packs_turned_(turns_y_ ? !p.a.transposed : p.b.transposed),
        rows_(turns_y_ ? p.n : p.m),
        columns_(turns_y_ ? p.m : p.n) {
    const std::int64_t width = packs_turned_ ? (columns_ + kPackedColumns - 1) / kPackedColumns * kPackedColumns
                               : columns_ % kPackedColumns == 0 ? 0
                                                                : kPackedColumns;
    packed_row_ = width;
    if (width * p.k != 0) packed_ = Storage(static_cast<std::size_t>(width * p.k) * sizeof(T), Device::cpu());
  }

  OwnProduct<T> make(const T* a, const T* b, T* y) const {
    OwnProduct<T> own{};
    Gemm<T>& g = own.gemm;
    g.m = rows_, g.n = columns_, g.k = p_.k;
    g.bias = p_.bias.defined() ? p_.bias.template data<T>() : nullptr;
    g.bias_of_rows = turns_y_;
    g.c = y, g.c_row = turns_y_ ? 1 : p_.n, g.c_column = turns_y_ ? p_.n : 1;
    const T* left = turns_y_ ? b : a;   // rows of the product
    const T* right = turns_y_ ? a : b;  // its columns
    const bool left_by_columns = turns_y_ ? false : p_.a.transposed;
    g.a = left, g.a_row = left_by_columns ? 1 : p_.k, g.a_column = left_by_columns ? rows_ : 1;
    own.packed = packed_ ? reinterpret_cast<T*>(packed_.data()) : nullptr;
    if (packs_turned_) {
      own.pack = OwnProduct<T>::Pack::turned;
      own.from = right, own.from_row = p_.k, own.columns = columns_;
      g.b = own.packed, g.b_row = packed_row_;
      g.rest = own.packed + columns_ / kPackedColumns * kPackedColumns, g.rest_row = packed_row_;
    } else {
      own.pack = columns_ % kPackedColumns == 0 ? OwnProduct<T>::Pack::nothing : OwnProduct<T>::Pack::rest;
      own.columns = columns_ % kPackedColumns;
      own.from = right + columns_ - own.columns, own.from_row = columns_;
      g.b = right, g.b_row = columns_;
      g.rest = own.packed, g.rest_row = kPackedColumns;
    }
    return own;
  }

 private:
  const Product& p_;
  bool turns_y_;       // y^T is computed
  bool packs_turned_;  // the factor that gives the columns lies along k
  std::int64_t rows_, columns_, packed_row_;
  Storage packed_;
};

template <class T>
void multiply_in_loops(const Product& p) {
  const OwnProductMaker<T> maker(p);
  for_each_matrix<T>(p, [&](const T* a, const T* b, T* y) { launch(maker.make(a, b, y)); });
}

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

/// The leading dimensions of a primitive: none, one that both factors walk or stay in as a whole, or all of them.
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

void multiply_with_primitive(const Product& p, int threads) {
  constexpr std::size_t kFixed = 7;
  using ProductKey = Key<kFixed + 2 * kMaxDims>;
  ProductKey key{p.m, p.n, p.k, threads, p.a.transposed, p.b.transposed, p.bias.defined()};
  for (int d = 0; d < p.a.batch.size(); ++d)
    key[kFixed + static_cast<std::size_t>(kMaxDims - p.a.batch.size() + d)] = p.a.batch[d];
  for (int d = 0; d < p.b.batch.size(); ++d) {
    key[kFixed + static_cast<std::size_t>(2 * kMaxDims - p.b.batch.size() + d)] = p.b.batch[d];
  }
  thread_local LruCache<std::tuple_size_v<ProductKey>, onednn::Step> cache(kCachedProducts);
  onednn::Step& step = cache.get(key, [&] { return make_primitive(p); });
  if (p.bias.defined())
    step.run({p.a.tensor.raw_data(), p.b.tensor.raw_data(), p.y.raw_data(), p.bias.raw_data()});
  else
    step.run({p.a.tensor.raw_data(), p.b.tensor.raw_data(), p.y.raw_data()});
}

}  // namespace

void matmul(const char* op, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  if (a.numel() == 0) return bias.defined() ? copy_(y, bias) : fill_(y, 0);  // sums of nothing
  const Product p = make_product(a, b, bias, y);
  if (y.dtype() == DType::f64) return multiply_in_loops<double>(p);
  if (is_own(p)) return multiply_in_loops<float>(p);
  try {
    const int threads = onednn::prepare();
    if (p.m == 1 || p.n == 1)
      multiply_vector(p);
    else
      multiply_with_primitive(p, threads);
  } catch (const dnnl::error& e) {
    onednn::rethrow(op, e);
  }
}

}  // namespace hop::kernels::cpu
