// Models by description: a family (C++ code, registered by name) or a spec. Code never travels; descriptions do.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nn/config_text.h"
#include "nn/module.h"
#include "nn/spec.h"

namespace hop::nn {

/// The arguments of a family's builder.
struct FamilyRequest {
  ConfigText config{};                ///< the configuration's values; a builder reads those that it knows
  Shape sample{};                     ///< of one sample, without the batch dimension
  std::int64_t classes = 0;           ///< outputs
  std::vector<std::int64_t> words{};  ///< data::Input::words of the sample
};
using FamilyBuilder = std::function<std::shared_ptr<Module>(const FamilyRequest&)>;

/// The families that a program knows. Built in: those of families() in nn/families.h, each with the hyperparameters
/// that it reads.
class FamilyRegistry {
 public:
  FamilyRegistry();
  /// Throws ConfigError for a name that is taken.
  void register_family(std::string name, FamilyBuilder builder);
  /// Throws ConfigError with the nearest name for an unknown one.
  const FamilyBuilder& find(std::string_view name) const;
  /// In alphabetical order.
  std::vector<std::string> names() const;

 private:
  std::map<std::string, FamilyBuilder, std::less<>> builders_;
};

/// A layer of a model under its name in state_dict, as a spec writes it.
struct NamedLayer {
  std::string name{};
  std::string text{};
};

/// A model up to its data: either a family or layers.
struct ModelDescription {
  std::string family = {};
  std::vector<std::string> layers = {};  ///< may contain $name, which is replaced by the value in `config`; $outputs
                                         ///< and $classes are always defined: the number of outputs
  ConfigText config = {};

  /// The canonical text: `layer TEXT` lines (values substituted, shortest form), or `family NAME` and then `NAME =
  /// VALUE` lines in the order of names. Throws ConfigError for a spec with errors.
  std::string to_text(std::int64_t classes) const;
  /// The inverse of to_text(). The text is not trusted (ConfigError).
  static ModelDescription from_text(std::string_view text);
};

/// The layers of a description, values substituted, in the order in which they compute; empty for a family that did not
/// ship with Hopscotch. Throws ConfigError for a spec with errors.
std::vector<NamedLayer> layers_of(const ModelDescription& description, const data::Input& sample, std::int64_t classes);

/// Builds the model for samples like `sample` and `classes` outputs (0: not checked). Throws ConfigError.
std::shared_ptr<Module> build_model(const ModelDescription& description, const data::Input& sample,
                                    std::int64_t classes, const FamilyRegistry& families = {},
                                    const SpecLimits& limits = {});

}  // namespace hop::nn
