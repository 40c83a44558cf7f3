// A worker process: the work of `hop worker`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace hop::hopper {

class RunControl;

struct ServeOptions {
  std::string coordinator{};  ///< address, such as unix:/run/user/1000/hop-x/coordinator
  std::uint32_t worker = 0;
  std::uint32_t incarnation = 1;
  std::string token{};                  ///< the run's secret; `hop worker` takes it from the pipe at kTokenDescriptor
  std::filesystem::path node_folder{};  ///< for model states; created if it does not exist
  /// More workers of this process, with the same incarnation. The node folder of worker N is wN beside `node_folder`.
  std::vector<std::uint32_t> beside{};
};

struct JoinOptions {
  std::string coordinator{};         ///< HOST:PORT
  std::filesystem::path key_file{};  ///< of the run's key
  /// Partitions of the run's data set (`hop data split`); empty: the coordinator's folder, which this machine sees,
  /// too.
  std::filesystem::path data_folder{};
  std::filesystem::path node_folder{};  ///< for model states; created if it does not exist
  std::string advertise{};       ///< the host by which other workers reach this one; empty: as the coordinator does
  std::uint16_t first_port = 0;  ///< of the range in which it listens; 0: any
  std::uint16_t last_port = 0;
  double patience = 600;  ///< seconds that it waits for a coordinator, or for a place
  /// Seconds for handing its states to other workers, once `control` has asked it to end.
  double leave_patience = 60;
  /// Asks it to end: it hands its states over first, or ends at once (RunControl::abort).
  RunControl* control = nullptr;
  /// Takes lines for people: that it waits, that it has lost its coordinator, that it leaves.
  std::function<void(const std::string& line)> on_notice = {};
};

/// The run computes with a lower instruction set than this process, which must begin anew with it (HOP_ISA=v3).
struct OtherIsaError : NetError {
  OtherIsaError(const std::string& why, std::string wanted) : NetError(why), isa(std::move(wanted)) {}
  std::string isa{};  ///< "x86-64-v3"
};

/// Joins a run of another machine, and serves it until the coordinator says that it is over. If the coordinator is
/// gone, waits for it, or for its successor on the same address, and joins again with what lies on the disk. If it is
/// asked to end, it tells the coordinator, which lets it go when its states lie at other workers; after
/// `leave_patience` it goes without that. Throws OtherIsaError, NetError when patience is over or no place fits;
/// ConfigError; DataError.
void join(const JoinOptions& options);

/// Serves the coordinator until it says that the run is over. Throws NetError if the coordinator is gone. If this
/// worker cannot serve, tells the coordinator and throws ConfigError or DataError. If one of several workers throws,
/// the others end, too.
void serve(const ServeOptions& options);

}  // namespace hop::hopper
