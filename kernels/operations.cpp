#include "kernels/operations_internal.h"

#include "base/error.h"
#include "tensor/dependencies.h"

namespace hop::kernels {

void expect_captured_on(Device device) {
  const Dependencies* const step = Dependencies::current();
  if (step->device() != device) {
    throw StateError("[capture] an operation on " + device.to_string() + " while a step on " +
                     step->device().to_string() + " is captured would not be replayed");
  }
}

void throw_no_cuda() { throw DeviceError("[device] this program has no cuda devices"); }

}  // namespace hop::kernels
