// Events and actions as lines of text, for reading a run.
#pragma once

#include <string>
#include <string_view>

#include "hopper/events.h"
#include "hopper/worker/events.h"

namespace hop::hopper::simulate {

/// `RESULT w1.2 m3 unit 5 attempt 17`: worker 1 in its life 2 reports on model 3.
std::string to_text(const Event& event);

/// `SEND_LEASE w1.2 m3 unit 6 partition 2 attempt 18 from w0`
std::string to_text(const Action& action);
/// The same for the machine of a worker.
std::string to_text(const worker::Event& event);
std::string to_text(const worker::Action& action);
/// "state lost"
std::string_view failure_name(Failure failure);

}  // namespace hop::hopper::simulate
