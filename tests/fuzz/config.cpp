// A configuration as JSON (hopper/detail/config_json.h), as it comes in a lease.
#include "hopper/detail/config_json.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

void run(ByteView input) {
  const hopper::Config config = hopper::config_from_json(as_text(input));
  require(hopper::config_from_json(config.to_json()) == config, "a configuration is the same after another trip");
  (void)config.to_text();
}

}  // namespace

constinit const Target kConfig{"config", run};

}  // namespace hop::fuzz
