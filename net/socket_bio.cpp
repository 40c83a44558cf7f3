#include "net/socket_bio.h"

#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "base/error.h"

namespace hop::net {
namespace {

SocketEnd& end_of(BIO* bio) { return *static_cast<SocketEnd*>(BIO_get_data(bio)); }

bool would_wait(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int write(BIO* bio, const char* bytes, int size) {
  SocketEnd& end = end_of(bio);
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(end.descriptor, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<int>(sent);
  if (would_wait(errno)) {
    BIO_set_retry_write(bio);
  } else {
    end.error = errno;
  }
  return -1;
}

int read(BIO* bio, char* into, int size) {
  SocketEnd& end = end_of(bio);
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(end.descriptor, into, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (got > 0) return static_cast<int>(got);
  if (got == 0) {
    end.ended = true;
    return 0;
  }
  if (would_wait(errno)) {
    BIO_set_retry_read(bio);
  } else {
    end.error = errno;
  }
  return -1;
}

long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  if (command == BIO_CTRL_FLUSH) return 1;  // nothing is held back
  if (command == BIO_CTRL_EOF) return end_of(bio).ended ? 1 : 0;
  return 0;
}

struct MethodDeleter {
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};

std::unique_ptr<BIO_METHOD, MethodDeleter> make_method() {
  std::unique_ptr<BIO_METHOD, MethodDeleter> method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket"));
  if (!method) throw NetError("[tls] OpenSSL has no memory left");
  BIO_meth_set_write(method.get(), write);
  BIO_meth_set_read(method.get(), read);
  BIO_meth_set_ctrl(method.get(), control);
  return method;
}

}  // namespace

BIO* make_socket_bio(SocketEnd& end) {
  static const auto method = make_method();
  BIO* bio = BIO_new(method.get());
  if (bio == nullptr) throw NetError("[tls] OpenSSL has no memory left");
  BIO_set_data(bio, &end);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace hop::net
