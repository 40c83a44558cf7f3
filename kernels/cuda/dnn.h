// Convolutions through cuDNN's graph interface; cuDNN is looked for at run time. For each convolution the engines are
// tried in the heuristics' order, without timing. The first one with acceptable notes is kept: never an engine that is
// nondeterministic or sums in less than f32, and for strict f32 none that uses tensor cores or shortens its inputs. So
// the bits of a convolution depend on its values, its Convolution, the card and cuDNN's version alone.
//
// Plans can also be made from the description of a card that is not there. So a machine without a GPU can test that
// plans exist and which notes they carry.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/conv_operations.h"
#include "kernels/precision.h"

namespace hop::kernels::cuda::dnn {

/// One convolution of f32 (Precision strict, tf32), bf16 or f16 tensors (Precision bf16, f16), sums in f32. All three
/// tensors are dense, channels last (NHWC, KRSC) or not (NCHW, KCRS), on 16 bytes.
struct Convolution {
  ConvPass pass;
  ConvSizes sizes;
  Precision precision = Precision::strict;
  bool channels_last = false;
};

/// Whether cuDNN was found.
bool available();
const std::string& why_not_available();
/// cuDNN's own version number; "none" if it was not found.
std::string version();

/// Computes the one of x, weight and y that the pass names, on the current stream. If no engine is acceptable, does
/// nothing and returns false. Throws CudaError.
[[nodiscard]] bool convolve(const Convolution& convolution, void* x, void* weight, void* y);

/// The engine that was chosen for a convolution.
struct Choice {
  std::int64_t engine = 0;    ///< cuDNN's number of the engine
  std::size_t workspace = 0;  ///< bytes
  /// "TENSOR_CORE", "WINOGRAD", "RUNTIME_COMPILATION", ..; "NUMERICAL_11" for a note of a newer cuDNN.
  std::vector<std::string> notes;
  std::size_t offered = 0;  ///< engines that the heuristic named
  std::size_t dropped = 0;  ///< engines before the chosen one that had unacceptable notes or no plan

  /// "cuDNN 91900: engine 7 workspace 0 TENSOR_CORE", for the record of a run.
  std::string to_string() const;
};
/// The choice on the current device. Throws DeviceError if no engine is acceptable.
Choice choice(const Convolution& convolution);
/// The choice on the device that `description` describes, in the JSON form of
/// CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION.
Choice choice_for_device(const Convolution& convolution, const std::string& description);

/// An engine that a heuristic names, for measurements.
struct Offer {
  Choice choice;
  std::string place;           ///< the heuristic's mode and the engine's rank there: "A 0", "B 2", "FALLBACK 0"
  bool is_acceptable = false;  ///< convolve() may use it
  std::function<void()> run;   ///< queues the convolution with this engine
};
/// Visits every engine that has a plan on the current device.
void for_each_offer(const Convolution& convolution, void* x, void* weight, void* y,
                    const std::function<void(const Offer&)>& visit);

}  // namespace hop::kernels::cuda::dnn
