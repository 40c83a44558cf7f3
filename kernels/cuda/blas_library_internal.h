// cuBLASLt's functions, found at run time, under their own names.
#pragma once

#if !defined(HOP_SIMT) && __has_include(<cublasLt.h>)
#define HOP_HAS_CUBLASLT
#include <cublasLt.h>

#include <string>

namespace hop::kernels::cuda::blas {

struct Lt {
#define HOP_LT_FUNCTIONS(f)                                                                                     \
  f(cublasLtCreate) f(cublasLtGetVersion) f(cublasLtGetStatusName) f(cublasLtGetStatusString) f(cublasLtMatmul) \
      f(cublasLtMatmulDescCreate) f(cublasLtMatmulDescDestroy) f(cublasLtMatmulDescSetAttribute)                \
          f(cublasLtMatrixLayoutCreate) f(cublasLtMatrixLayoutDestroy) f(cublasLtMatrixLayoutSetAttribute)      \
              f(cublasLtMatmulPreferenceCreate) f(cublasLtMatmulPreferenceDestroy)                              \
                  f(cublasLtMatmulPreferenceSetAttribute) f(cublasLtMatmulAlgoGetHeuristic)                     \
                      f(cublasLtMatmulAlgoConfigGetAttribute)
#define HOP_DECLARE(name) decltype(&::name) name = nullptr;
  HOP_LT_FUNCTIONS(HOP_DECLARE)
#undef HOP_DECLARE
  std::string why_not;  // "" if all were found
};

/// The functions; the first call looks for the library.
const Lt& lt();

/// Throws CudaError unless `status` is success; `call` is the call that returned it.
void check(cublasStatus_t status, const char* call);

/// The handle of the current device. Throws CudaError if cuBLASLt refuses (without a driver, for one).
cublasLtHandle_t handle();

}  // namespace hop::kernels::cuda::blas
#endif
