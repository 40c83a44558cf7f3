#include "kernels/versions.h"

#include <oneapi/dnnl/dnnl.h>

namespace hop::kernels {

std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

}  // namespace hop::kernels
