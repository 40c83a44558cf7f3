// The secret of one run: who knows it was started by the run. It is proven (handshake.h), never sent, so that no other
// user of the machine can pose as one through loopback TCP. Not a substitute for keys between machines. Internal to
// Hopscotch.
#pragma once

#include <string>

namespace hop::hopper {

/// How a child process gets it: the environment is readable by its owner alone, a command line by everybody.
inline constexpr const char* kTokenVariable = "HOP_RUN_TOKEN";

/// 128 random bits from the operating system, as hex. Throws RunError when it has none.
std::string make_token();

}  // namespace hop::hopper
