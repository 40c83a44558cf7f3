// The option --network: a rate and a latency.
#pragma once

#include <string>
#include <string_view>

#include "hopper/simulate/link.h"

namespace hop::cli {

/// `10Gbit,0.1ms`; without a latency: 0. `where` begins the message of the ConfigError: "[simulate] --network".
hopper::simulate::Link parse_network(const std::string& text, std::string_view where);

}  // namespace hop::cli
