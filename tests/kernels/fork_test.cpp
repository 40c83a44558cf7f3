// A child of fork() computes, or says why not; it never waits for threads that stayed behind in the parent.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"
#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "kernels/matmul.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

constexpr unsigned kDeadline = 60;  // seconds: a child that hangs is killed by its alarm

/// Exit code of a child that runs f; 1 where f throws, 128 + signal where one kills it.
template <class F>
int in_child(const F& f) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(kDeadline);
    try {
      _exit(f());
    } catch (...) {
      _exit(1);
    }
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Loops of ours and primitives of oneDNN, large enough for several threads.
struct Work {
  Tensor x = random_tensor({300, 400}), y = random_tensor({400, 300});
  Tensor image = random_tensor({4, 16, 20, 20}), weight = random_tensor({16, 16, 3, 3});
  Tensor product() const { return matmul(relu(x), y); }
  Tensor convolution() const { return conv2d(image, weight, {}, {.padding = {1, 1}}); }
};

class Fork : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer does not follow a child of several threads";
#endif
  }
};

// On a thread of its own, because a thread keeps the number of threads on which it computed.
TEST_F(Fork, AChildOfAComputationOnSeveralThreadsComputesOnOne) {
  std::thread([] {
    set_compute_threads(2);
    const Work work;
    const Tensor product = work.product(), convolution = work.convolution();
    const int code = in_child([&] {
      if (compute_threads() != 1) return 2;
      if (!same_bits(work.product(), product)) return 3;
      return close(work.convolution(), values<double>(convolution), 0, 1e-4) ? 0 : 4;
    });
    EXPECT_EQ(code, 0);
    EXPECT_EQ(compute_threads(), 2);  // the parent goes on as before
    EXPECT_TRUE(same_bits(work.convolution(), convolution));
  }).join();
}

TEST_F(Fork, AChildOfAComputationOnSeveralThreadsRefusesSeveral) {
  std::thread([] {
    set_compute_threads(3);
    Work().product();
    set_compute_threads(1);
    const int code = in_child([] {
      const std::string refused = error_of<StateError>([] { set_compute_threads(2); });
      if (refused !=
          "[set_compute_threads] expected 1 thread in a process that was forked after a computation on several, got 2")
        return 2;
      set_compute_threads(1);
      return Work().product().defined() ? 0 : 3;
    });
    EXPECT_EQ(code, 0);
  }).join();
}

TEST_F(Fork, AThreadOfTheChildComputesOnSeveral) {
  std::thread([] {
    set_compute_threads(2);
    const Work work;
    const Tensor product = work.product();
    const int code = in_child([&] {
      bool same = false;
      std::thread([&] {
        set_compute_threads(2);
        same = same_bits(work.product(), product);
      }).join();
      return same ? 0 : 2;
    });
    EXPECT_EQ(code, 0);
  }).join();
}

TEST_F(Fork, AChildOfAComputationOnOneThreadComputesOnSeveral) {
  std::thread([] {
    const Work work;
    const Tensor product = work.product();
    const int code = in_child([&] {
      set_compute_threads(2);
      return same_bits(work.product(), product) ? 0 : 2;
    });
    EXPECT_EQ(code, 0);
  }).join();
}

}  // namespace
}  // namespace hop::kernels
