// A HeldState as named texts, the form in which the header of a state's file has it. Internal to Hopscotch.
#pragma once

#include "hopper/events.h"
#include "nn/state_file.h"

namespace hop::hopper {

/// The fields of `state`, as StateHeader::metrics has them. Without the digest and the size, which are in the header
/// anyway.
std::vector<std::pair<std::string, std::string>> to_fields(const HeldState& state);

/// The state of which the header tells. Throws StateError if a field is missing or no number.
HeldState from_header(const nn::StateHeader& header);

}  // namespace hop::hopper
