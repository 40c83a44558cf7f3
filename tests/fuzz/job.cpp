// Jobs by their sizes (`hop simulate`): TOML with a [job] table, and after each NUL an override as `--set` has it.
#include <cmath>

#include "cli/job_file.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

namespace simulate = hopper::simulate;

// Those are simulated; all others go by formula.
bool takes_long(const simulate::Job& job) {
  double models = 0;
  for (const simulate::JobModels& kind : job.models) models += kind.count;
  const double units = models * job.epochs * std::max(job.partitions, job.workers);
  return units > 200;
}

void run(ByteView input) {
  const std::string_view text = as_text(input);
  const std::size_t end = std::min(text.find('\0'), text.size());
  std::vector<std::string> overrides;
  for (std::size_t at = end; at < text.size();) {
    const std::size_t next = std::min(text.find('\0', at + 1), text.size());
    overrides.emplace_back(text.substr(at + 1, next - at - 1));
    at = next;
  }
  const auto job = cli::read_job(file("job.toml", input.first(end)).string(), overrides);
  if (!job) return;
  for (const simulate::JobSystem& system : simulate::job_systems()) {
    const bool is_simulated = system.strategy == "hopping" || system.strategy == "task_parallel";
    if (is_simulated && takes_long(*job)) continue;
    const simulate::JobReport report = simulate::run_job(*job, system);
    for (const double number : {report.seconds, report.idle_share, report.hop_bytes, report.gradient_bytes,
                                report.copied_bytes, report.read_bytes, report.stored_bytes, report.worker_bytes}) {
      require(std::isfinite(number) && number >= 0, "what is told of a job is a number");
    }
  }
}

}  // namespace

constinit const Target kJob{"job", run};

}  // namespace hop::fuzz
