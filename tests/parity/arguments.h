// One sample of PyTorch's: the arguments of one call, by their names, as tests/parity/opinfo.py writes them. A tensor
// is {"tensor": NAME}, a number that JSON lacks is "inf", "-inf" or "nan". Arguments that have PyTorch's default are
// not written, so that our defaults are judged, too.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "autograd/reduction.h"
#include "kernels/elementwise.h"
#include "nn/module.h"
#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop::parity {

using Json = nlohmann::json;
using Tensors = std::map<std::string, Tensor>;

/// A value of an argument that the parameter of our function cannot have: a tensor for a number, a word that it lacks.
struct NotThere : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// How the tensors of a sample lie in memory.
enum class Layout { contiguous, strided };

/// Each accessor notes the name that was asked for. `fallback` is the value of an argument that is not given.
class Arguments {
 public:
  /// `sample` is a line of the script. The tensors are copied from `file`; those with a gradient become leaves.
  Arguments(const Json& sample, const Tensors& file, Layout layout);

  bool has(const std::string& name) const { return find(name) != nullptr; }
  bool is_list(const std::string& name) const { return has(name) && find(name)->is_array(); }
  bool is_tensor(const std::string& name) const { return has(name) && find(name)->is_object(); }
  bool is_word(const std::string& name) const { return has(name) && find(name)->is_string(); }
  /// A tensor; undefined if it is not given.
  Tensor operator[](const std::string& name) const;
  std::vector<Tensor> tensors(const std::string& name) const;
  /// A tensor of integers, or a list of them.
  Tensor indices(const std::string& name) const;
  /// A tensor or a number. Refers to this object.
  kernels::Input operand(const std::string& name) const;

  double number(const std::string& name, double fallback) const;
  std::optional<double> number(const std::string& name) const;
  /// Of a parameter whose None means something else than `fallback`.
  std::optional<double> number_or_none(const std::string& name, std::optional<double> fallback) const;
  Scalar scalar(const std::string& name, Scalar fallback) const;
  std::int64_t integer(const std::string& name, std::int64_t fallback) const;
  std::optional<std::int64_t> optional_integer(const std::string& name) const;
  bool flag(const std::string& name, bool fallback) const;
  std::string word(const std::string& name, const std::string& fallback) const;
  /// A list, or one number.
  std::vector<std::int64_t> integers(const std::string& name) const;
  /// The same, where PyTorch's None stands for `none`.
  std::vector<std::int64_t> integers(const std::string& name, std::int64_t none) const;
  Dims dims(const std::string& name) const { return Dims(integers(name)); }
  Shape shape(const std::string& name) const { return Shape(integers(name)); }
  /// One number per dimension: a list of N, or one number for all.
  template <std::size_t N>
  std::array<std::int64_t, N> sizes(const std::string& name, std::int64_t fallback) const {
    const std::vector<std::int64_t> list = integers(name);
    std::array<std::int64_t, N> all{};
    all.fill(list.empty() ? fallback : list.front());
    if (list.size() > 1 && list.size() != N) throw NotThere(name + " of another length");
    if (list.size() == N) std::copy(list.begin(), list.end(), all.begin());
    return all;
  }
  std::array<std::int64_t, 2> pair(const std::string& name, std::int64_t fallback) const {
    return sizes<2>(name, fallback);
  }
  /// A list, or one number.
  std::vector<double> numbers(const std::string& name) const;
  /// The value of `words` at the word that is given.
  template <class T>
  T choice(const std::string& name, T fallback, const std::map<std::string, T>& words) const {
    if (!has(name)) return fallback;
    const auto found = words.find(word(name, ""));
    if (found == words.end()) throw NotThere(name + "=" + word(name, ""));
    return found->second;
  }
  Reduction reduction() const;
  DType dtype(DType fallback) const;
  /// In which PyTorch's tensors are: f64, bf16 or f16, or i64 where an operation takes only integers.
  DType sample_dtype() const;

  /// Gives `module` the values of PyTorch's parameters and buffers, and the mode of its module.
  void load(nn::Module& module) const;
  /// The tensors that get a gradient, and the buffers after the call, by the script's names.
  Tensor leaf(const std::string& name) const;

  /// The names that were given and that nobody asked for: our function has no such argument.
  std::vector<std::string> unread() const;

 private:
  const Json* find(const std::string& name) const;
  const Tensor& tensor(const Json& value, const std::string& name) const;

  const Json& sample_;
  const Tensors& file_;
  Tensors inputs_;
  mutable Tensors state_;  // of the module
  mutable std::set<std::string> read_;
};

}  // namespace hop::parity
