// The targets as libFuzzer calls them (`./dev fuzz`). The environment's HOP_FUZZ_TARGET names the target: the processes
// that -fork starts have it, too.
//
//   hop_fuzz --list          prints the names
//   hop_fuzz --seeds FOLDER  writes each target's seeds into FOLDER/NAME
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "tests/fuzz/fuzz.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace hop::fuzz {
namespace {

constexpr double kMostSeconds = 1;  // of the processor's, sanitizers included, for at most 64 KiB

const Target& target() {
  static const Target& chosen = [] -> const Target& {
    const char* name = std::getenv("HOP_FUZZ_TARGET");
    const auto found = std::ranges::find_if(targets(), [&](const Target* t) { return name && t->name == name; });
    if (found != targets().end()) return **found;
    std::cerr << "hop_fuzz: expected the name of a target in HOP_FUZZ_TARGET; --list prints them\n";
    std::exit(2);
  }();
  return chosen;
}

double seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void write_seeds(const std::filesystem::path& into) {
  for (const Target* t : targets()) {
    std::filesystem::create_directories(into / t->name);
    if (t->seeds == nullptr) continue;
    int number = 0;
    for (const std::string& seed : t->seeds()) {
      std::ofstream(into / t->name / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
    }
  }
}

}  // namespace
}  // namespace hop::fuzz

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  using namespace hop::fuzz;
  const std::string_view verb = *count > 1 ? (*arguments)[1] : "";
  if (verb == "--list") {
    for (const Target* t : targets()) std::cout << t->name << "\n";
    std::exit(0);
  }
  if (verb == "--seeds" && *count > 2) {
    write_seeds((*arguments)[2]);
    std::exit(0);
  }
  (void)target();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hop::fuzz;
  const double before = seconds();
  try {
    (void)refusal(target(), std::as_bytes(std::span(data, size)));
  } catch (const std::exception& error) {
    std::cerr << "finding in " << target().name << ": " << error.what() << std::endl;
    std::abort();
  }
  if (const double took = seconds() - before; took > kMostSeconds) {
    std::cerr << "finding in " << target().name << ": " << size << " bytes took " << took << " s" << std::endl;
    std::abort();
  }
  return 0;
}

// libFuzzer's own changes, and most times checksums that are right again.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  using namespace hop::fuzz;
  size = LLVMFuzzerMutate(data, size, max_size);
  if (target().repair == nullptr || seed % 4 == 0) return size;
  std::string input(reinterpret_cast<const char*>(data), size);
  target().repair(input);
  std::copy_n(input.begin(), std::min(input.size(), max_size), data);
  return std::min(input.size(), max_size);
}
