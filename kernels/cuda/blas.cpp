#include "kernels/cuda/blas.h"

#include <array>
#include <map>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "kernels/cuda/blas_library_internal.h"
#include "tensor/storage.h"

namespace hop::kernels::cuda::blas {

namespace {

/// The bits of a row of `aux`.
std::size_t aux_columns(const Product& p) { return align_up(static_cast<std::size_t>(p.n), 128); }

}  // namespace

std::size_t aux_bytes(const Product& p) {
  return p.epilogue == Epilogue::relu_grad ? aux_columns(p) / 8 * static_cast<std::size_t>(p.m) : 0;
}

#ifdef HOP_HAS_CUBLASLT
namespace {

constexpr std::size_t kMaxWorkspace = std::size_t{32} << 20;  // cuBLAS's recommendation for Hopper

// ---- owners of cuBLASLt's descriptions

struct Destroy {
  void operator()(cublasLtMatmulDesc_t d) const { lt().cublasLtMatmulDescDestroy(d); }
  void operator()(cublasLtMatrixLayout_t d) const { lt().cublasLtMatrixLayoutDestroy(d); }
  void operator()(cublasLtMatmulPreference_t d) const { lt().cublasLtMatmulPreferenceDestroy(d); }
};
template <class Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy>;
using Description = Owned<cublasLtMatmulDesc_t>;
using Layout = Owned<cublasLtMatrixLayout_t>;

template <class T>
void set(const Description& d, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  check(lt().cublasLtMatmulDescSetAttribute(d.get(), attribute, &value, sizeof(T)), "cublasLtMatmulDescSetAttribute");
}
template <class T>
void set(const Layout& d, cublasLtMatrixLayoutAttribute_t attribute, const T& value) {
  check(lt().cublasLtMatrixLayoutSetAttribute(d.get(), attribute, &value, sizeof(T)),
        "cublasLtMatrixLayoutSetAttribute");
}
template <class T>
void set(const Owned<cublasLtMatmulPreference_t>& d, cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
  check(lt().cublasLtMatmulPreferenceSetAttribute(d.get(), attribute, &value, sizeof(T)),
        "cublasLtMatmulPreferenceSetAttribute");
}

// ---- from a Product to cuBLASLt's terms
// cuBLASLt is column-major: read column by column, our row-major d = a b is d^T = b^T a^T. So its A is our b, its B our
// a, and its bias (a value per row of d^T) is our bias (a value per column of d).

cudaDataType_t type_of(const Product& p) { return p.dtype == DType::f64 ? CUDA_R_64F : CUDA_R_32F; }

cudaDataType_t type_of_factors(const Product& p) {
  if (!p.rounded_factors) return type_of(p);
  return p.precision == Precision::f16 ? CUDA_R_16F : CUDA_R_16BF;
}

cublasComputeType_t compute_type(const Product& p) {
  if (p.dtype == DType::f64) return CUBLAS_COMPUTE_64F;
  if (p.rounded_factors) return CUBLAS_COMPUTE_32F;
  switch (p.precision) {
    case Precision::tf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Precision::bf16:
      return CUBLAS_COMPUTE_32F_FAST_16BF;
    case Precision::f16:
      return CUBLAS_COMPUTE_32F_FAST_16F;
    case Precision::strict:
      break;
  }
  return CUBLAS_COMPUTE_32F;
}

cublasLtEpilogue_t epilogue_of(Epilogue epilogue) {
  static constexpr std::array kNames = {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_BGRADB,
                                        CUBLASLT_EPILOGUE_DRELU};
  return kNames.at(static_cast<std::size_t>(epilogue));
}

/// A matrix of rows x columns as cuBLASLt reads it: row by row, or column by column if transposed.
Layout make_layout(const Product& p, cudaDataType_t type, std::int64_t rows, std::int64_t columns, bool transposed,
                   std::int64_t ld, std::int64_t step) {
  cublasLtMatrixLayout_t raw = nullptr;
  const std::int64_t inner = transposed ? rows : columns;
  const std::int64_t outer = transposed ? columns : rows;
  check(lt().cublasLtMatrixLayoutCreate(&raw, type, static_cast<std::uint64_t>(inner),
                                        static_cast<std::uint64_t>(outer), ld == 0 ? inner : ld),
        "cublasLtMatrixLayoutCreate");
  Layout layout(raw);
  set(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(p.batch));
  set(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, step);
  return layout;
}

/// Everything about a product but its addresses.
struct Plan {
  Description description;
  Layout a, b, d;  // ours: a is cuBLASLt's B
  cublasLtMatmulAlgo_t algorithm{};
  std::size_t workspace = 0;
};

Description make_description(const Product& p) {
  cublasLtMatmulDesc_t raw = nullptr;
  check(lt().cublasLtMatmulDescCreate(&raw, compute_type(p), type_of(p)), "cublasLtMatmulDescCreate");
  Description d(raw);
  set(d, CUBLASLT_MATMUL_DESC_TRANSA, p.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(d, CUBLASLT_MATMUL_DESC_TRANSB, p.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(d, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(p.epilogue));
  if (aux_bytes(p) != 0) set(d, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, static_cast<std::int64_t>(aux_columns(p)));
  return d;
}

/// The heuristic's first choice among algorithms that add in a fixed order: without split-k, or with its parts kept in
/// the workspace and added one after another. False if there is none.
bool choose(const Product& p, Plan& plan) {
  cublasLtMatmulPreference_t raw = nullptr;
  check(lt().cublasLtMatmulPreferenceCreate(&raw), "cublasLtMatmulPreferenceCreate");
  const Owned<cublasLtMatmulPreference_t> preference(raw);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMaxWorkspace);
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    set(preference, attribute, static_cast<std::uint32_t>(p.alignment));
  }
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  const cublasStatus_t status =
      lt().cublasLtMatmulAlgoGetHeuristic(handle(), plan.description.get(), plan.b.get(), plan.a.get(), plan.d.get(),
                                          plan.d.get(), preference.get(), 1, &result, &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return false;
  check(status, "cublasLtMatmulAlgoGetHeuristic");
  if (found == 0 || result.state != CUBLAS_STATUS_SUCCESS) return false;
  plan.algorithm = result.algo;
  plan.workspace = result.workspaceSize;
  return true;
}

std::optional<Plan> make_plan(const Product& p) {
  handle();  // throws the reason if there is no handle
  Plan plan{make_description(p), make_layout(p, type_of_factors(p), p.m, p.k, p.a_transposed, p.a_ld, p.a_step),
            make_layout(p, type_of_factors(p), p.k, p.n, p.b_transposed, p.b_ld, p.b_step),
            make_layout(p, type_of(p), p.m, p.n, false, 0, p.d_step)};
  if (!choose(p, plan)) return std::nullopt;
  return plan;
}

/// The plan of a product on the current device, made once; null if cuBLASLt knows no algorithm. The pointers in a
/// description (bias, aux) change from call to call, so each thread has its own plans. The plans of all threads are
/// equal, because the heuristic is a function.
Plan* plan_for(const Product& p) {
  thread_local std::map<std::pair<int, Product>, std::optional<Plan>> plans;
  const std::pair key(current_device(), p);
  auto found = plans.find(key);
  if (found == plans.end()) found = plans.emplace(key, make_plan(p)).first;
  return found->second ? &*found->second : nullptr;
}

}  // namespace

bool available() { return lt().why_not.empty(); }
const std::string& why_not_available() { return lt().why_not; }
std::string version() { return available() ? std::to_string(lt().cublasLtGetVersion()) : "none"; }

bool multiply(const Product& p, const Operands& x) {
  Plan* const found = plan_for(p);
  if (found == nullptr) return false;
  const Plan& plan = *found;
  if (x.bias != nullptr) set(plan.description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, x.bias);
  if (x.aux != nullptr) set(plan.description, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, x.aux);
  const Storage workspace(plan.workspace, Device::cuda(static_cast<std::int16_t>(current_device())));
  const float one = 1, beta = p.accumulate ? 1 : 0;
  const double one64 = 1, beta64 = beta;
  const bool f64 = p.dtype == DType::f64;
  check(lt().cublasLtMatmul(handle(), plan.description.get(), f64 ? static_cast<const void*>(&one64) : &one, x.b,
                            plan.b.get(), x.a, plan.a.get(), f64 ? static_cast<const void*>(&beta64) : &beta, x.d,
                            plan.d.get(), x.d, plan.d.get(), &plan.algorithm, workspace.data(), plan.workspace,
                            current_stream()),
        "cublasLtMatmul");
  return true;
}

std::string choice(const Product& p) {
  const Plan* const found = plan_for(p);
  if (found == nullptr) throw DeviceError("[cublasLt] no algorithm adds in a fixed order here");
  const Plan& plan = *found;
  std::string text = "cublasLt " + std::to_string(lt().cublasLtGetVersion()) + ":";
  const auto append = [&]<class T>(const char* name, cublasLtMatmulAlgoConfigAttributes_t attribute, T value) {
    check(lt().cublasLtMatmulAlgoConfigGetAttribute(&plan.algorithm, attribute, &value, sizeof(T), nullptr),
          "cublasLtMatmulAlgoConfigGetAttribute");
    text += " " + std::string(name) + " " + std::to_string(value);
  };
  append("id", CUBLASLT_ALGO_CONFIG_ID, std::int32_t{});
  append("tile", CUBLASLT_ALGO_CONFIG_TILE_ID, std::uint32_t{});
  append("stages", CUBLASLT_ALGO_CONFIG_STAGES_ID, std::uint32_t{});
  append("split-k", CUBLASLT_ALGO_CONFIG_SPLITK_NUM, std::int32_t{});
  append("reduction", CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, std::uint32_t{});
  append("swizzle", CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING, std::uint32_t{});
  append("custom", CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION, std::uint32_t{});
  append("inner", CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID, std::uint16_t{});
  append("cluster", CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID, std::uint16_t{});
  return text + " workspace " + std::to_string(plan.workspace);
}

#else  // built without cuBLASLt's headers

bool available() { return false; }
std::string version() { return "none"; }
const std::string& why_not_available() {
  static const std::string why = "this program was built without cuBLASLt's headers";
  return why;
}
bool multiply(const Product&, const Operands&) { throw DeviceError("[cublasLt] " + why_not_available()); }
std::string choice(const Product&) { throw DeviceError("[cublasLt] " + why_not_available()); }

#endif

}  // namespace hop::kernels::cuda::blas
