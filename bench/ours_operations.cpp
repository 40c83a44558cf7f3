// The cost of one small operation: on 16 elements the arithmetic takes a few nanoseconds, the framework the rest.
//   forward    without gradients: y = f(a), y dropped
//   recorded   the same where a wants a gradient: a node of the graph is made and dropped
//   backward   a chain of ten operations, summed and walked back; one repetition is the whole chain
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "bench/fill.h"
#include "bench/ours.h"
#include "kernels/capture.h"

namespace hop::bench {
namespace {

constexpr std::int64_t kElements = 16;
constexpr int kChain = 10;

using Operation = std::function<Tensor(const Tensor&)>;

template <class F>
Work by_mode(const std::string& mode, F f, const Tensor& a) {
  if (mode == "forward") {
    return [f, a](int repetitions) {
      const NoGradGuard guard;
      Tensor y;
      for (int i = 0; i < repetitions; ++i) y = f(a);
      return sum(y).item<double>();
    };
  }
  a.set_requires_grad();
  if (mode == "recorded") {
    return [f, a](int repetitions) {
      Tensor y;
      for (int i = 0; i < repetitions; ++i) y = f(a);
      return sum(y).item<double>();
    };
  }
  if (mode != "backward") throw ConfigError("[bench] expected forward, recorded or backward, got " + mode);
  return [f, a](int repetitions) {
    double value = 0;
    for (int i = 0; i < repetitions; ++i) {
      Tensor y = a;
      for (int k = 0; k < kChain; ++k) y = f(y);
      const Tensor total = sum(y);
      backward(total);
      value = total.item<double>();
    }
    return value;
  };
}

// A recording of a hundred operations (or of one chain, walked back), replayed.
template <class F>
Work captured(const std::string& mode, F f, const Tensor& a) {
  const bool forward = mode == "forward";
  if (!forward && mode != "backward") throw ConfigError("[bench] nothing is recorded in a replay");
  const int per_replay = forward ? 100 : 1;
  a.set_requires_grad(!forward);
  Tensor result;
  const auto run = [&] {
    if (forward) {
      for (int i = 0; i < per_replay; ++i) result = f(a);
    } else {
      Tensor y = a;
      for (int k = 0; k < kChain; ++k) y = f(y);
      result = sum(y);
      backward(result);
    }
  };
  run();  // makes the gradient that a replay adds to
  const Recording recording = capture(run);
  return [recording, result, per_replay, f,
          a](int repetitions) {  // f and a: a recording knows only the addresses of its operands
    for (int i = 0; i < repetitions; i += per_replay) recording.replay();
    return sum(result).template item<double>();
  };
}

template <class F>
Work by_variant(const std::vector<std::string>& what, F f, const Tensor& a) {
  if (what.at(3) == "eager") return by_mode(what.at(2), f, a);
  if (what.at(3) == "captured") return captured(what.at(2), f, a);
  throw ConfigError("[bench] expected eager or captured, got " + what.at(3));
}

}  // namespace

Work our_operation(const std::vector<std::string>& what) {
  const Tensor a = Tensor::empty({kElements}, DType::f32), b = Tensor::empty({kElements}, DType::f32);
  fill_input(a.data<float>(), kElements);
  fill_target(b.data<float>(), kElements);
  const std::string& name = what.at(1);
  if (name == "add")
    return by_variant(
        what, [b](const Tensor& x) { return add(x, b); }, a);
  if (name == "mul")
    return by_variant(
        what, [b](const Tensor& x) { return mul(x, b); }, a);
  if (name == "relu")
    return by_variant(
        what, [](const Tensor& x) { return relu(x); }, a);
  throw ConfigError("[bench] expected add, mul or relu, got " + name);
}

Work our_work(const std::vector<std::string>& what) {
  if (what.at(0) == "train") return our_training(what);
  if (what.at(0) == "memory") return our_memory(what);
  if (what.at(0) == "operation") return our_operation(what);
  if (what.at(0) == "hop") return our_hop(what);
  if (what.at(0) == "exchange") return our_exchange(what);
  throw ConfigError("[bench] expected train, memory, operation, hop or exchange, got " + what.at(0));
}

}  // namespace hop::bench
