#include "hopper/schedule/policies.h"

#include <array>

#include "base/table.h"
#include "hopper/schedule/fixed.h"
#include "hopper/schedule/greedy.h"

namespace hop::hopper {
namespace {

template <class Made>
std::unique_ptr<Policy> make() {
  return std::make_unique<Made>();
}

constexpr std::array kPolicies = {
    PolicyRow{
        FixedPolicy::kName, make<FixedPolicy>,
        "Each model goes round the partitions by +1. Of the models that wait for a worker, most work left first."},
    PolicyRow{GreedyPolicy::kName, make<GreedyPolicy>,
              "The most loaded worker first. It takes a model that lies there already, then most work left."},
};

}  // namespace

std::span<const PolicyRow> policies() { return kPolicies; }

const PolicyRow& find_policy(std::string_view name) { return find_row(policies(), name, "[run] policy"); }

std::string_view default_policy(Order order) {
  return order == Order::Fixed ? FixedPolicy::kName : GreedyPolicy::kName;
}

std::unique_ptr<Policy> make_policy(const NameOr<PolicyMaker>& policy, Order order) {
  if (policy.is_missing()) refuse_missing("[run] policy");
  if (policy.own() != nullptr) return expect_made((*policy.own())(), "[run] policy");
  return find_policy(policy.name().empty() ? default_policy(order) : policy.name()).make();
}

}  // namespace hop::hopper
