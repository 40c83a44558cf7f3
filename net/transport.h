// How connections come to be: addresses, listeners, and the interface that every transport implements.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/connection.h"
#include "net/deadline.h"

namespace hop::net {

/// An address at which a node listens. Its text form is `unix:/path/to/socket`, `tcp:127.0.0.1:7878`, `tcp:[::1]:7878`,
/// `tls:node-3:7878` or `memory:name`.
struct Address {
  enum class Scheme { kUnix, kTcp, kTls, kMemory };

  Scheme scheme = Scheme::kUnix;
  std::string host;        ///< the socket's path, the host, or the name
  std::uint16_t port = 0;  ///< tcp and tls only; 0 lets the system pick one when listening

  bool operator==(const Address&) const = default;
  std::string text() const;
  /// Throws ConfigError when the scheme is another.
  void require(Scheme wanted) const;

  /// Throws ConfigError that says what is wrong with `text`.
  static Address parse(std::string_view text);
  static Address unix_socket(std::string path);
  static Address tcp(std::string host, std::uint16_t port);
  static Address tls(std::string host, std::uint16_t port);
  static Address memory(std::string name);
};

/// A listener could not accept just now, but may be tried again: the process or the system has no file descriptor left,
/// or the visitor has gone again.
struct AcceptError : NetError {
  AcceptError(const std::string& message, bool no_descriptor) : NetError(message), out_of_files(no_descriptor) {}
  bool out_of_files;
};

/// Accepts connections. Hold it by shared_ptr; functions may be called from any thread.
class Listener {
 public:
  virtual ~Listener() = default;

  /// The next connection. One accept at a time. Throws NetError when the listener is closed, TimeoutError when the
  /// deadline passes, AcceptError for a passing trouble. After the last two the listener can be used again (as door.h
  /// does).
  virtual Awaitable<std::shared_ptr<Connection>> accept(Deadline deadline = kNever) = 0;

  /// The address at which it listens; for TCP with the port that was picked.
  virtual Address address() const = 0;

  /// Stops listening: a pending accept throws NetError. Connections already accepted live on. Idempotent.
  virtual void close() = 0;
};

/// A way to reach nodes.
class Transport {
 public:
  virtual ~Transport() = default;

  /// Throws NetError when the address is taken or is not this machine's, ConfigError when this transport must not
  /// listen there.
  virtual std::shared_ptr<Listener> listen(const Address& address) = 0;

  /// Throws NetError at once if nobody listens there, TimeoutError if the deadline passes, ConfigError as listen().
  virtual Awaitable<std::shared_ptr<Connection>> connect(Address address, Deadline deadline = kNever) = 0;
};

/// The socket transport for `scheme`; its connections run on strands of `executor`. Two schemes need more: TLS a key
/// (tls.h), memory its network (memory.h).
std::unique_ptr<Transport> make_transport(Address::Scheme scheme, const Executor& executor);

}  // namespace hop::net
