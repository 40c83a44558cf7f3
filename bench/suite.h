// The common part of the benchmarks: the options, the sides that could be started, and the rows so far.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/rounds.h"
#include "bench/table.h"

namespace hop::bench {

struct Options {
  std::string filter;  ///< rows whose names contain it; all when empty
  RoundOptions rounds;
  bool quick = false;            ///< fewer and shorter rounds, small batches only: is it alive?
  std::filesystem::path folder;  ///< of this program; the others of the build lie beside it
  std::filesystem::path out = "bench.json";
  std::filesystem::path docs;     ///< a whole run leaves bench.json and bench.svg there, unless empty
  std::filesystem::path against;  ///< the hop_bench of another build, which is then the only peer; empty: the peers
};

/// A kind of process: ours, or a peer's. Starts more of them when two are to work at once.
struct Side {
  std::vector<std::string> command;
  std::vector<std::shared_ptr<Child>> children;
  bool is_our_other_build = false;  ///< it has our variants, and each is compared with the same one
  const std::string& name() const { return children.front()->name(); }
  /// The first n processes.
  std::vector<std::shared_ptr<Child>> take(std::size_t n);
  /// One more process, with this core for all its threads. Throws SideError.
  std::shared_ptr<Child> start_on(std::uint32_t core) const;
};

class Suite {
 public:
  /// Starts our side, and the peers that are there; says which are missing.
  explicit Suite(Options options);

  const Options& options() const { return options_; }
  /// The Python that has PyTorch: HOP_TORCH_PYTHON, or that of `./dev bench`, or the machine's.
  std::string python() const;
  bool wants(const std::string& name) const { return name.find(options_.filter) != std::string::npos; }
  Side& ours() { return ours_; }
  std::vector<Side>& peers() { return peers_; }

  /// Prints the row and keeps it.
  void add(Row row);
  /// Says what was left out, and why.
  void skip(const std::string& what, const std::string& why) const;
  const Report& report() const { return report_; }

 private:
  void start_peer(const std::vector<std::string>& command, const std::string& what);

  Options options_;
  Side ours_;
  std::vector<Side> peers_;
  Report report_;
};

// Each adds its rows: training_rows.cpp, memory_rows.cpp, operation_rows.cpp, hop_rows.cpp, exchange_rows.cpp,
// gap_rows.cpp, rival_rows.cpp.
void add_training_rows(Suite& suite);
void add_memory_rows(Suite& suite);
void add_operation_rows(Suite& suite);
void add_hop_rows(Suite& suite);
void add_exchange_rows(Suite& suite);
void add_gap_rows(Suite& suite);
void add_rival_rows(Suite& suite);

}  // namespace hop::bench
