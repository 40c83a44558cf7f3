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
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ports {

class Twin {
 public:
  /// `f32_tolerance`: the distance from PyTorch that an f32 loss may have, relative to it or to 1.
  Twin(int argc, char** argv, double f32_tolerance = 1e-4) : f32_tolerance_(f32_tolerance) {
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
  /// In f64 1e-9.
  double tolerance() const { return dtype() == hop::DType::f64 ? 1e-9 : f32_tolerance_; }
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
    std::printf("step %3d  loss", steps_++);
    for (const double value : values) std::printf(" %.6f", value);
    std::printf("\n");
    losses_.insert(losses_.end(), values);
  }
  /// Of main(): 0 if all is well. In a comparison, each loss is the twin's. Otherwise all are finite, and `worked`.
  int verdict(bool worked) const {
    if (compares()) return is_close("losses", hop::Tensor::from<double>(losses_, {std::ssize(losses_)})) ? 0 : 1;
    return worked && std::ranges::all_of(losses_, [](double loss) { return std::isfinite(loss); }) ? 0 : 1;
  }
  /// Whether `values` are those of the golden tensor `name`, within the tolerance; prints the largest distance.
  bool is_close(const std::string& name, const hop::Tensor& values) const {
    const hop::Tensor expected = hop::to(golden_.at(name), hop::DType::f64), got = hop::to(values, hop::DType::f64);
    if (!(expected.shape() == got.shape())) {
      throw hop::ShapeError("[" + name + "] expected " + expected.shape().to_string() + ", got " +
                            got.shape().to_string());
    }
    const hop::Tensor distance = hop::abs(got - expected) / hop::clamp(hop::abs(expected), 1.0);
    const double largest = hop::max(distance).item<double>();
    std::printf("%s: PyTorch's within %.1e, %.0e allowed\n", name.c_str(), largest, tolerance());
    return largest <= tolerance();
  }

 private:
  hop::Tensor draw(const hop::Shape& shape, const std::function<hop::Tensor()>& make) {
    if (!compares()) return make();
    const std::string name = "draw." + std::to_string(draws_++);
    const hop::Tensor& value = golden_.at(name);
    if (value.shape() == shape) return hop::is_floating(value.dtype()) ? hop::to(value, dtype()) : value;
    throw hop::ShapeError("[" + name + "] expected " + shape.to_string() + ", got " + value.shape().to_string());
  }

  std::filesystem::path file_;
  double f32_tolerance_;
  bool is_f32_ = false;
  std::map<std::string, hop::Tensor> golden_;
  hop::Generator generator_{2026};
  int draws_ = 0, steps_ = 0;
  std::vector<double> losses_;
};

/// The share of true elements.
inline double share(const hop::Tensor& is_true) { return hop::mean(hop::to(is_true, hop::DType::f64)).item<double>(); }

}  // namespace ports
