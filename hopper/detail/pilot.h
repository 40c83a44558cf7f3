// What a run would be in sizes and times, measured before its first lease. Internal to Hopscotch.
#pragma once

#include "data/dataset.h"
#include "hopper/experiment.h"
#include "hopper/run.h"
#include "hopper/simulate/job.h"

namespace hop::hopper {

/// Models beyond these count as their mean; so many architectures are built and timed at most.
inline constexpr std::size_t kTimedArchitectures = 8;

/// The first models of the search as a job: state and gradient bytes are exact, times are measured. One model of each
/// architecture trains for about a quarter of a second on this machine, on the device and the threads of a worker, with
/// nothing beside it. What it learns is dropped. `network` is that of workers of this machine. At most three epochs,
/// and at most so many models that run_job() takes a second or two, are described: the share of the models that hop
/// together is that of the run. `experiment` has a strategy that is not kAuto. Throws ConfigError, DataError and
/// DeviceError as a run would.
simulate::Job measure_job(const Experiment& experiment, const data::Dataset& dataset, const RunOptions& options);

}  // namespace hop::hopper
