#include "kernels/cuda/blas_library_internal.h"

#ifdef HOP_HAS_CUBLASLT
#include <map>
#include <mutex>

#include "base/error.h"
#include "kernels/cuda/library.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda::blas {

const Lt& lt() {
  static const Lt functions = [] {
    Lt t;
    const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
    Library library({name.c_str()});
#define HOP_FIND(name) library.find(t.name, #name);
    HOP_LT_FUNCTIONS(HOP_FIND)
#undef HOP_FIND
    t.why_not = library.why_not();
    return t;
  }();
  return functions;
}

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  expect_live_device();
  const int code = static_cast<int>(status);
  const std::string name = lt().cublasLtGetStatusName(status);
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw MemoryError("[" + std::string(call) + "] " + name);
  throw CudaError("[" + std::string(call) + "] expected success, got " + name + " (" + std::to_string(code) + ": " +
                      lt().cublasLtGetStatusString(status) + ")",
                  call, code, name);
}

cublasLtHandle_t handle() {
  if (!lt().why_not.empty()) throw DeviceError("[cublasLt] " + lt().why_not);
  static std::mutex mutex;
  static std::map<int, cublasLtHandle_t> handles;  // kept until the process ends, like the library
  const std::scoped_lock lock(mutex);
  cublasLtHandle_t& handle = handles[current_device()];
  if (handle == nullptr) check(lt().cublasLtCreate(&handle), "cublasLtCreate");
  return handle;
}

}  // namespace hop::kernels::cuda::blas
#endif
