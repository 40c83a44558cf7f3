#include "hopper/detail/remote_host.h"

#include <boost/asio/post.hpp>

namespace hop::hopper {

void RemoteHost::kill(Peer peer) {
  if (std::erase(lives_, peer) == 0) return;
  net::asio::post(executor_, [this, peer] { on_exit_(peer, {"is gone", true}); });
}

}  // namespace hop::hopper
