#include "tests/parity/arguments.h"

#include <limits>

#include "autograd/grad_mode.h"
#include "autograd/inplace.h"

namespace hop::parity {
namespace {

// A copy. Strided: every other element of a buffer, from the second one on.
Tensor laid_out(const Tensor& x, Layout layout) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  if (layout == Layout::strided && x.dim() > 0 && x.numel() > 0) {
    Strides strides = contiguous_strides(x.shape());
    for (std::int64_t& stride : strides) stride *= 2;
    y = Tensor::empty({2 * x.numel()}, x.dtype()).as_strided(x.shape(), strides, 1);
  }
  copy_(y, x);
  return y;
}

double number_of(const Json& value, const std::string& name) {
  if (value.is_number() || value.is_boolean()) return value.is_boolean() ? value.get<bool>() : value.get<double>();
  const double infinity = std::numeric_limits<double>::infinity();
  if (value == "inf") return infinity;
  if (value == "-inf") return -infinity;
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  throw NotThere(name + " that is no number");
}

std::int64_t integer_of(const Json& value, const std::string& name) {
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  throw NotThere(name + " that is no integer");
}

const std::map<std::string, DType>& dtypes() {
  static const std::map<std::string, DType> all = {{"f32", DType::f32}, {"f64", DType::f64},
                                                   {"i64", DType::i64}, {"bf16", DType::bf16},
                                                   {"f16", DType::f16}, {"bool", DType::boolean}};
  return all;
}

}  // namespace

Arguments::Arguments(const Json& sample, const Tensors& file, Layout layout) : sample_(sample), file_(file) {
  for (const Json& name : sample.at("inputs")) inputs_.emplace(name, laid_out(file.at(name), layout));
  for (const auto& [name, gradient] : sample.at("gradients").items()) {
    if (inputs_.contains(name)) inputs_.at(name).set_requires_grad();
  }
}

const Json* Arguments::find(const std::string& name) const {
  read_.insert(name);
  const auto found = sample_.at("arguments").find(name);
  return found == sample_.at("arguments").end() || found->is_null() ? nullptr : &*found;
}

const Tensor& Arguments::tensor(const Json& value, const std::string& name) const {
  if (!value.is_object()) throw NotThere(name + " that is no tensor");
  return inputs_.at(value.at("tensor"));
}

Tensor Arguments::operator[](const std::string& name) const {
  const Json* value = find(name);
  return value == nullptr ? Tensor() : tensor(*value, name);
}

std::vector<Tensor> Arguments::tensors(const std::string& name) const {
  std::vector<Tensor> list;
  const Json* values = find(name);
  if (values == nullptr) return list;
  if (values->is_object()) return {tensor(*values, name)};
  for (const Json& value : *values) list.push_back(tensor(value, name));
  return list;
}

Tensor Arguments::indices(const std::string& name) const {
  const Json* value = find(name);
  if (value != nullptr && value->is_object()) return tensor(*value, name);
  const std::vector<std::int64_t> list = integers(name);
  return Tensor::from<std::int64_t>(list, {static_cast<std::int64_t>(list.size())});
}

kernels::Input Arguments::operand(const std::string& name) const {
  const Json* value = find(name);
  if (value != nullptr && value->is_object()) return tensor(*value, name);
  return scalar(name, 0);
}

double Arguments::number(const std::string& name, double fallback) const { return number(name).value_or(fallback); }

std::optional<double> Arguments::number(const std::string& name) const {
  const Json* value = find(name);
  return value == nullptr ? std::nullopt : std::optional(number_of(*value, name));
}

std::optional<double> Arguments::number_or_none(const std::string& name, std::optional<double> fallback) const {
  if (!has(name)) return fallback;
  return is_word(name) && word(name, "") == "None" ? std::nullopt : number(name);
}

Scalar Arguments::scalar(const std::string& name, Scalar fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_number_integer()) return value->get<std::int64_t>();
  return number_of(*value, name);
}

std::int64_t Arguments::integer(const std::string& name, std::int64_t fallback) const {
  return optional_integer(name).value_or(fallback);
}

std::optional<std::int64_t> Arguments::optional_integer(const std::string& name) const {
  const Json* value = find(name);
  return value == nullptr ? std::nullopt : std::optional(integer_of(*value, name));
}

bool Arguments::flag(const std::string& name, bool fallback) const {
  const Json* value = find(name);
  return value == nullptr ? fallback : integer_of(*value, name) != 0;
}

std::string Arguments::word(const std::string& name, const std::string& fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_string()) throw NotThere(name + " that is no word");
  return value->get<std::string>();
}

std::vector<std::int64_t> Arguments::integers(const std::string& name) const {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_array()) return {integer_of(*value, name)};
  std::vector<std::int64_t> list;
  for (const Json& number : *value) list.push_back(integer_of(number, name));
  return list;
}

std::vector<std::int64_t> Arguments::integers(const std::string& name, std::int64_t none) const {
  const Json* value = find(name);
  if (value == nullptr) return {};
  const auto one = [&](const Json& number) { return number == "None" ? none : integer_of(number, name); };
  if (!value->is_array()) return {one(*value)};
  std::vector<std::int64_t> list;
  for (const Json& number : *value) list.push_back(one(number));
  return list;
}

std::vector<double> Arguments::numbers(const std::string& name) const {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (!value->is_array()) return {number_of(*value, name)};
  std::vector<double> list;
  for (const Json& one : *value) list.push_back(number_of(one, name));
  return list;
}

Reduction Arguments::reduction() const {
  return choice<Reduction>("reduction", Reduction::mean,
                           {{"none", Reduction::none},
                            {"mean", Reduction::mean},
                            {"sum", Reduction::sum},
                            {"batchmean", Reduction::batchmean}});
}

DType Arguments::dtype(DType fallback) const { return choice("dtype", fallback, dtypes()); }

DType Arguments::sample_dtype() const { return dtypes().at(sample_.at("dtype")); }

void Arguments::load(nn::Module& module) const {
  nn::StateDict state;
  for (const auto& [name, tensor] : sample_.at("state").items()) state.push_back({name, file_.at(tensor)});
  module.load_state_dict(state);
  module.train(sample_.at("training").get<bool>());
  for (const nn::NamedTensor& entry : module.state_dict()) state_.insert_or_assign("state." + entry.name, entry.tensor);
}

Tensor Arguments::leaf(const std::string& name) const {
  const Tensors& all = name.starts_with("state.") ? state_ : inputs_;
  return all.at(name);
}

std::vector<std::string> Arguments::unread() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : sample_.at("arguments").items()) {
    if (!read_.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace hop::parity
