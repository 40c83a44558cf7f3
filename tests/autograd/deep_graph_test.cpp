// Programs are long and stacks are short: nothing about a graph is recursive.
#include <pthread.h>

#include "autograd/checkpoint.h"
#include "autograd/function.h"
#include "autograd/graph.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

constexpr int kNodes = 100'000;
constexpr std::size_t kSmallStack = 128 * 1024;  // less than two bytes per node

// Runs `body` on a thread with a small stack.
template <class Body>
void on_a_small_stack(Body body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kSmallStack), 0);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    (*static_cast<Body*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &body), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

// A chain of operations that save nothing, their input, and their output.
Tensor chain(const Tensor& x) {
  Tensor y = x;
  for (int i = 0; i < kNodes; i += 3) y = -sin(sigmoid(y));
  return y;
}

TEST(DeepGraph, IsWalked) {
  on_a_small_stack([] {
    const Tensor x = scalar(0.5);
    backward(chain(x));
    EXPECT_TRUE(x.grad().defined());
  });
}

TEST(DeepGraph, IsWalkedForOneInputAndRetained) {
  on_a_small_stack([] {
    const Tensor x = scalar(0.5);
    const Tensor y = chain(x);
    EXPECT_TRUE(grad({y}, {x}, {.retain_graph = true})[0].defined());
  });
}

TEST(DeepGraph, IsDestroyed) {
  on_a_small_stack([] {
    const Tensor x = scalar(0.5);
    Tensor y = chain(x);
    y = Tensor();
    EXPECT_FALSE(y.defined());
  });
}

TEST(DeepGraph, IsDestroyedWhenItBranches) {
  on_a_small_stack([] {
    const Tensor x = scalar(0.5);
    Tensor y = x, z = x;
    for (int i = 0; i < kNodes; i += 2) {
      const Tensor both = y * z;
      z = y + 1;
      y = both;
    }
  });
}

struct Twice : Function<Twice> {
  static Tensor forward(Context& c, const Tensor& x) {
    Tensor y = x * 2;
    c.save_for_backward({x, y});
    return y;
  }
  static Tensor backward(Context&, const Tensor& g) { return g * 2; }
};

TEST(DeepGraph, OfCustomFunctionsIsDestroyed) {
  on_a_small_stack([] {
    Tensor y = scalar(0.5);
    for (int i = 0; i < kNodes; ++i) y = Twice::apply(y);
  });
}

TEST(DeepGraph, IsDestroyedWhereBothSidesOfEachNodeAreOne) {
  on_a_small_stack([] {
    Tensor y = scalar(0.5);
    for (int i = 0; i < kNodes; ++i) y = y * y;
  });
}

TEST(DeepGraph, ThatIsFreedIsDestroyed) {
  on_a_small_stack([] {
    const Tensor x = scalar(0.5);
    Tensor middle = chain(x);
    const Tensor y = chain(middle);
    backward(y);
    middle = Tensor();
    EXPECT_TRUE(x.grad().defined());
  });
}

// A function of the user's own may hold any part of the graph.
struct Keeps : Function<Keeps> {
  struct Context : FunctionContext {
    Tensor kept;
  };
  static Tensor forward(Context& c, const Tensor& x, const std::vector<Tensor>& others) {
    c.kept = others[0];
    return x + 1;
  }
  static Tensor backward(Context&, const Tensor& g) { return g; }
};

TEST(DeepGraph, OfHooksThatHoldTensorsIsDestroyed) {
  on_a_small_stack([] {
    Tensor y = scalar(0.5);
    for (int i = 0; i < kNodes; ++i) {
      const Tensor z = y + 1;
      register_hook(z, [y](const Tensor&) { return Tensor(); });
      y = z;
    }
  });
}

TEST(DeepGraph, OfHooksAloneIsDestroyed) {
  on_a_small_stack([] {
    Tensor before = scalar(0.5);
    for (int i = 0; i < kNodes; ++i) {
      const Tensor x = scalar(0.5);
      register_hook(x, [before](const Tensor&) { return Tensor(); });
      before = i % 2 == 0 ? x : x + 1;
    }
  });
}

TEST(DeepGraph, OfContextsThatHoldTensorsIsDestroyed) {
  on_a_small_stack([] {
    Tensor y = scalar(0.5), other = y + 1;
    for (int i = 0; i < kNodes; ++i) {
      const Tensor z = Keeps::apply(y, std::vector{other});
      other = y;
      y = z;
    }
  });
}

TEST(DeepGraph, OfContextsAloneIsDestroyed) {
  on_a_small_stack([] {
    Tensor before = scalar(0.5) + 1;
    for (int i = 0; i < kNodes; ++i) before = Keeps::apply(scalar(0.5), std::vector{before});
  });
}

TEST(DeepGraph, OfCheckpointsThatHoldTensorsIsDestroyed) {
  on_a_small_stack([] {
    Tensor y = scalar(0.5);
    for (int i = 0; i < kNodes / 10; ++i) y = checkpoint([y](const Tensor& t) { return t + y.detach(); }, scalar(1));
  });
}

}  // namespace
}  // namespace hop::autograd
