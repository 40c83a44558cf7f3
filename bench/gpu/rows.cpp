#include "bench/gpu/rows.h"

#include <algorithm>
#include <chrono>

#include "kernels/capture.h"
#include "kernels/cuda/runtime.h"
#include "tensor/backend.h"

namespace hop::bench::gpu {
namespace {

namespace cuda = hop::kernels::cuda;

constexpr int kSamples = 11;
constexpr double kSample = 3e-3;  // seconds

/// The median of `kSamples` calls of measure(repetitions) / repetitions.
Timing sample(Size size, const std::function<double(int)>& measure) {
  measure(1);  // code is loaded, libraries choose their algorithms
  const int repetitions =
      size == Size::small ? 1 : std::clamp(static_cast<int>(kSample / std::max(measure(3) / 3, 1e-7)), 1, 2000);
  std::vector<double> seconds;
  for (int i = 0; i < (size == Size::small ? 1 : kSamples); ++i) seconds.push_back(measure(repetitions) / repetitions);
  std::sort(seconds.begin(), seconds.end());
  const std::size_t n = seconds.size();
  return {seconds[n / 2], (seconds[n * 3 / 4] - seconds[n / 4]) / 2};
}

}  // namespace

Timing time_on_device(const std::function<void()>& work, Size size) {
  const cuda::Event start(cuda::Event::Timing::on), stop(cuda::Event::Timing::on);
  return sample(size, [&](int repetitions) {
    start.record(cuda::current_stream());
    for (int i = 0; i < repetitions; ++i) work();
    stop.record(cuda::current_stream());
    return 1e-3 * static_cast<double>(cuda::milliseconds_between(start, stop));
  });
}

Timing time_briefly(const std::function<void()>& work, Size size) {
  constexpr int kRepetitions = 10;
  const cuda::Event start(cuda::Event::Timing::on), stop(cuda::Event::Timing::on);
  work();  // code is loaded
  const Recording recording = capture(
      [&] {
        for (int i = 0; i < kRepetitions; ++i) work();
      },
      Device::cuda());
  Timing best{1e9, 0};
  for (int i = 0; i < (size == Size::small ? 1 : 3); ++i) {
    start.record(cuda::current_stream());
    recording.replay();
    stop.record(cuda::current_stream());
    best.seconds =
        std::min(best.seconds, 1e-3 * static_cast<double>(cuda::milliseconds_between(start, stop)) / kRepetitions);
  }
  return best;
}

Timing time_on_host(const std::function<void()>& work, Size size) {
  return sample(size, [&](int repetitions) {
    using Clock = std::chrono::steady_clock;
    backend(Device::cuda()).synchronize();
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < repetitions; ++i) work();
    backend(Device::cuda()).synchronize();
    return std::chrono::duration<double>(Clock::now() - start).count();
  });
}

std::vector<Row> guarded(const std::string& section, const std::string& name, const std::function<Row()>& measure) {
  try {
    Row row = measure();
    row.section = section;
    row.name = name;
    return {row};
  } catch (const std::exception& e) {
    return {{section, name, 0, "error", 0, 0, e.what()}};
  }
}

nlohmann::json to_json(const std::vector<Row>& rows) {
  nlohmann::json all = nlohmann::json::array();
  for (const Row& r : rows) {
    nlohmann::json row = {{"section", r.section}, {"name", r.name}, {"value", r.value}, {"unit", r.unit}};
    if (r.spread > 0) row["spread"] = r.spread;
    if (r.floor > 0 && r.value > 0) row["floor"] = r.floor, row["of_floor"] = r.floor / r.value;
    if (!r.note.empty()) row["note"] = r.note;
    all.push_back(row);
  }
  return all;
}

}  // namespace hop::bench::gpu
