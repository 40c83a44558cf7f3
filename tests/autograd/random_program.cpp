#include "tests/autograd/random_program.h"

#include <algorithm>
#include <optional>

#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "tensor/random.h"
#include "tests/autograd/random_program_rows.h"

namespace hop::autograd {
namespace {

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
    program_.code = instructions(v, 3 + random_.below(14), 0);
    for (auto& loss : program_.losses) {
      for (std::uint32_t k = 1 + random_.below(3); k > 0; --k) loss.push_back(pick(v, program_.inputs() / 2));
    }
    program_.losses[0].push_back(static_cast<int>(v.size()) - 1);
    program_.losses[0].push_back(*of_its_row_);
  }

 private:
  /// Late values more often than early ones.
  int pick(const std::vector<Tensor>& v, int first = 0) {
    const auto n = static_cast<std::uint32_t>(static_cast<int>(v.size()) - first);
    return first + static_cast<int>(std::max(random_.below(n), random_.below(n)));
  }

  /// A value that takes a gradient back to a leaf.
  int pick_recorded(const std::vector<Tensor>& v) {
    int picked = pick(v);
    while (!v[static_cast<std::size_t>(picked)].requires_grad()) picked = pick(v);
    return picked;
  }

  /// The row that the program certainly has between a leaf and its first loss. The seeds take turns in the rows.
  int its_row() const { return static_cast<int>(program_.seed % rows().size()); }

  /// Any row, and more often one of the last, which test the graph more than an operation.
  int some_row() {
    const auto count = static_cast<std::uint32_t>(rows().size());
    return static_cast<int>(random_.below(8) == 0 ? count - 1 - random_.below(kRowsOfTheGraph) : random_.below(count));
  }

  std::vector<Instruction> instructions(std::vector<Tensor>& v, std::uint32_t count, int depth) {
    std::vector<Instruction> code;
    const auto wants_its_row = [&] { return depth == 0 && !of_its_row_; };
    while (code.size() < count || wants_its_row()) {
      const bool is_its_row = wants_its_row() && random_.below(3) == 0;
      Instruction i{is_its_row ? its_row() : some_row(), next_id_++, {}, random_.below(1 << 20), {}};
      if (is_checkpoint(i) && depth == 2) continue;
      for (int k = 0; k < row(i).operands; ++k) i.in.push_back(is_its_row ? pick_recorded(v) : pick(v));
      const Tensor x = v[static_cast<std::size_t>(i.in[0])], y = v[static_cast<std::size_t>(i.in.back())];
      if (!row(i).fits(x, y)) continue;
      if (is_checkpoint(i)) {
        std::vector<Tensor> inner{x, y};
        i.body = instructions(inner, 1 + random_.below(4), depth + 1);
      }
      const Tensor result = Machine{program_, {}}.run({i}, v).back();
      code.push_back(std::move(i));
      v.push_back(result);
      if (hop::max(kernels::abs(result)).item<double>() > 3) {  // stay where differences are exact
        code.push_back({kTanh, next_id_++, {static_cast<int>(v.size()) - 1}, 0, {}});
        v.push_back(tanh(result));
      }
      if (is_its_row && v.back().requires_grad()) of_its_row_ = static_cast<int>(v.size()) - 1;
    }
    return code;
  }

  Program& program_;
  PhiloxStream random_;
  int next_id_ = 0;
  std::optional<int> of_its_row_;  // the value, once there is one
};

void print(const std::vector<Instruction>& code, int first, const std::string& indent, std::string& text) {
  for (const Instruction& i : code) {
    text += indent + "v" + std::to_string(first++) + " = [" + row(i).name + "](";
    for (std::size_t k = 0; k < i.in.size(); ++k) text += (k == 0 ? "v" : ", v") + std::to_string(i.in[k]);
    text += "), choice " + std::to_string(i.choice) + ", numbers " + std::to_string(i.id) + "\n";
    print(i.body, 2, indent + "    ", text);
  }
}

void add_limits(const std::vector<Instruction>& code, Limits& sum) {
  for (const Instruction& i : code) {
    const Limits& own = row(i).limits;
    sum = {sum.no_second_derivative || own.no_second_derivative, sum.no_capture || own.no_capture,
           sum.no_half || own.no_half};
    add_limits(i.body, sum);
  }
}

int count(const std::vector<Instruction>& code) {
  int n = 0;
  for (const Instruction& i : code) n += 1 + count(i.body);
  return n;
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
  // The second operand of this row takes no gradient.
  const auto operands = [](const Instruction& i) {
    return std::string_view(row(i).name) == "mul by a constant" ? std::vector{i.in[0]} : i.in;
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

bool Program::has_checkpoint() const { return std::any_of(code.begin(), code.end(), is_checkpoint); }

int Program::size() const { return count(code); }

Limits Program::limits() const {
  Limits limits;
  add_limits(code, limits);
  return limits;
}

Program random_program(std::uint64_t seed) {
  Program program;
  program.seed = seed;
  Writer(program).write();
  return program;
}

std::vector<Tensor> make_leaves(const Program& program, DType dtype) {
  std::vector<Tensor> leaves;
  for (std::size_t k = 0; k < program.leaves.size(); ++k) {
    const Tensor values = uniform(program.leaves[k], program.seed * 10 + k, DType::f32);
    leaves.push_back(kernels::cast(values, dtype));
    leaves.back().set_requires_grad();
  }
  return leaves;
}

Tensor make_argument(std::uint64_t call, DType dtype) {
  return kernels::cast(uniform({2, 3}, 77 + call, DType::f32), dtype);
}

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
