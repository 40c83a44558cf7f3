// The network between two workers, and how long an exchange between replicas takes on it.
#pragma once

#include <cstdint>

namespace hop::hopper {
class DataParallel;
}

namespace hop::hopper::simulate {

/// Rate and latency between two workers, the same in both directions.
struct Link {
  double bytes_per_second = 0;
  double latency_seconds = 0;
};

/// The seconds of `rounds` exchanges of `bytes` in all between workers, of which so many add up
/// (DataParallel::servers). Each takes two messages, or three where weights are averaged, and the time of its bytes on
/// the busiest link, that of a server: all servers' links carry equally much at the same time, first in, then out.
/// Nothing is hidden behind computation. 0 where no byte is sent.
double exchange_seconds(const DataParallel& strategy, std::uint32_t servers, std::uint64_t bytes, double rounds,
                        const Link& link);

/// How much longer such exchanges take in a ring: 2 (members - 1) messages one after the other, instead of 2.
double ring_delay_seconds(std::uint32_t members, double rounds, const Link& link);

}  // namespace hop::hopper::simulate
