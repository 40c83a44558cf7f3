#include "hopper/worker/doing.h"

#include <algorithm>

namespace hop::hopper::worker {
namespace {

// Precondition: the job has not begun to leave.
std::string verb(const Job& job) {
  switch (job.stage) {
    case Stage::Ordered:
      return "prepares";
    case Stage::Fetching:
      return job.source.empty() ? "reads" : "fetches";
    case Stage::Arrived:
      return "is about to train";
    default:
      return "trains";
  }
}

std::string name(const Job& job) { return "model " + std::to_string(job.lease.model.value); }

}  // namespace

std::string doing(const Jobs& jobs) {
  const auto all = jobs.jobs();
  const auto first = [&](auto is_it) {
    const auto job = std::find_if(all.begin(), all.end(), is_it);
    return job == all.end() ? nullptr : &*job;
  };
  std::string text;
  const Job* current = jobs.training();
  if (current == nullptr) current = first([](const Job& job) { return !job.has_begun(); });
  if (current != nullptr) {
    text = verb(*current) + " " + name(*current);
    if (!current->source.empty() && current->stage < Stage::Arrived) text += " from " + current->source;
  }
  const Job* leaving = first([](const Job& job) { return job.stage == Stage::Leaving; });
  if (leaving != nullptr) text += (text.empty() ? "" : "; ") + ("makes " + name(*leaving) + " durable");
  if (text.empty() && !jobs.copies().empty()) {
    const CopyJob& copy = jobs.copies().front();
    text = "copies model " + std::to_string(copy.copy.model.value) + " from " + copy.source;
  }
  return text;
}

}  // namespace hop::hopper::worker
