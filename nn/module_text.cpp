// How a module prints itself.
#include <cxxabi.h>
#include <cstdlib>
#include <memory>
#include <typeinfo>

#include "nn/module.h"

namespace hop::nn {

// A user's module is printed under its class name, without namespaces.
std::string Module::type_name() const {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status), std::free);
  const std::string name = status == 0 ? text.get() : typeid(*this).name();
  const std::size_t colon = name.rfind("::", name.find('<'));
  return colon == std::string::npos ? name : name.substr(colon + 2);
}

std::string Module::to_string() const {
  const std::string extra = extra_repr();
  std::string text = type_name() + "(" + extra;
  if (named_children().empty()) return text + ")";
  if (!extra.empty()) text.insert(text.size() - extra.size(), "\n  ");
  for (const NamedModule& child : named_children()) {
    std::string lines = child.module->to_string();
    for (std::size_t at = lines.find('\n'); at != std::string::npos; at = lines.find('\n', at + 3))
      lines.insert(at + 1, "  ");
    text += "\n  (" + child.name + "): " + lines;
  }
  return text + "\n)";
}

}  // namespace hop::nn
