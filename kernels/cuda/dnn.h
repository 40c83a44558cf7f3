// Convolutions through cuDNN's graph interface; cuDNN is looked for at run time. For each convolution the heuristics'
// engines are tried in their order, without timing anything, and the first whose notes are acceptable is kept: never
// one that is nondeterministic or sums in less than f32, and for strict f32 none that uses tensor cores or shortens its
// inputs. So the bits of a convolution depend on its values, its Convolution, the card and cuDNN's version alone.
//
// Plans can also be made for a card that is not there, from a description of it: so a machine without a GPU tests that
// plans exist and which notes they carry.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/operations_internal.h"
#include "kernels/precision.h"

namespace hop::kernels::cuda::dnn {

/// One convolution of f32 (Precision strict, tf32) or bf16 tensors (Precision bf16), sums in f32. All three tensors are
/// dense, channels last (NHWC, KRSC) or not (NCHW, KCRS), on 16 bytes.
struct Convolution {
  ConvPass pass;
  ConvSizes sizes;
  Precision precision = Precision::strict;
  bool channels_last = false;
};

/// Whether cuDNN was found.
bool available();
const std::string& why_not_available();
/// cuDNN's own number for its version; "none" where it was not found.
std::string version();

/// Computes the third of (x, weight, y) that the pass names, on the current stream. False, and nothing is done, where
/// no engine is acceptable. Throws CudaError.
[[nodiscard]] bool convolve(const Convolution& convolution, void* x, void* weight, void* y);

/// What was chosen for a convolution.
struct Choice {
  std::int64_t engine = 0;    ///< cuDNN's number of it
  std::size_t workspace = 0;  ///< bytes
  /// "TENSOR_CORE", "WINOGRAD", "RUNTIME_COMPILATION", ..; "NUMERICAL_11" for one that a newer cuDNN brought.
  std::vector<std::string> notes;
  std::size_t offered = 0;  ///< engines that the heuristic named
  std::size_t dropped = 0;  ///< of them, before the choice, for their notes or because no plan could be made

  /// "cuDNN 91900: engine 7 workspace 0 TENSOR_CORE", for the record of a run.
  std::string to_string() const;
};
/// On the current device. Throws DeviceError where no engine is acceptable.
Choice choice(const Convolution& convolution);
/// On the device that `description` describes, in the JSON form of CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION.
Choice choice_for_device(const Convolution& convolution, const std::string& description);

/// An engine that a heuristic names, for measurements.
struct Offer {
  Choice choice;
  std::string place;           ///< the heuristic's mode and the engine's rank there: "A 0", "B 2", "FALLBACK 0"
  bool is_acceptable = false;  ///< convolve() may use it
  std::function<void()> run;   ///< queues the convolution by it
};
/// Visits every engine that has a plan on the current device.
void for_each_offer(const Convolution& convolution, void* x, void* weight, void* y,
                    const std::function<void(const Offer&)>& visit);

}  // namespace hop::kernels::cuda::dnn
