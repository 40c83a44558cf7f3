#include "hopper/serve.h"

#include "hopper/detail/worker.h"

namespace hop::hopper {

void serve(const ServeOptions& options) {
  Worker worker({.peer = {WorkerId(options.worker), Incarnation(options.incarnation)},
                 .coordinator = options.coordinator,
                 .token = options.token,
                 .node_folder = options.node_folder,
                 .experiment = nullptr,
                 .memory = nullptr,
                 .devices = {}});
  worker.run();
}

}  // namespace hop::hopper
