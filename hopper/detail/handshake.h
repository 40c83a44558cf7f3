// How two processes recognise each other as parts of one run: each proves that it knows the run's secret, and neither
// sends it. Internal to Hopscotch.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "hopper/detail/conversation.h"

namespace hop::hopper {

/// The kind of process that listens at the address that a worker calls.
enum class HostRole : std::uint8_t { Coordinator, Worker };

/// A stranger's frame has at most this many bytes. Our longest frame has less than half of them.
inline constexpr std::uint32_t kMaxStrangersBytes = 1024;

/// The caller's side, right after connecting: sends `hello` (and makes its nonce), checks the host's proof and sends
/// its own. Throws RefusedError; NetError if the host is not a process of this run, or is gone.
net::Awaitable<void> introduce_self(std::shared_ptr<net::Connection> host, HostRole role, std::string secret,
                                    message::Hello hello, net::Deadline deadline);

/// The host's side. Calls `on_word` when the first message has arrived. Returns the Hello of a caller that has proven
/// itself. Otherwise tells the caller why not (wrong secret, another protocol, not Hopscotch) and throws NetError.
net::Awaitable<message::Hello> examine(std::shared_ptr<net::Connection> caller, HostRole role, std::string secret,
                                       net::Deadline deadline, std::function<void()> on_word = {});

/// Tells the caller why it is refused, and ends the connection.
net::Awaitable<void> refuse(std::shared_ptr<net::Connection> caller, std::string reason, bool may_ask_again = false,
                            std::string isa = {});

}  // namespace hop::hopper
