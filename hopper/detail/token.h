// The secret of one run: a worker shows it to the coordinator and to other workers, so that no other user of the
// machine can pose as one through loopback TCP. Not a substitute for keys between machines. Internal to Hopscotch.
#pragma once

#include <string>
#include <string_view>

namespace hop::hopper {

/// How a child process gets it: the environment is readable by its owner alone, a command line by everybody.
inline constexpr const char* kTokenVariable = "HOP_RUN_TOKEN";

/// 128 random bits from the operating system, as hex. Throws RunError when it has none.
std::string make_token();

/// Compares in constant time.
bool same_token(std::string_view a, std::string_view b);

}  // namespace hop::hopper
