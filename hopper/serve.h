// A worker process: the work of `hop worker`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace hop::hopper {

struct ServeOptions {
  std::string coordinator{};  ///< address, such as unix:/run/user/1000/hop-x/coordinator
  std::uint32_t worker = 0;
  std::uint32_t incarnation = 1;
  std::string token{};                  ///< the run's secret; `hop worker` takes it from the pipe at kTokenDescriptor
  std::filesystem::path node_folder{};  ///< for model states; created if it does not exist
};

/// Serves the coordinator until it says that the run is over. Throws NetError if the coordinator is gone. If this
/// worker cannot serve, tells the coordinator and throws ConfigError or DataError.
void serve(const ServeOptions& options);

}  // namespace hop::hopper
