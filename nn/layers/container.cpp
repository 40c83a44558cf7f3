#include "nn/layers/container.h"

#include <algorithm>

#include "base/error.h"

namespace hop::nn {

void ModuleList::append(AnyModule module) { add_child(std::to_string(size()), std::move(module)); }

Module& ModuleList::operator[](std::size_t i) const {
  if (i >= size()) {
    throw IndexError("[ModuleList] expected an index below " + std::to_string(size()) + ", got " + std::to_string(i));
  }
  return *named_children()[i].module;
}

bool ModuleDict::contains(std::string_view name) const {
  return std::ranges::find(named_children(), name, &NamedModule::name) != named_children().end();
}

std::vector<std::string> ModuleDict::keys() const {
  std::vector<std::string> names;
  for (const NamedModule& child : named_children()) names.push_back(child.name);
  return names;
}

Module& ModuleDict::operator[](std::string_view name) const {
  const auto at = std::ranges::find(named_children(), name, &NamedModule::name);
  if (at != named_children().end()) return *at->module;
  std::string names;
  for (const NamedModule& child : named_children()) names += (names.empty() ? "" : ", ") + child.name;
  throw IndexError("[ModuleDict] expected one of (" + names + "), got \"" + std::string(name) + "\"");
}

ParameterList::ParameterList(const std::vector<Tensor>& values) {
  for (const Tensor& value : values) parameters_.push_back(register_parameter(std::to_string(size()), value));
}

const Parameter& ParameterList::operator[](std::size_t i) const {
  if (i >= size()) {
    throw IndexError("[ParameterList] expected an index below " + std::to_string(size()) + ", got " +
                     std::to_string(i));
  }
  return parameters_[i];
}

}  // namespace hop::nn
