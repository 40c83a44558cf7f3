// A state of 100 MB between two processes, against plain blocking sockets of the same kind.
#include "bench/plain_socket.h"
#include "bench/suite.h"
#include "net/unix.h"

namespace hop::bench {
namespace {

constexpr double kStateBytes = 1e8;
constexpr double kTarget = 0.9;

// Two workers on a core each: on two cores the scheduler likes to put a sender and its receiver on one.
std::unique_ptr<Contestant> pair(Suite& suite, const std::string& how, const std::string& address) {
  const std::string kind = address.starts_with("tls:") ? "OpenSSL" : "sockets";
  const std::string rest = how + " " + address + " " + std::to_string(static_cast<long>(kStateBytes));
  // The sender listens before the receiver connects.
  auto contestant =
      std::make_unique<Contestant>(how == "ours" ? "ours" : "plain " + kind + ", " + how + " buffers", true);
  contestant->add(suite.ours().start_on(0), "hop send " + rest);
  contestant->add(suite.ours().start_on(1), "hop receive " + rest);
  return contestant;
}

std::vector<double> gigabytes_per_second(const Contestant& c) {
  std::vector<double> rates;
  for (const double s : c.seconds()) rates.push_back(kStateBytes / s * 1e-9);
  return rates;
}

void add_row(Suite& suite, const std::string& name, const std::function<std::string()>& fresh_address) {
  if (!suite.wants(name)) return;
  Contestants all;
  for (const std::string how : {"ours", "default", "large"}) all.push_back(pair(suite, how, fresh_address()));
  const Contestant &ours = *all[0], &plain = *all[1], &large = *all[2];
  double sample = 0;
  for (const auto& c : all) {
    const double mine = c->run(1).value;
    if (c.get() != &ours && mine != sample) throw SideError("[bench] " + name + ": the bytes differ");
    sample = mine;
  }
  RoundOptions rounds = suite.options().rounds;
  rounds.batch_seconds *= 3;  // a state takes some 30 ms
  compete(all, rounds);
  const Contestant& peer = plain.median() < large.median() ? plain : large;
  Row row = row_of_rates(name, gigabytes_per_second(ours), gigabytes_per_second(peer), peer.label(), "GB/s");
  row.target = kTarget;
  suite.add(row);
}

}  // namespace

void add_hop_rows(Suite& suite) {
  const net::SocketDirectory directory;
  int sockets = 0;
  add_row(suite, "hop/unix", [&] { return directory.address("s" + std::to_string(sockets++)).text(); });
  for (const std::string scheme : {"tcp", "tls"}) {
    add_row(suite, "hop/" + scheme, [&] { return scheme + ":127.0.0.1:" + std::to_string(PlainSocket::free_port()); });
  }
}

}  // namespace hop::bench
