// A file with a [job] table: sizes and times instead of an experiment. For hop simulate.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "hopper/simulate/job.h"

namespace hop::cli {

/// The job of a file; none for a file without a table [job], and for one that is no TOML. `overrides` are key=value
/// pairs such as `job.workers=8`. Other tables beside [job] may be of other programs, and are not read. Throws
/// ConfigError that names file, line and key.
///
///   [job]
///   rows = 1281167
///   data_bytes = 250e9
///   epochs = 10
///   workers = 8
///   network = "10Gbit,0.05ms"
///
///   [[job.models]]
///   name = "resnet50"
///   count = 8
///   epoch_seconds = 3200   # one worker, all rows
///   batch = 32
///   weight_bytes = 102e6
///   state_bytes = 307e6
///
/// `data_scale` multiplies rows, data_bytes and epoch_seconds.
std::optional<hopper::simulate::Job> read_job(const std::string& path, std::span<const std::string> overrides);

}  // namespace hop::cli
