#include "nn/optim/rule_optimizer.h"

#include "base/error.h"
#include "nn/detail/number.h"

namespace hop::optim {

void check_settings(const kernels::UpdateRule& rule) {
  std::visit(
      []<class Rule>(const Rule& r) {
        Rule::settings(r, [](std::string_view name, const auto& value, kernels::rules::Range range) {
          nn::detail::check_range(Rule::name, name, static_cast<double>(value), range);
        });
        const char* fault = nullptr;
        if constexpr (requires { r.fault(); }) fault = r.fault();
        if (fault != nullptr) throw ConfigError("[" + std::string(Rule::name) + "] " + fault);
      },
      rule);
}

}  // namespace hop::optim
