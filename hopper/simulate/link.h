// The network between two workers, and how long an exchange between replicas takes on it.
#pragma once

#include <cstdint>

#include "hopper/strategy/group_wire.h"
#include "hopper/strategy/strategy.h"

namespace hop::hopper::simulate {

/// Rate and latency between two workers, the same in both directions.
struct Link {
  double bytes_per_second = 0;
  double latency_seconds = 0;
};

/// How the members of a group share.
struct Sharing {
  std::uint32_t members = 1;
  std::uint32_t servers = 1;                         ///< DataParallel::servers
  ReduceExchange exchange = ReduceExchange::Direct;  ///< DataParallel::exchange
  bool is_synchronised = false;                      ///< with synchronised BatchNorm layers
  bool is_pair = false;                              ///< as is_pair() says
};

/// Whether the members of the unit that begins with `first` share their gradients as PairMean does: two with one node
/// of the tree each, which both add up. For ReduceExchange::Direct.
bool is_pair(const Strategy& strategy, const Spread& spread, PartitionId first);

/// The seconds of `rounds` exchanges of `bytes` in all between W members. Each takes the latency of its messages one
/// after the other, and the time of its bytes on the busiest link. Nothing is hidden behind computation. 0 where no
/// byte is sent.
///
/// Messages. Direct: 2 for each bucket of gradients (bucket_count()), 1 in a pair; 3 where weights are averaged.
/// Gradients of synchronised layers have no buckets, and one message before, if they are more than
/// kFitsIntoAConnection. Ring: 2 (W - 1). HalvingDoubling: 2 log2 P, and 2 more if W is not P, the largest power of two
/// up to W. Busiest link. Direct: that of a server; all servers' links carry equally much at the same time, first in,
/// then out. Ring, and HalvingDoubling with W = P: that of any member. HalvingDoubling with other W: that of a member
/// into which another one is folded. It also carries all values before the halving, and once more after the doubling.
double exchange_seconds(Replicas replicas, const Sharing& sharing, std::uint64_t bytes, double rounds,
                        const Link& link);

/// The seconds of `rounds` meetings, in which W members tell each other the statistics of synchronised BatchNorm
/// layers: `bytes` of all meetings in all, of which the links of all members carry equally many at the same time, and a
/// latency for each meeting. 0 where no byte is sent.
double statistics_seconds(std::uint32_t members, std::uint64_t bytes, double rounds, const Link& link);

}  // namespace hop::hopper::simulate
