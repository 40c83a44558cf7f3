#include "hopper/detail/conversation.h"

namespace hop::hopper::detail {

void fail_unexpected(const net::Message& received, const std::string& expected) {
  if (received.kind == message::kKind<message::Refused>) {
    const auto refused = message_in<message::Refused>(received);
    throw RefusedError("[hello] refused: " + refused.reason, refused.may_ask_again, refused.isa);
  }
  throw NetError("[message] expected " + expected + ", got " + message::name_of(received.kind));
}

}  // namespace hop::hopper::detail
