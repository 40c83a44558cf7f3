// gpu_bench [SECTION...] [--small] [--out FILE]: measures this card and prints one JSON object. Sections: copies
// launches kernels products steps determinism; all of these without arguments. Only by name, to find out why a figure
// is as it is: nodes offers engines streams start. On a machine without a device it says so and exits 77, as a skipped
// test does.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>

#include "bench/gpu/rows.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/dnn.h"
#include "kernels/cuda/runtime.h"

namespace hop::bench::gpu {
namespace {

using Section = std::vector<Row> (*)(Size);
const std::vector<std::pair<std::string, Section>> kSections = {
    {"copies", copies},   {"launches", launches},       {"kernels", kernels}, {"products", products},
    {"steps", steps},     {"determinism", determinism}, {"nodes", nodes},     {"offers", offers},
    {"engines", engines}, {"streams", streams},         {"start", start}};
/// The sections that run only by name come last.
constexpr std::size_t kUsual = 6;

nlohmann::json describe_device() {
  namespace cuda = hop::kernels::cuda;
  cudaDeviceProp properties{};
  cuda::check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  int driver = 0, runtime = 0;
  cuda::check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  cuda::check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  return {{"name", properties.name},
          {"architecture", "sm_" + std::to_string(properties.major * 10 + properties.minor)},
          {"multiprocessors", properties.multiProcessorCount},
          {"memory_bytes", properties.totalGlobalMem},
          {"l2_bytes", properties.l2CacheSize},
          {"driver", driver},
          {"runtime", runtime},
          {"cublasLt", cuda::blas::available() ? "found" : cuda::blas::why_not_available()},
          {"cudnn", cuda::dnn::available() ? "found" : cuda::dnn::why_not_available()}};
}

int run(int argc, char** argv) {
  std::vector<std::string> wanted;
  Size size = Size::full;
  std::string out;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--small") {
      size = Size::small;
    } else if (argument == "--out" && i + 1 < argc) {
      out = argv[++i];
    } else {
      wanted.push_back(argument);
    }
  }
  if (kernels::cuda::device_count() == 0) {
    std::cout << nlohmann::json{{"skipped", "no CUDA device: " + kernels::cuda::why_no_device()}} << std::endl;
    return 77;
  }
  kernels::cuda::register_device();
  kernels::cuda::use_device(0);
  nlohmann::json report = {{"rows", nlohmann::json::array()}};
  if (wanted.empty()) {
    for (const auto& section : std::span(kSections).first(kUsual)) wanted.push_back(section.first);
  }
  for (const auto& [name, section] : kSections) {
    if (std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    for (const nlohmann::json& row : to_json(section(size))) report["rows"].push_back(row);
  }
  report["device"] = describe_device();  // after the sections: it loads the libraries
  if (!out.empty()) std::ofstream(out) << report.dump(1) << '\n';
  std::cout << report.dump(1) << std::endl;
  return 0;
}

}  // namespace
}  // namespace hop::bench::gpu

int main(int argc, char** argv) {
  try {
    return hop::bench::gpu::run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "gpu_bench: " << e.what() << '\n';
    return 1;
  }
}
