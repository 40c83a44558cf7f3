// The built-in families.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/layers.h"
#include "nn/model.h"

namespace hop::nn {

/// A model that ships with Hopscotch, by name.
struct FamilyRow {
  std::string_view name{};  ///< "resnet18"
  std::string_view doc{};
  std::vector<std::pair<std::string_view, std::string>>
      settings{};                            ///< the hyperparameters that it reads: name, default
  std::vector<std::string_view> integers{};  ///< those of `settings` that are whole numbers
  std::shared_ptr<Module> (*make)(const FamilyRequest& request) = nullptr;
};

/// All of them, in alphabetical order.
std::span<const FamilyRow> families();

/// The layers of a built-in family, in the order in which they compute; empty for
/// a family whose layers are no row of layers, and for an unknown one.
std::vector<NamedLayer> family_layers(std::string_view family, const FamilyRequest& request);

/// flatten, then per hidden layer linear, activation and (if dropout > 0) dropout, then linear to the classes. Values:
/// `hidden` (128; a width, or widths "128 64"), `depth` (1; how often a single width is repeated), `dropout` (0),
/// `activation` (relu).
std::shared_ptr<Module> make_mlp(const FamilyRequest& request);

/// LeCun's network with ReLU: conv 5x5 16, pool, conv 5x5 32, pool, 128, classes. x (N, C, H, W), H and W at least 16.
class LeNet : public Module {
 public:
  LeNet(const Shape& sample, std::int64_t classes);
  Tensor forward(const Tensor& x) override;

 private:
  Conv2d conv1, conv2;
  Linear fc1, fc2;
};

std::shared_ptr<Module> make_lenet(const FamilyRequest& request);

}  // namespace hop::nn
