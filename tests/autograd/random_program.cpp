#include "tests/autograd/random_program.h"

#include <algorithm>
#include <array>

#include "autograd/checkpoint.h"
#include "autograd/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/random.h"

namespace hop::autograd {
namespace {

struct Machine {
  const Program& program;
  Execution how;

  std::uint64_t key(const Instruction& i) const { return program.seed * 1000 + static_cast<std::uint64_t>(i.id); }

  /// x as a constant.
  Tensor constant(const Instruction& i, const Tensor& x) const {
    if (how.base != nullptr) return how.base->at(i.id);
    const Tensor value = x.detach();
    if (how.keeps != nullptr) (*how.keeps)[i.id] = kernels::clone(value);
    return value;
  }
  std::vector<Tensor> run(const std::vector<Instruction>& code, std::vector<Tensor> v) const;
};

using Apply = Tensor (*)(const Machine&, const Instruction&, const Tensor&, const Tensor&);
using Fits = bool (*)(const Tensor&, const Tensor&);

Tensor uniform(const Shape& shape, std::uint64_t key) {
  const Tensor t = Tensor::empty(shape, DType::f64);
  kernels::uniform_(t, -1, 1, {.key = key});
  return t;
}

std::int64_t some_dim(const Instruction& i, const Tensor& x) { return i.choice % x.dim(); }

// x * c, where c is a buffer that was written in several ways before.
Tensor times_a_written_buffer(const Machine& m, const Instruction& i, const Tensor& x, const Tensor&) {
  const Tensor c = kernels::clone(m.constant(i, x));
  {
    const NoGradGuard no_grad;
    const Tensor flat = reshape(c, {c.numel()});
    mul_(slice(flat, 0, 0, c.numel(), 2), 0.5);
    if (c.dim() > 1) add_(select(transpose(c, 0, -1), 0, 0), 0.25);
    i.choice % 2 == 0 ? fill_(slice(flat, 0, 0, 1), 0.75) : lerp_(c, uniform(c.shape(), m.key(i)), 0.25);
  }
  return x * c;
}

// The hook makes the gradient 1 + choice % 3 times as large; so does the formula, whose value is x.
Tensor hooked(const Machine& m, const Instruction& i, const Tensor& x, const Tensor&) {
  const double factor = 1.0 + static_cast<double>(i.choice % 3);
  if (m.how.base != nullptr) return x * factor - m.constant(i, x) * (factor - 1);
  static_cast<void>(m.constant(i, x));
  const Tensor y = x * 1.0;
  if (y.requires_grad()) register_hook(y, [factor](const Tensor& g) { return g * factor; });
  return y;
}

Tensor checkpointed(const Machine& m, const Instruction& i, const Tensor& x, const Tensor& y) {
  const auto body = [program = &m.program, how = m.how, code = i.body](const Tensor& a, const Tensor& b) {
    return Machine{*program, how}.run(code, {a, b}).back();
  };
  return m.how.base != nullptr ? body(x, y) : checkpoint(body, x, y);
}

Tensor picked(const Machine&, const Instruction& i, const Tensor& x, const Tensor&) {
  const std::int64_t dim = some_dim(i, x), n = x.size(dim);
  const Tensor index = kernels::arange(n + 1, DType::i64);  // in order, and the first one again
  return index_select(x, dim, kernels::cast(kernels::where(kernels::lt(index, n), index, 0), DType::i64));
}

bool any(const Tensor&, const Tensor&) { return true; }
bool has_dims(const Tensor& x, const Tensor&) { return x.dim() > 0; }
bool is_matrix(const Tensor& x, const Tensor&) { return x.dim() >= 2; }
bool multiplies(const Tensor& x, const Tensor& y) { return x.dim() >= 2 && y.dim() == 2 && x.size(-1) == y.size(0); }
bool is_flat(const Tensor& x, const Tensor&) { return x.dim() == 2; }
bool can_grow(const Tensor& x, const Tensor&) { return x.dim() > 0 && x.dim() < 4 && x.numel() < 40000; }
bool broadcast(const Tensor& x, const Tensor& y) {
  for (int d = 1; d <= std::min(x.dim(), y.dim()); ++d) {
    if (x.size(-d) != y.size(-d) && x.size(-d) != 1 && y.size(-d) != 1) return false;
  }
  return x.numel() * y.numel() < 40000 * 8;
}

#define HOP_APPLY(...)                                                                     \
  [](const Machine& m, const Instruction& i, const Tensor& x, const Tensor& y) -> Tensor { \
    static_cast<void>(m), static_cast<void>(i), static_cast<void>(y);                      \
    return __VA_ARGS__;                                                                    \
  }
struct Op {
  const char* name;
  int operands;
  Fits fits;
  Apply apply;
};
constexpr Op kOps[] = {
    {"tanh", 1, any, HOP_APPLY(tanh(x))},
    {"sin", 1, any, HOP_APPLY(sin(x))},
    {"sigmoid", 1, any, HOP_APPLY(sigmoid(x))},
    {"silu", 1, any, HOP_APPLY(silu(x))},
    {"gelu", 1, any, HOP_APPLY(gelu(x))},
    {"exp_sin", 1, any, HOP_APPLY(exp(sin(x)))},
    {"square", 1, any, HOP_APPLY(square(tanh(x)))},
    {"rsqrt", 1, any, HOP_APPLY(rsqrt(square(x) + 1))},
    {"twice", 1, any, HOP_APPLY(x + x)},
    {"less", 1, any, HOP_APPLY(0.5 - x)},
    {"add", 2, broadcast, HOP_APPLY(x + y)},
    {"sub", 2, broadcast, HOP_APPLY(x - y)},
    {"mul", 2, broadcast, HOP_APPLY(x* y)},
    {"div", 2, broadcast, HOP_APPLY(x / (square(y) + 1))},
    {"where", 2, broadcast, HOP_APPLY(where(kernels::gt(m.constant(i, x), 0), x, y))},
    {"gram", 1, is_matrix, HOP_APPLY(matmul(x, transpose(x, -2, -1)) / static_cast<double>(x.size(-1)))},
    {"matmul", 2, multiplies, HOP_APPLY(matmul(x, y) / static_cast<double>(x.size(-1)))},
    {"linear", 1, is_flat, HOP_APPLY(linear(x, sin(slice(x, 0, 0, 1)), reshape(mean(x), {1})))},
    {"reshape", 1, any, HOP_APPLY(reshape(x, {x.numel()}))},
    {"transpose", 1, is_matrix, HOP_APPLY(transpose(x, some_dim(i, x), -1))},
    {"slice", 1, has_dims,
     HOP_APPLY(
         slice(x, some_dim(i, x), i.choice / 8 % x.size(some_dim(i, x)), x.size(some_dim(i, x)), 1 + i.choice % 2))},
    {"select", 1, has_dims, HOP_APPLY(select(x, some_dim(i, x), i.choice / 8 % x.size(some_dim(i, x))))},
    {"unsqueeze", 1, can_grow, HOP_APPLY(unsqueeze(x, some_dim(i, x)))},
    {"expand", 1, can_grow,
     HOP_APPLY(expand(unsqueeze(x, 0),
                      [&] {
                        Shape s{2};
                        for (const auto n : x.shape()) s.push_back(n);
                        return s;
                      }()))},
    {"clone", 1, any, HOP_APPLY(clone(x))},
    {"contiguous", 1, is_matrix, HOP_APPLY(contiguous(transpose(x, 0, -1)))},
    {"sum", 1, has_dims, HOP_APPLY(sum(x, {some_dim(i, x)}, i.choice / 8 % 2 == 0) / 2)},
    {"mean", 1, any, HOP_APPLY(mean(x))},
    {"softmax", 1, has_dims, HOP_APPLY(softmax(x, some_dim(i, x)))},
    {"log_softmax", 1, has_dims, HOP_APPLY(log_softmax(x, some_dim(i, x)) / 4)},
    {"layer_norm", 1, has_dims, HOP_APPLY(layer_norm(x, {x.size(-1)}, {}, {}, 0.1))},
    {"cat", 1, has_dims, HOP_APPLY(cat({x, x * 0.5}, some_dim(i, x)))},
    {"stack", 1, can_grow, HOP_APPLY(stack({x, sin(x)}, some_dim(i, x)))},
    {"index_select", 1, can_grow, picked},
    {"dropout", 1, any, HOP_APPLY(dropout(x, 0.25, {.key = m.key(i)}))},
    {"detached", 2, broadcast, HOP_APPLY(x* m.constant(i, y))},
    {"written", 1, has_dims, times_a_written_buffer},
    {"hooked", 1, any, hooked},
    {"checkpoint", 2, any, checkpointed},
};
#undef HOP_APPLY
constexpr int kCheckpoint = static_cast<int>(std::size(kOps)) - 1;

std::vector<Tensor> Machine::run(const std::vector<Instruction>& code, std::vector<Tensor> v) const {
  for (const Instruction& i : code) {
    const Tensor x = v[static_cast<std::size_t>(i.in[0])];
    const Tensor y = i.in.size() > 1 ? v[static_cast<std::size_t>(i.in[1])] : x;
    v.push_back(kOps[i.op].apply(*this, i, x, y));
  }
  return v;
}

/// Writes a program while it runs: an operation is chosen by what its operands are.
class Writer {
 public:
  explicit Writer(Program& program) : program_(program), random_({.key = program.seed}) {}

  void write() {
    const std::uint32_t count = 1 + random_.below(3);
    const bool is_large = random_.below(40) == 0;  // so that two threads share the work
    for (std::uint32_t k = 0; k < count; ++k) {
      Shape shape;
      for (std::uint32_t d = random_.below(4); d > 0; --d) shape.push_back(1 + random_.below(4));
      program_.leaves.push_back(k == 0 && is_large ? Shape{150, 130} : shape);
    }
    std::vector<Tensor> v = make_leaves(program_);
    v.push_back(make_argument(0));
    const NoGradGuard no_grad;
    program_.code = instructions(v, 3 + random_.below(14), 0);
    for (auto& loss : program_.losses) {
      for (std::uint32_t k = 1 + random_.below(3); k > 0; --k) loss.push_back(pick(v, program_.inputs() / 2));
    }
    program_.losses[0].push_back(static_cast<int>(v.size()) - 1);
  }

 private:
  /// Late values more often than early ones.
  int pick(const std::vector<Tensor>& v, int first = 0) {
    const auto n = static_cast<std::uint32_t>(static_cast<int>(v.size()) - first);
    return first + static_cast<int>(std::max(random_.below(n), random_.below(n)));
  }

  std::vector<Instruction> instructions(std::vector<Tensor>& v, std::uint32_t count, int depth) {
    std::vector<Instruction> code;
    while (code.size() < count) {
      Instruction i{static_cast<int>(random_.below(std::size(kOps))), next_id_++, {}, random_.below(1 << 20), {}};
      const Op& op = kOps[i.op];
      if (i.op == kCheckpoint && depth == 2) continue;
      for (int k = 0; k < op.operands; ++k) i.in.push_back(pick(v));
      const Tensor x = v[static_cast<std::size_t>(i.in[0])], y = v[static_cast<std::size_t>(i.in.back())];
      if (!op.fits(x, y)) continue;
      if (i.op == kCheckpoint) {
        std::vector<Tensor> inner{x, y};
        i.body = instructions(inner, 1 + random_.below(4), depth + 1);
      }
      const Tensor result = Machine{program_, {}}.run({i}, v).back();
      code.push_back(std::move(i));
      v.push_back(result);
      if (hop::max(kernels::abs(result)).item<double>() > 3) {  // stay where differences are exact
        code.push_back({0, next_id_++, {static_cast<int>(v.size()) - 1}, 0, {}});
        v.push_back(tanh(result));
      }
    }
    return code;
  }

  Program& program_;
  PhiloxStream random_;
  int next_id_ = 0;
};

void print(const std::vector<Instruction>& code, int first, const std::string& indent, std::string& text) {
  for (const Instruction& i : code) {
    text += indent + "v" + std::to_string(first++) + " = " + kOps[i.op].name + "(";
    for (std::size_t k = 0; k < i.in.size(); ++k) text += (k == 0 ? "v" : ", v") + std::to_string(i.in[k]);
    text += "), choice " + std::to_string(i.choice) + ", numbers " + std::to_string(i.id) + "\n";
    print(i.body, 2, indent + "    ", text);
  }
}

}  // namespace

std::string Program::text() const {
  std::string text = "seed " + std::to_string(seed) + "\n";
  for (std::size_t k = 0; k < leaves.size(); ++k)
    text += "v" + std::to_string(k) + " = a leaf " + leaves[k].to_string() + "\n";
  text += "v" + std::to_string(leaves.size()) + " = the argument\n";
  print(code, inputs(), "", text);
  for (const auto& loss : losses) {
    text += "a loss of";
    for (const int v : loss) text += " v" + std::to_string(v);
    text += "\n";
  }
  return text;
}

std::set<int> Program::on_the_way(int loss, int leaf) const {
  const auto count = static_cast<std::size_t>(inputs()) + code.size();
  // The second operand of "detached" takes no gradient.
  const auto operands = [](const Instruction& i) {
    return std::string(kOps[i.op].name) == "detached" ? std::vector{i.in[0]} : i.in;
  };
  std::vector<bool> comes(count), leads(count);
  for (int k = 0; k < inputs() - 1; ++k) comes[static_cast<std::size_t>(k)] = leaf == -1 || leaf == k;
  for (std::size_t k = 0; k < code.size(); ++k) {
    for (const int in : operands(code[k])) {
      if (comes[static_cast<std::size_t>(in)]) comes[static_cast<std::size_t>(inputs()) + k] = true;
    }
  }
  for (const int v : losses[loss]) leads[static_cast<std::size_t>(v)] = true;
  std::set<int> found;
  for (std::size_t k = code.size(); k-- > 0;) {
    const std::size_t v = static_cast<std::size_t>(inputs()) + k;
    if (!leads[v]) continue;
    for (const int in : operands(code[k])) leads[static_cast<std::size_t>(in)] = true;
    if (comes[v]) found.insert(static_cast<int>(k));
  }
  return found;
}

bool Program::has_checkpoint() const {
  return std::any_of(code.begin(), code.end(), [](const Instruction& i) { return i.op == kCheckpoint; });
}

Program random_program(std::uint64_t seed) {
  Program program;
  program.seed = seed;
  Writer(program).write();
  return program;
}

std::vector<Tensor> make_leaves(const Program& program) {
  std::vector<Tensor> leaves;
  for (std::size_t k = 0; k < program.leaves.size(); ++k) {
    leaves.push_back(uniform(program.leaves[k], program.seed * 10 + k));
    leaves.back().set_requires_grad();
  }
  return leaves;
}

Tensor make_argument(std::uint64_t call) { return uniform({2, 3}, 77 + call); }

std::vector<Tensor> run(const Program& program, const std::vector<Tensor>& leaves, const Tensor& argument,
                        const Execution& how) {
  std::vector<Tensor> v = leaves;
  v.push_back(argument);
  return Machine{program, how}.run(program.code, std::move(v));
}

Tensor loss_of(const Program& program, const std::vector<Tensor>& v, int loss) {
  Tensor total;
  for (const int k : program.losses[loss]) {
    const Tensor part = mean(square(v[static_cast<std::size_t>(k)] - 0.25));
    total = total.defined() ? total + part : part;
  }
  return total;
}

}  // namespace hop::autograd
