#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "base/error.h"
#include "net/memory.h"
#include "net/tcp.h"
#include "net/unix.h"

namespace hop::net {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string config_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

/// Sets an environment variable for one scope.
class Setting {
 public:
  Setting(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~Setting() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(Address, IsReadFromItsOwnText) {
  for (const char* text : {"unix:/run/user/1000/hop-x/worker-1", "unix:relative", "tcp:127.0.0.1:0", "tcp:[::1]:65535",
                           "tcp:localhost:7878", "tls:node-3:7878", "tls:[::]:0", "memory:worker 1", "memory:a:b"}) {
    EXPECT_EQ(Address::parse(text).text(), text);
  }
  EXPECT_EQ(Address::parse("tcp:[::1]:7878"), Address::tcp("::1", 7878));
  EXPECT_EQ(Address::parse("unix:/a/b"), Address::unix_socket("/a/b"));
  EXPECT_EQ(Address::parse("memory:m"), Address::memory("m"));
}

TEST(Address, SaysWhatIsWrongWithAText) {
  const auto error = [](const char* text) { return config_error([&] { Address::parse(text); }); };
  for (const char* text : {"", "tcp", "tcp:", "unix:", "memory:", "http://x", "127.0.0.1:7878", "UNIX:/x"}) {
    EXPECT_EQ(error(text), "[address] expected unix:PATH, tcp:HOST:PORT, tls:HOST:PORT or memory:NAME, got '" +
                               std::string(text) + "'");
  }
  EXPECT_EQ(error("tcp:localhost"), "[address] expected tcp:HOST:PORT, got 'tcp:localhost'");
  EXPECT_EQ(error("tcp:[[h]]:1"), "[address] expected tcp:HOST:PORT, got 'tcp:[[h]]:1'");
  EXPECT_EQ(error("tcp::7878"), "[address] expected tcp:HOST:PORT, got 'tcp::7878'");
  EXPECT_EQ(error("tcp:::1:7878"), "[address] expected tcp:HOST:PORT, got 'tcp:::1:7878'");
  EXPECT_EQ(error("tcp:fe80::1:7878"),
            "[address] expected an IPv6 host in brackets, as in tcp:[::1]:7878, got 'tcp:fe80::1:7878'");
  for (const char* text : {"tcp:h:", "tcp:h:65536", "tcp:h:-1", "tcp:h:12x", "tcp:[::1]:x"}) {
    EXPECT_THAT(error(text), StartsWith("[address] expected a port from 0 to 65535 after the host, got"));
  }
}

TEST(Tcp, ListensAndConnectsOnLoopbackOnly) {
  asio::io_context context;
  TcpTransport tcp(context.get_executor());
  for (const char* host : {"0.0.0.0", "192.168.1.1", "::", "fe80::1", "::ffff:127.0.0.1", "example.org", "128.0.0.1"}) {
    const Address address = Address::tcp(host, 0);
    const auto refused = AllOf(HasSubstr(address.text()), HasSubstr("need the key of a run (tls:)"));
    EXPECT_THAT(config_error([&] { tcp.listen(address); }), refused);
    EXPECT_THAT(config_error([&] { (void)tcp.connect(address); }), refused);
  }
  for (const char* host : {"127.0.0.1", "127.3.2.1", "localhost"}) {
    EXPECT_GT(tcp.listen(Address::tcp(host, 0))->address().port, 0) << host;
  }
}

TEST(Unix, MakesAPrivateDirectoryAndRemovesIt) {
  fs::path path;
  {
    const Setting runtime("XDG_RUNTIME_DIR", ""), temporary("TMPDIR", "/tmp");
    const SocketDirectory directory;
    path = directory.path();
    EXPECT_EQ(path.parent_path(), "/tmp");
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    EXPECT_EQ(directory.address("worker-1").text(), "unix:" + path.string() + "/worker-1");
    asio::io_context context;
    const auto listener = UnixTransport(context.get_executor()).listen(directory.address("worker-1"));
    EXPECT_TRUE(fs::is_socket(path / "worker-1"));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(Unix, PutsItsDirectoryInTheRuntimeDirectoryUnlessThatIsNoGood) {
  const SocketDirectory base;
  const Setting runtime("XDG_RUNTIME_DIR", base.path());
  EXPECT_EQ(SocketDirectory().path().parent_path(), base.path());

  const fs::path elsewhere = base.path() / "t";
  fs::create_directory(elsewhere);
  const Setting temporary("TMPDIR", elsewhere);
  const Setting missing("XDG_RUNTIME_DIR", base.path() / "missing");
  EXPECT_EQ(SocketDirectory().path().parent_path(), elsewhere);
  const fs::path deep = base.path() / std::string(90, 'x');
  fs::create_directory(deep);
  const Setting too_long("XDG_RUNTIME_DIR", deep);
  EXPECT_EQ(SocketDirectory().path().parent_path(), elsewhere);
}

TEST(Unix, TidiesUpWhatAKilledProcessLeftAndNothingElse) {
  const SocketDirectory base;
  const Setting runtime("XDG_RUNTIME_DIR", base.path());
  const SocketDirectory alive;
  for (const char* name : {"hop-foreign", "hop-sockets-theirs", "hop-sockets-killed"}) {
    fs::create_directory(base.path() / name);
    fs::permissions(base.path() / name, fs::perms::owner_all);
  }
  fs::permissions(base.path() / "hop-sockets-theirs", fs::perms::group_read, fs::perm_options::add);
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const SocketDirectory left;
    const std::string path = left.path();
    if (::write(pipe[1], path.data(), path.size()) < 0) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  std::string left(200, '\0');
  left.resize(static_cast<std::size_t>(::read(pipe[0], left.data(), left.size())));
  ::close(pipe[0]);
  ::close(pipe[1]);
  ASSERT_TRUE(fs::exists(left)) << left;
  const SocketDirectory next;
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(alive.path()));
  EXPECT_TRUE(fs::exists(next.path()));
  EXPECT_TRUE(fs::exists(base.path() / "hop-foreign"));
  EXPECT_TRUE(fs::exists(base.path() / "hop-sockets-theirs")) << "not as we make them";
  EXPECT_FALSE(fs::exists(base.path() / "hop-sockets-killed")) << "its process was killed before it had the lock";
}

TEST(Unix, ManyProcessesThatMakeDirectoriesAtOnceTakeNoneFromEachOther) {
  constexpr int kProcesses = 4, kTimes = 50;
  const SocketDirectory base;
  const Setting runtime("XDG_RUNTIME_DIR", base.path());
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    for (int times = 0; times < kTimes; ++times) {
      const SocketDirectory mine, another;
      if (!fs::exists(mine.path()) || !fs::exists(another.path())) ::_exit(1);
    }
    ::_exit(0);
  }
  for (const pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(fs::is_empty(base.path()));
}

TEST(Unix, RefusesADirectoryThatOthersMayEnter) {
  asio::io_context context;
  UnixTransport transport(context.get_executor());
  const SocketDirectory directory;
  for (const auto open_to_others : {fs::perms::group_read, fs::perms::others_exec, fs::perms::others_write}) {
    fs::permissions(directory.path(), fs::perms::owner_all | open_to_others);
    const auto refused = HasSubstr("expected a directory that only its owner may enter (mode 0700), got mode 07");
    EXPECT_THAT(config_error([&] { transport.listen(directory.address("w")); }), refused);
    EXPECT_THAT(config_error([&] { (void)transport.connect(directory.address("w")); }), refused);
  }
  fs::permissions(directory.path(), fs::perms::owner_all);
  EXPECT_NO_THROW(transport.listen(directory.address("w")));
}

TEST(Unix, RefusesAMissingDirectoryAndATooLongPath) {
  asio::io_context context;
  UnixTransport transport(context.get_executor());
  const SocketDirectory directory;
  const Address missing = Address::unix_socket(directory.path() / "missing" / "w");
  EXPECT_THAT(config_error([&] { transport.listen(missing); }), HasSubstr("No such file or directory"));
  const Address too_long = directory.address(std::string(108 - directory.path().string().size() - 1, 'x'));
  EXPECT_THAT(config_error([&] { transport.listen(too_long); }),
              HasSubstr("expected a socket path of at most 107 bytes, got 108"));
  const Address just_right = directory.address(std::string(107 - directory.path().string().size() - 1, 'x'));
  EXPECT_NO_THROW(transport.listen(just_right));
}

TEST(Transport, RefusesAnAddressOfAnotherScheme) {
  asio::io_context context;
  UnixTransport sockets(context.get_executor());
  EXPECT_EQ(config_error([&] { sockets.listen(Address::tcp("127.0.0.1", 1)); }),
            "[net] expected an address like unix:..., got tcp:127.0.0.1:1");
  EXPECT_THAT(config_error([&] { make_transport(Address::Scheme::kMemory, context.get_executor()); }),
              HasSubstr("works inside one process only"));
}

TEST(Memory, KeepsTwoNetworksApart) {
  asio::io_context context;
  MemoryTransport here(context.get_executor(), std::make_shared<MemoryNetwork>());
  MemoryTransport there(context.get_executor(), std::make_shared<MemoryNetwork>());
  const auto one = here.listen(Address::memory("node"));
  const auto other = there.listen(Address::memory("node"));
  EXPECT_EQ(one->address(), other->address());
}

}  // namespace
}  // namespace hop::net
