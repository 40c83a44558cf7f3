// The secret of one run: a process that knows it was started by the run. The secret is proven (handshake.h) and never
// sent, so that no other user of the machine can pose as a worker over loopback TCP. It does not replace keys between
// machines. Internal to Hopscotch.
#pragma once

#include <string>

#include "base/files.h"

namespace hop::hopper {

/// 128 random bits from the operating system, as hex. Throws RunError if it has none.
std::string make_token();

/// The descriptor at which a worker process finds the secret: a pipe, in which it is gone once it was read. A command
/// line, an environment and a file could be read by others, or later.
inline constexpr int kTokenDescriptor = 3;

/// A pipe with the secret in it; its reading end, which lies above kTokenDescriptor. Throws RunError when the system
/// has none to give.
Descriptor token_pipe(const std::string& token);

/// Takes the secret out of the pipe at `descriptor` and closes it. Throws RunError where there is no pipe, or one in
/// which there is no secret: 32 hexadecimal digits.
std::string take_token(int descriptor);

}  // namespace hop::hopper
