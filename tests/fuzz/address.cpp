// Addresses (net/transport.h), as workers tell them.
#include "net/transport.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

void run(ByteView input) {
  const net::Address address = net::Address::parse(as_text(input));
  require(net::Address::parse(address.text()) == address, "an address is the same after another trip");
}

}  // namespace

constinit const Target kAddress{"address", run};

}  // namespace hop::fuzz
