#include "hopper/schedule/policies.h"

#include <array>

#include "base/table.h"
#include "hopper/schedule/fixed.h"
#include "hopper/schedule/greedy.h"
#include "hopper/schedule/queue.h"
#include "hopper/schedule/random.h"

namespace hop::hopper {
namespace {

template <class Made>
std::unique_ptr<Policy> make() {
  return std::make_unique<Made>();
}

constexpr std::array kPolicies = {
    PolicyRow{
        FixedPolicy::kName, make<FixedPolicy>, true,
        "Each model goes round the partitions by +1. Of the models that wait for a worker, most work left first."},
    PolicyRow{GreedyPolicy::kName, make<GreedyPolicy>, false,
              "The most loaded worker first. It takes a model that lies there already, then most work left."},
    PolicyRow{QueuePolicy::kName, make<QueuePolicy>, false,
              "A worker trains its models on, then takes the next from the queue. An idle one relieves a busy one."},
    PolicyRow{RandomPolicy::kName, make<RandomPolicy>, false,
              "A worker takes any model that it may train. Cerebro's scheduler, for comparisons."},
};

}  // namespace

std::span<const PolicyRow> policies() { return kPolicies; }

const PolicyRow& find_policy(std::string_view name) { return find_row(policies(), name, "[run] policy"); }

std::unique_ptr<Policy> make_policy(const NameOr<PolicyMaker>& policy, const Itinerary& itinerary) {
  if (policy.is_missing()) refuse_missing("[run] policy");
  if (policy.own() != nullptr) return expect_made((*policy.own())(), "[run] policy");
  const std::string_view fallback = itinerary.strategy->default_policy(itinerary.order);
  return find_policy(policy.name().empty() ? fallback : policy.name()).make();
}

}  // namespace hop::hopper
