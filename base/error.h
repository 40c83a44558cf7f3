// Every error that Hopscotch throws. The library never aborts, exits or prints: it throws one of these errors. The
// message says what was expected, what was found, and where.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace hop {

/// The base of all errors of the library.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A tensor has the wrong shape: `[matmul] expected (4, 3) x (3, n), got (4, 3) x (2, 5)`.
struct ShapeError : Error {
  using Error::Error;
};
/// A tensor has the wrong dtype.
struct DtypeError : Error {
  using Error::Error;
};
/// Tensors live on different devices, or a device cannot do the requested work.
struct DeviceError : Error {
  using Error::Error;
};
/// A call of the CUDA runtime, cuBLASLt or cuDNN failed:
/// `[cudaMalloc] expected success, got cudaErrorMemoryAllocation (2: out of memory)`.
struct CudaError : DeviceError {
  CudaError(const std::string& message, std::string failed_call, int error_code, std::string error_name,
            bool is_sticky = false)
      : DeviceError(message),
        call(std::move(failed_call)),
        code(error_code),
        name(std::move(error_name)),
        sticky(is_sticky) {}

  std::string call;  ///< "cudaMalloc"
  int code;          ///< the library's number
  std::string name;  ///< "cudaErrorMemoryAllocation"
  /// A kernel failed, and this process can no longer use the device: every later call fails. Restart the process.
  bool sticky;
};
/// An index or dimension lies outside its range.
struct IndexError : Error {
  using Error::Error;
};
/// An allocation passed the limit that was set, or the system has no memory.
struct MemoryError : Error {
  using Error::Error;
};
/// Misuse of automatic differentiation: no graph, freed graph, a saved tensor overwritten.
struct AutogradError : Error {
  using Error::Error;
};
/// A wrong experiment file, option or model spec; names file, line, key and the nearest valid key.
struct ConfigError : Error {
  using Error::Error;
};
/// A data set or partition file is missing, truncated or corrupt.
struct DataError : Error {
  using Error::Error;
};
/// A saved model state or safetensors file is missing, truncated, corrupt or of another model.
struct StateError : Error {
  using Error::Error;
};
/// A peer is gone, or sent bytes that are not a valid frame or message.
struct NetError : Error {
  using Error::Error;
};
/// A wait passed its deadline.
struct TimeoutError : NetError {
  using NetError::NetError;
};
/// The run's journal cannot be written, or is corrupt before its tail.
struct JournalError : Error {
  using Error::Error;
};
/// A run failed as a whole; the message names the cause.
struct RunError : Error {
  using Error::Error;
};

}  // namespace hop
