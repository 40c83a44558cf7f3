// A state on its way between two processes: our Connection with its frames and checksums, and the peer that it is
// measured against, plain blocking send() and recv() (over TLS: SSL_write() and SSL_read()) of the same bytes over the
// same kind of socket. In both, the receiver asks and the sender answers, once per repetition; both keep their memory
// from one repetition to the next.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstring>

#include "base/error.h"
#include "bench/fill.h"
#include "bench/ours.h"
#include "bench/plain_socket.h"
#include "bench/plain_tls.h"
#include "net/tls.h"

namespace hop::bench {
namespace {

using net::Awaitable;

/// The state: bytes in which a piece in the wrong place shows.
AlignedBuffer make_state(std::size_t bytes) {
  AlignedBuffer state(bytes);
  for (std::uint32_t i = 0; i + 4 <= bytes; i += 4) {
    const std::uint32_t word = mixed(7, i);
    std::memcpy(state.data() + i, &word, sizeof word);
  }
  return state;
}

/// A sum over every 4096th byte and its position, by which received states are compared.
double sample_of(ByteView state) {
  double sum = 0;
  for (std::size_t i = 0; i < state.size(); i += 4096)
    sum += std::to_integer<int>(state[i]) * static_cast<double>(i + 1);
  return sum;
}

constexpr std::uint16_t kFetch = 1, kState = 2;

/// Our two ends. Each has an io_context that runs while there is something to do, as a worker's network thread does.
struct Node {
  explicit Node(const std::string& text) : address(net::Address::parse(text)) {
    if (address.scheme == net::Address::Scheme::kTls) {
      transport = std::make_unique<net::TlsTransport>(context.get_executor(), bench_key());
    } else {
      transport = net::make_transport(address.scheme, context.get_executor());
    }
  }
  void finish(Awaitable<void> work) {
    std::exception_ptr error;
    net::asio::co_spawn(context, std::move(work), [&error](std::exception_ptr e) { error = e; });
    context.restart();
    context.run();
    if (error) std::rethrow_exception(error);
  }

  net::asio::io_context context{1};
  net::Address address;
  std::unique_ptr<net::Transport> transport;
  std::shared_ptr<net::Listener> listener;
  std::shared_ptr<net::Connection> peer;
};

Work our_sender(const std::string& address, std::size_t bytes) {
  const auto node = std::make_shared<Node>(address);
  node->listener = node->transport->listen(node->address);
  const auto state = std::make_shared<AlignedBuffer>(make_state(bytes));
  const auto serve = [](Node& n, ByteView payload, int repetitions) -> Awaitable<void> {
    if (!n.peer) n.peer = co_await n.listener->accept();
    for (int i = 0; i < repetitions; ++i) {
      co_await n.peer->receive();
      co_await n.peer->send(kState, as_bytes("a state"), payload);
    }
  };
  return [=](int repetitions) {
    const ByteView payload = std::as_const(*state).span();
    node->finish(serve(*node, payload, repetitions));
    return sample_of(payload);
  };
}

Work our_receiver(const std::string& address, std::size_t bytes) {
  const auto node = std::make_shared<Node>(address);
  const auto state = std::make_shared<AlignedBuffer>(bytes);
  const auto fetch = [](Node& n, MutableByteView into, int repetitions) -> Awaitable<void> {
    if (!n.peer) n.peer = co_await n.transport->connect(n.address);
    for (int i = 0; i < repetitions; ++i) {
      co_await n.peer->send(kFetch, as_bytes("a state, please"));
      co_await n.peer->receive();
      co_await n.peer->receive_payload(into);
    }
  };
  return [=](int repetitions) {
    node->finish(fetch(*node, state->span(), repetitions));
    return sample_of(state->span());
  };
}

// `Channel`: PlainSocket or PlainTls.
template <class Channel>
Work plain_sender(Channel opened, std::size_t bytes) {
  const auto channel = std::make_shared<Channel>(std::move(opened));
  const auto state = std::make_shared<AlignedBuffer>(make_state(bytes));
  return [=](int repetitions) {
    channel->accept_once();
    std::byte question{};
    for (int i = 0; i < repetitions; ++i) {
      channel->receive({&question, 1});
      channel->send(std::as_const(*state).span());
    }
    return sample_of(std::as_const(*state).span());
  };
}

template <class Channel>
Work plain_receiver(Channel opened, std::size_t bytes) {
  const auto channel = std::make_shared<Channel>(std::move(opened));
  const auto state = std::make_shared<AlignedBuffer>(bytes);
  return [=](int repetitions) {
    constexpr std::byte kQuestion{1};
    for (int i = 0; i < repetitions; ++i) {
      channel->send({&kQuestion, 1});
      channel->receive(state->span());
    }
    return sample_of(std::as_const(*state).span());
  };
}

Work plain_side(bool sends, const std::string& address, const std::string& buffers, std::size_t bytes) {
  const bool large = buffers == "large";
  PlainSocket socket = sends ? PlainSocket::listen(address, large) : PlainSocket::connect(address, large);
  if (net::Address::parse(address).scheme == net::Address::Scheme::kTls) {
    const auto side = sends ? net::TlsSide::kListener : net::TlsSide::kCaller;
    return sends ? plain_sender(PlainTls(std::move(socket), side), bytes)
                 : plain_receiver(PlainTls(std::move(socket), side), bytes);
  }
  return sends ? plain_sender(std::move(socket), bytes) : plain_receiver(std::move(socket), bytes);
}

}  // namespace

// what: hop send|receive ours|default|large ADDRESS BYTES
Work our_hop(const std::vector<std::string>& what) {
  const bool sends = what.at(1) == "send";
  const std::string &how = what.at(2), &address = what.at(3);
  const std::size_t bytes = std::stoull(what.at(4));
  if (how == "ours") return sends ? our_sender(address, bytes) : our_receiver(address, bytes);
  return plain_side(sends, address, how, bytes);
}

}  // namespace hop::bench
