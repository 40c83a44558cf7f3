// A program that another one has started ends with it.
#pragma once

namespace hop::cli {

/// From now on this process ends, with kRunFailed and a line on stderr, when its standard input ends: the program that
/// holds the other end of the pipe is gone. What is read before is ignored.
void end_with_stdin();

}  // namespace hop::cli
