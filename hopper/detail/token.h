// The secret of one run: a process that knows it was started by the run. The secret is proven (handshake.h) and never
// sent, so that no other user of the machine can pose as a worker over loopback TCP. It does not replace keys between
// machines. Internal to Hopscotch.
#pragma once

#include <string>

#include "base/files.h"
#include "net/key.h"

namespace hop::hopper {

/// 128 random bits from the operating system, as hex. Throws RunError if it has none.
std::string make_token();

/// The secret of a run of many machines: a function of its key, from which the key cannot be told.
std::string token_of(const net::RunKey& key);

/// The descriptor at which a worker process finds the secret: a pipe. Once read, the secret is gone from the pipe. A
/// command line, an environment or a file could be read by others, or later.
inline constexpr int kTokenDescriptor = 3;

/// Writes the secret into a new pipe and returns the reading end, which lies above kTokenDescriptor. Throws RunError if
/// the system has no pipe to give.
Descriptor token_pipe(const std::string& token);

/// Takes the secret out of the pipe at `descriptor` and closes it. Throws RunError if there is no pipe, or if the pipe
/// does not hold a secret of 32 hexadecimal digits.
std::string take_token(int descriptor);

}  // namespace hop::hopper
