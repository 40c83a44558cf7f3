// hop_bench: one table of ratios, ours against named peers. Each side is a process of its own (serve.h); this one asks
// them in turn. docs/bench.md tells how to read the table.
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "base/version.h"
#include "bench/ours.h"
#include "bench/picture.h"
#include "bench/suite.h"
#include "bench/watched.h"

namespace {

using namespace hop::bench;

constexpr const char* kUsage = R"(usage: hop_bench [--filter TEXT] [--rounds N] [--quick] [--out FILE] [--docs FOLDER]
                 [--against PROGRAM]

  --filter TEXT    only rows whose names contain TEXT: train/mlp, memory/, operation/, hop/,
                   exchange, gap/, rivals
  --rounds N       rounds of each comparison (default: 9)
  --quick          batch 32, three short rounds
  --out FILE       where the rows go as JSON (default: bench.json)
  --docs FOLDER    where a whole, careful run leaves bench.json and bench.svg
  --against PROGRAM  the hop_bench of another build is the only peer: each row of training and of operations in both,
                   in turn; a ratio above 1 says that this build is faster
)";

Options parse(int argc, char** argv) {
  Options options;
  options.folder = std::filesystem::canonical("/proc/self/exe").parent_path();
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--quick") {
      options.quick = true;
      options.rounds = {.rounds = 3, .batch_seconds = 0.03};
      continue;
    }
    if (i + 1 == argc) throw SideError(kUsage);
    const std::string value = argv[++i];
    if (word == "--filter") {
      options.filter = value;
    } else if (word == "--rounds") {
      options.rounds.rounds = std::stoi(value);
    } else if (word == "--out") {
      options.out = value;
    } else if (word == "--docs") {
      options.docs = value;
    } else if (word == "--against") {
      options.against = std::filesystem::absolute(value);
    } else {
      throw SideError(kUsage);
    }
  }
  return options;
}

// One thread everywhere, and freed memory stays with its process. By default glibc gives large buffers back to the
// kernel and pays page faults for the next ones. LibTorch gains most from the setting, so the comparison is the harder
// one.
void set_environment() {
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}) setenv(name, "1", 1);
  setenv("MALLOC_TOP_PAD_", "67108864", 1);
  setenv("MALLOC_TRIM_THRESHOLD_", "2147483648", 1);
  setenv("MALLOC_MMAP_THRESHOLD_", "33554432", 1);  // the largest that glibc takes
}

int run(int argc, char** argv) {
  set_environment();
  const Options options = parse(argc, argv);
  Suite suite(options);
  add_training_rows(suite);
  add_memory_rows(suite);
  add_operation_rows(suite);
  if (options.against.empty()) {
    add_hop_rows(suite);
    add_exchange_rows(suite);
    add_gap_rows(suite);
    add_rival_rows(suite);
  }
  write_file(options.out, rows_json(suite.report()));
  const bool whole =
      options.filter.empty() && !options.quick && options.against.empty();  // docs/ holds whole tables only
  if (whole && !options.docs.empty()) {
    write_file(options.docs / "bench.json", report_json(suite.report()));
    write_file(options.docs / "bench.svg", picture_of(suite.report()));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 2 && std::string(argv[1]) == "--side") {
      return serve(std::string("Hopscotch ") + hop::kVersion, our_work);
    }
    if (argc > 4 && std::string(argv[1]) == "--watch") return watch({argv + 2, argv + argc});
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
