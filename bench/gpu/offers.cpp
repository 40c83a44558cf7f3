// The offers of the libraries on this card: the epilogues and layouts for which cuBLASLt has algorithms, and cuDNN's
// engines for the convolutions of our nets with their notes and times.
#include <chrono>

#include "base/error.h"
#include "bench/gpu/rows.h"
#include "kernels/copy.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/blas_library_internal.h"
#include "kernels/cuda/dnn.h"
#include "kernels/random.h"

namespace hop::bench::gpu {
namespace {

namespace cuda = hop::kernels::cuda;
namespace blas = hop::kernels::cuda::blas;
namespace dnn = hop::kernels::cuda::dnn;
using kernels::Precision;

Tensor random(const Shape& shape, std::uint64_t key) {
  const Tensor x = Tensor::empty(shape, DType::f32, Device::cuda());
  kernels::uniform_(x, -1, 1, {.key = key, .step = 0, .draw = 0});
  return x;
}

#ifdef HOP_HAS_CUBLASLT
/// Algorithms that cuBLASLt knows for one epilogue, in its own words: columns, its A and B. -1 - status where it fails.
int algorithms(cublasLtEpilogue_t epilogue, cublasComputeType_t compute, bool a_transposed, bool b_transposed,
               bool fixed_order, int m, int n, int k) {
  const blas::Lt& lt = blas::lt();
  cublasLtMatmulDesc_t description = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
    blas::check(lt.cublasLtMatmulDescSetAttribute(description, attribute, &value, sizeof value), "set");
  };
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    blas::check(lt.cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value), "prefer");
  };
  const auto layout = [&](cublasLtMatrixLayout_t* to, int rows, int columns) {
    blas::check(lt.cublasLtMatrixLayoutCreate(to, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                                              static_cast<std::uint64_t>(columns), rows),
                "layout");
  };
  blas::check(lt.cublasLtMatmulDescCreate(&description, compute, CUDA_R_32F), "description");
  set(CUBLASLT_MATMUL_DESC_TRANSA, a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_TRANSB, b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
  layout(&a, a_transposed ? k : m, a_transposed ? m : k);
  layout(&b, b_transposed ? n : k, b_transposed ? k : n);
  layout(&d, m, n);
  const std::int64_t aux_ld = (m + 127) / 128 * 128;
  if (epilogue == CUBLASLT_EPILOGUE_RELU_AUX_BIAS || epilogue == CUBLASLT_EPILOGUE_DRELU_BGRAD ||
      epilogue == CUBLASLT_EPILOGUE_DRELU || epilogue == CUBLASLT_EPILOGUE_GELU_AUX_BIAS ||
      epilogue == CUBLASLT_EPILOGUE_DGELU_BGRAD)
    set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, aux_ld);
  blas::check(lt.cublasLtMatmulPreferenceCreate(&preference), "preference");
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::size_t{32} << 20);
  if (fixed_order)
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  std::vector<cublasLtMatmulHeuristicResult_t> results(32);
  int found = 0;
  const cublasStatus_t status = lt.cublasLtMatmulAlgoGetHeuristic(blas::handle(), description, a, b, d, d, preference,
                                                                  32, results.data(), &found);
  lt.cublasLtMatmulPreferenceDestroy(preference);
  for (const cublasLtMatrixLayout_t l : {a, b, d}) lt.cublasLtMatrixLayoutDestroy(l);
  lt.cublasLtMatmulDescDestroy(description);
  return status == CUBLAS_STATUS_SUCCESS ? found : -1 - static_cast<int>(status);
}

/// A row per epilogue and precision: algorithms of any order / of a fixed order, for NN, NT, TN, TT.
std::vector<Row> epilogues() {
  static constexpr std::pair<const char*, cublasLtEpilogue_t> kEpilogues[] = {
      {"none", CUBLASLT_EPILOGUE_DEFAULT},
      {"bias", CUBLASLT_EPILOGUE_BIAS},
      {"relu bias", CUBLASLT_EPILOGUE_RELU_BIAS},
      {"relu aux bias", CUBLASLT_EPILOGUE_RELU_AUX_BIAS},
      {"gelu bias", CUBLASLT_EPILOGUE_GELU_BIAS},
      {"gelu aux bias", CUBLASLT_EPILOGUE_GELU_AUX_BIAS},
      {"bgrada", CUBLASLT_EPILOGUE_BGRADA},
      {"bgradb", CUBLASLT_EPILOGUE_BGRADB},
      {"drelu", CUBLASLT_EPILOGUE_DRELU},
      {"drelu bgrad", CUBLASLT_EPILOGUE_DRELU_BGRAD},
      {"dgelu bgrad", CUBLASLT_EPILOGUE_DGELU_BGRAD}};
  static constexpr std::pair<const char*, cublasComputeType_t> kCompute[] = {
      {"strict", CUBLAS_COMPUTE_32F}, {"tf32", CUBLAS_COMPUTE_32F_FAST_TF32}, {"bf16", CUBLAS_COMPUTE_32F_FAST_16BF}};
  std::vector<Row> all;
  for (const auto& [name, epilogue] : kEpilogues) {
    for (const auto& [precision, compute] : kCompute) {
      for (const auto& size : {std::array{512, 784, 32}, std::array{48, 40, 64}}) {
        std::string note;
        for (const bool a : {false, true}) {
          for (const bool b : {false, true}) {
            note += std::string(a ? " T" : " N") + (b ? "T " : "N ");
            for (const bool fixed : {false, true}) {
              note += std::to_string(algorithms(epilogue, compute, a, b, fixed, size[0], size[1], size[2])) +
                      (fixed ? "" : "/");
            }
          }
        }
        all.push_back({"offers", std::string("epilogue ") + name + " " + precision + " m " + std::to_string(size[0]), 0,
                       "count", 0, 0, note});
      }
    }
  }
  return all;
}

#else
std::vector<Row> epilogues() { return {}; }
#endif

struct Layer {
  const char* name;
  kernels::ConvSizes sizes;  // with a batch of 1
};
const std::vector<Layer>& layers() {
  static const std::vector<Layer> all = {
      {"lenet 1", {1, 1, 28, 28, 6, 5, 5, 28, 28, {.padding = {2, 2}}}},
      {"lenet 2", {1, 6, 14, 14, 16, 5, 5, 10, 10, {}}},
      {"resnet 3-16", {1, 3, 32, 32, 16, 3, 3, 32, 32, {.padding = {1, 1}}}},
      {"resnet 16-16", {1, 16, 32, 32, 16, 3, 3, 32, 32, {.padding = {1, 1}}}},
      {"resnet 32-32", {1, 32, 16, 16, 32, 3, 3, 16, 16, {.padding = {1, 1}}}},
      {"resnet 64-64", {1, 64, 8, 8, 64, 3, 3, 8, 8, {.padding = {1, 1}}}},
      {"resnet 16-32/2", {1, 16, 32, 32, 32, 3, 3, 16, 16, {.stride = {2, 2}, .padding = {1, 1}}}},
      {"resnet 32-64/2", {1, 32, 16, 16, 64, 3, 3, 8, 8, {.stride = {2, 2}, .padding = {1, 1}}}},
      {"resnet 1x1 16-32/2", {1, 16, 32, 32, 32, 1, 1, 16, 16, {.stride = {2, 2}}}},
      {"resnet 1x1 32-64/2", {1, 32, 16, 16, 64, 1, 1, 8, 8, {.stride = {2, 2}}}}};
  return all;
}

std::string bytes_after(const std::function<void()>& run, const Tensor& result) {
  run();
  const Tensor here = kernels::to_device(result, Device::cpu());
  return {reinterpret_cast<const char*>(here.raw_data()), static_cast<std::size_t>(here.numel()) * 4};
}

/// Every engine that cuDNN names for a convolution, with its time.
std::vector<Row> engines_of(const Layer& layer, std::int64_t batch, kernels::ConvPass pass, Precision precision,
                            bool channels_last, Size size) {
  kernels::ConvSizes z = layer.sizes;
  z.n = batch;
  // Enough bytes for f32, whatever the precision; zeros would be too fast to be true, so any bits that are no NaN.
  const Tensor x = random({z.n, z.c, z.h, z.w}, 1), weight = random({z.k, z.c, z.r, z.s}, 2),
               y = random({z.n, z.k, z.p, z.q}, 3);
  static constexpr const char* kPassNames[] = {"forward", "input", "weight"};
  const std::string name = std::string(layer.name) + " batch " + std::to_string(batch) + " " +
                           kPassNames[static_cast<std::size_t>(pass)] + " " + std::string(kernels::name(precision)) +
                           (channels_last ? " NHWC" : " NCHW");
  std::vector<Row> all;
  const Tensor& result = pass == kernels::ConvPass::forward ? y : pass == kernels::ConvPass::input_grad ? x : weight;
  dnn::for_each_offer({pass, z, precision, channels_last}, x.raw_data(), weight.raw_data(), y.raw_data(),
                      [&](const dnn::Offer& offer) {
                        const auto rows = guarded("engines", name, [&] {
                          const Timing t = time_briefly(offer.run, size);
                          const bool same = bytes_after(offer.run, result) == bytes_after(offer.run, result);
                          return Row{"",
                                     "",
                                     t.seconds * 1e6,
                                     "us",
                                     0,
                                     0,
                                     offer.place + (offer.is_acceptable ? " ok=1" : " ok=0") +
                                         (same ? " same=1 " : " same=0 ") + offer.choice.to_string()};
                        });
                        all.insert(all.end(), rows.begin(), rows.end());
                      });
  return all;
}

}  // namespace

std::vector<Row> offers(Size) {
  try {
    return epilogues();
  } catch (const std::exception& e) {
    return {{"offers", "libraries", 0, "error", 0, 0, e.what()}};
  }
}

std::vector<Row> engines(Size size) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + std::chrono::seconds(size == Size::full ? 100 : 5);
  struct Way {
    Precision precision;
    bool channels_last;
  };
  static constexpr Way kWays[] = {
      {Precision::strict, false}, {Precision::strict, true}, {Precision::tf32, true}, {Precision::bf16, true}};
  std::vector<Row> all;
  if (!dnn::available()) return all;
  for (const std::int64_t batch : {32, 512, 128}) {
    for (const Way& way : kWays) {
      for (const Layer& layer : layers()) {
        for (const auto pass :
             {kernels::ConvPass::forward, kernels::ConvPass::input_grad, kernels::ConvPass::weight_grad}) {
          if (Clock::now() > end) return all;
          try {
            const std::vector<Row> rows = engines_of(layer, batch, pass, way.precision, way.channels_last, size);
            all.insert(all.end(), rows.begin(), rows.end());
          } catch (const std::exception& e) {
            all.push_back({"engines", layer.name, 0, "error", 0, 0, e.what()});
          }
        }
      }
    }
  }
  return all;
}

}  // namespace hop::bench::gpu
