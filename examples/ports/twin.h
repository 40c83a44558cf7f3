// What the ports share: random numbers, and the comparison with PyTorch. NAME.py is the twin of NAME.cpp.
//
//   mnist                               trains in f32, with weights and random numbers of its own
//   mnist --golden mnist.safetensors    in f64, with the twin's; fails unless each loss is the twin's
//   mnist --golden mnist.safetensors --f32
#pragma once

#include <hopscotch/hopscotch.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ports {

/// For how many steps the f32 losses are PyTorch's within 1e-5, relative to them, and within how much they are later:
/// rounding grows from step to step, in PyTorch as well as here.
struct Rounding {
  std::int64_t steps = std::numeric_limits<std::int64_t>::max();
  double later = 1e-5;
};

class Twin {
 public:
  Twin(int argc, char** argv, const Rounding& rounding = {}) : rounding_(rounding) {
    for (int i = 1; i < argc; ++i) {
      const std::string_view word = argv[i];
      if (word == "--golden" && i + 1 < argc) {
        file_ = argv[++i];
      } else if (word == "--f32") {
        is_f32_ = true;
      } else {
        throw hop::ConfigError("expected --golden FILE or --f32, got " + std::string(word));
      }
    }
    if (!compares()) return;
    for (const hop::nn::NamedTensor& entry : hop::nn::load_safetensors(file_).tensors) {
      golden_.emplace(entry.name, entry.tensor);
    }
  }

  bool compares() const { return !file_.empty(); }
  hop::DType dtype() const { return compares() && !is_f32_ ? hop::DType::f64 : hop::DType::f32; }
  /// A file beside the golden one.
  std::filesystem::path beside(const std::string& name) const { return file_.parent_path() / name; }

  /// The tensors of the golden file whose names begin with "`name`.", without this beginning.
  hop::nn::StateDict state(const std::string& name) const {
    hop::nn::StateDict state;
    for (const auto& [key, tensor] : golden_) {
      if (key.starts_with(name + ".")) state.push_back({key.substr(name.size() + 1), tensor});
    }
    return state;
  }
  /// In a comparison, `net` takes the twin's weights and dtype. Before an optimizer is made.
  void start(hop::nn::Module& net, const std::string& name = "net") const {
    net.to(dtype());
    if (compares()) net.load_state_dict(state(name));
  }

  /// Random numbers: the twin's in a comparison.
  hop::Tensor randn(const hop::Shape& shape) {
    return draw(shape, [&] { return hop::randn(shape, generator_); });
  }
  hop::Tensor randint(std::int64_t low, std::int64_t high, const hop::Shape& shape) {
    return draw(shape, [&] { return hop::randint(low, high, shape, generator_); });
  }

  /// Prints and keeps the losses of one step.
  void losses(std::initializer_list<double> values) {
    std::printf("step %3lld  loss", static_cast<long long>(steps_++));
    for (const double value : values) std::printf(" %.6f", value);
    std::printf("\n");
    losses_.insert(losses_.end(), values);
  }
  /// Of main(): 0 if all is well. In a comparison, each loss is the twin's. Otherwise all are finite, and `worked`.
  int verdict(bool worked) const {
    if (compares()) return losses_are_close() ? 0 : 1;
    return worked && std::ranges::all_of(losses_, [](double loss) { return std::isfinite(loss); }) ? 0 : 1;
  }
  /// Whether the elements of `values` are those of the golden tensor `name` within 1e-10, relative to them or to 1.
  bool is_close(const std::string& name, const hop::Tensor& values) const {
    const hop::Tensor expected = golden(name, values.shape());
    const hop::Tensor distance = hop::abs(values - expected) / hop::clamp(hop::abs(expected), 1.0);
    return is_within(hop::max(distance).item<double>(), kF64, name);
  }

 private:
  static constexpr double kF64 = 1e-10, kF32 = 1e-5;

  const hop::Tensor& golden(const std::string& name, const hop::Shape& shape) const {
    const hop::Tensor& value = golden_.at(name);
    if (value.shape() == shape) return value;
    throw hop::ShapeError("[" + name + "] expected " + shape.to_string() + ", got " + value.shape().to_string());
  }
  hop::Tensor draw(const hop::Shape& shape, const std::function<hop::Tensor()>& make) {
    if (!compares()) return make();
    const hop::Tensor& value = golden("draw." + std::to_string(draws_++), shape);
    return hop::is_floating(value.dtype()) ? hop::to(value, dtype()) : value;
  }
  bool losses_are_close() const {
    const hop::Tensor losses = hop::Tensor::from<double>(losses_, {std::ssize(losses_)});
    const hop::Tensor expected = golden("losses", losses.shape());
    const hop::Tensor distances = hop::abs((losses - expected) / expected);
    if (dtype() == hop::DType::f64) return is_within(hop::max(distances).item<double>(), kF64, "losses");
    const std::int64_t steps = std::min(rounding_.steps, steps_), later = losses.numel() / steps_ * steps;
    const double largest = hop::max(distances[hop::Slice(hop::None, later)]).item<double>();
    const bool are_close = is_within(largest, kF32, "losses of " + std::to_string(steps) + " steps");
    if (steps == steps_) return are_close;
    const double largest_later = hop::max(distances[hop::Slice(later, hop::None)]).item<double>();
    return is_within(largest_later, rounding_.later, "later losses") && are_close;
  }
  static bool is_within(double distance, double allowed, const std::string& what) {
    std::printf("%s: PyTorch's within %.1e, %.0e allowed\n", what.c_str(), distance, allowed);
    return distance <= allowed;
  }

  std::filesystem::path file_;
  Rounding rounding_;
  bool is_f32_ = false;
  std::map<std::string, hop::Tensor> golden_;
  hop::Generator generator_{2026};
  std::int64_t draws_ = 0, steps_ = 0;
  std::vector<double> losses_;
};

/// The share of true elements.
inline double share(const hop::Tensor& is_true) { return hop::mean(hop::to(is_true, hop::DType::f64)).item<double>(); }

}  // namespace ports
