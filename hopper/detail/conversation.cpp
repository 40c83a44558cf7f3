#include "hopper/detail/conversation.h"

#include "base/words.h"

namespace hop::hopper::detail {
namespace {

constexpr std::size_t kLongestName = 32;  // of an instruction set

}  // namespace

void fail_unexpected(const net::Message& received, const std::string& expected) {
  if (received.kind == message::kKind<message::Refused>) {
    const auto refused = message_in<message::Refused>(received);
    throw RefusedError("[hello] refused: " + refused.reason, refused.may_ask_again,
                       printable(refused.isa.value_or(""), kLongestName));
  }
  throw NetError("[message] expected " + expected + ", got " + message::name_of(received.kind));
}

}  // namespace hop::hopper::detail
