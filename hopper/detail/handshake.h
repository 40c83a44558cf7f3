// How two processes of a run find out that they belong to it: each proves that it knows the run's secret, and neither
// says it. Internal to Hopscotch.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "hopper/detail/messages.h"
#include "net/connection.h"

namespace hop::hopper {

/// Who listens at the address that a worker calls.
enum class HostRole : std::uint8_t { Coordinator, Worker };

/// The host says that it does not want this caller, and why; calling again would not help.
struct RefusedError : NetError {
  using NetError::NetError;
};

/// A frame of a stranger holds at most this much; the longest of ours has less than half of it.
inline constexpr std::uint32_t kMaxStrangersBytes = 1024;

/// The caller's side, right after connecting: says `hello` (its nonce is made here), checks the host's proof and gives
/// its own. Throws RefusedError, or NetError when the host is no process of this run or gone.
net::Awaitable<void> introduce_self(std::shared_ptr<net::Connection> host, HostRole role, std::string secret,
                                    message::Hello hello, net::Deadline deadline);

/// The host's side. `on_word` is called when the first message has come. Returns the Hello of a caller that has proven
/// itself. Throws NetError that says why not (wrong secret, another protocol, no Hopscotch at all), after telling the
/// caller.
net::Awaitable<message::Hello> examine(std::shared_ptr<net::Connection> caller, HostRole role, std::string secret,
                                       net::Deadline deadline, std::function<void()> on_word = {});

/// Tells the caller why it is not wanted, and ends the connection.
net::Awaitable<void> refuse(std::shared_ptr<net::Connection> caller, std::string reason);

}  // namespace hop::hopper
