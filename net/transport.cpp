#include "net/transport.h"

#include <charconv>
#include <utility>

#include "base/error.h"
#include "net/tcp.h"
#include "net/unix.h"

namespace hop::net {
namespace {

[[noreturn]] void refuse(const std::string& expected, std::string_view got) {
  throw ConfigError("[address] expected " + expected + ", got '" + std::string(got) + "'");
}

std::uint16_t parse_port(std::string_view text, std::string_view whole) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) refuse("a port from 0 to 65535 after the host", whole);
  return port;
}

// HOST:PORT after `scheme`.
Address parse_host(Address::Scheme scheme, std::string_view text, std::string_view whole) {
  const std::string form = std::string(whole.substr(0, 4)) + "HOST:PORT";
  const bool bracketed = text.starts_with('[');
  const std::size_t host_end = bracketed ? text.find("]:") : text.find(':');
  if (host_end == text.npos) refuse(form, whole);
  const std::string_view host = bracketed ? text.substr(1, host_end - 1) : text.substr(0, host_end);
  const std::string_view port = text.substr(host_end + (bracketed ? 2 : 1));
  if (host.empty() || host.find_first_of("[]") != host.npos) refuse(form, whole);
  if (port.find(':') != port.npos) {
    refuse("an IPv6 host in brackets, as in " + std::string(whole.substr(0, 4)) + "[::1]:7878", whole);
  }
  return {.scheme = scheme, .host = std::string(host), .port = parse_port(port, whole)};
}

}  // namespace

std::string Address::text() const {
  switch (scheme) {
    case Scheme::kUnix:
      return "unix:" + host;
    case Scheme::kMemory:
      return "memory:" + host;
    case Scheme::kTcp:
    case Scheme::kTls:
      break;
  }
  const bool ipv6 = host.find(':') != host.npos;
  return (scheme == Scheme::kTls ? "tls:" : "tcp:") + (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

void Address::require(Scheme wanted) const {
  if (scheme == wanted) return;
  throw ConfigError("[net] expected an address like " + Address{.scheme = wanted, .host = "...", .port = 0}.text() +
                    ", got " + text());
}

Address Address::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view scheme = text.substr(0, colon);
  const std::string_view rest = colon == text.npos ? "" : text.substr(colon + 1);
  if (scheme == "tcp" && !rest.empty()) return parse_host(Scheme::kTcp, rest, text);
  if (scheme == "tls" && !rest.empty()) return parse_host(Scheme::kTls, rest, text);
  if (scheme == "unix" && !rest.empty()) return unix_socket(std::string(rest));
  if (scheme == "memory" && !rest.empty()) return memory(std::string(rest));
  refuse("unix:PATH, tcp:HOST:PORT, tls:HOST:PORT or memory:NAME", text);
}

Address Address::unix_socket(std::string path) { return {.scheme = Scheme::kUnix, .host = std::move(path), .port = 0}; }
Address Address::tcp(std::string host, std::uint16_t port) {
  return {.scheme = Scheme::kTcp, .host = std::move(host), .port = port};
}
Address Address::tls(std::string host, std::uint16_t port) {
  return {.scheme = Scheme::kTls, .host = std::move(host), .port = port};
}
Address Address::memory(std::string name) { return {.scheme = Scheme::kMemory, .host = std::move(name), .port = 0}; }

std::unique_ptr<Transport> make_transport(Address::Scheme scheme, const Executor& executor) {
  switch (scheme) {
    case Address::Scheme::kUnix:
      return std::make_unique<UnixTransport>(executor);
    case Address::Scheme::kTcp:
      return std::make_unique<TcpTransport>(executor);
    case Address::Scheme::kTls:
      throw ConfigError("[net] expected an address that needs no key (unix: or tcp:), got tls:");
    case Address::Scheme::kMemory:
      break;
  }
  throw ConfigError(
      "[net] expected a socket address (unix: or tcp:), got memory:, which works inside one process only");
}

}  // namespace hop::net
