// The executor's messages about a block: which threads wait where, and what was expected.
#include <map>
#include <string_view>
#include <tuple>

#include "kernels/simt/block_internal.h"

namespace hop::simt {
namespace {

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string triple(unsigned x, unsigned y, unsigned z) {
  return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

// The key of threads that wait at one place with one mask.
using Place = std::tuple<State, std::string, unsigned>;
std::map<Place, std::vector<unsigned>> places(const std::vector<Thread>& threads) {
  std::map<Place, std::vector<unsigned>> found;
  for (const Thread& thread : threads) {
    const bool waits = thread.state == State::at_barrier || thread.state == State::at_warp;
    const unsigned mask = thread.state == State::at_warp ? thread.mask : 0;
    found[{thread.state, waits ? describe_place(thread) : "", mask}].push_back(thread.index);
  }
  return found;
}

}  // namespace

std::string describe_place(const Thread& thread) {
  return std::string(thread.operation) + " at " + std::string(base_name(thread.where.file_name())) + ":" +
         std::to_string(thread.where.line());
}

std::string describe_mask(unsigned mask) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "mask 0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[mask >> shift & 15U];
  return text;
}

std::string describe_threads(const std::vector<unsigned>& indices) {
  std::string text = indices.size() == 1 ? "thread " : "threads ";
  for (std::size_t first = 0, last = 0; first < indices.size(); first = last + 1) {
    last = first;
    while (last + 1 < indices.size() && indices[last + 1] == indices[last] + 1) ++last;
    text += (first == 0 ? "" : ", ") + std::to_string(indices[first]);
    if (last > first) text += "-" + std::to_string(indices[last]);
  }
  return text;
}

std::string Block::op() const { return "[" + function_name(launch_->kernel) + "] "; }

std::string Block::context() const {
  const dim3& size = launch_->block;
  return " (block " + triple(index_.x, index_.y, index_.z) + " of " + std::to_string(size.x) + " x " +
         std::to_string(size.y) + " x " + std::to_string(size.z) + " threads)";
}

void Block::check_same_place(const std::vector<const Thread*>& met, const char* what) const {
  const Location& first = met.front()->where;
  for (const Thread* thread : met) {
    // Columns distinguish two calls on one line. File names are usually one and the same string.
    const bool same_file = thread->where.file_name() == first.file_name() ||
                           std::string_view(thread->where.file_name()) == first.file_name();
    if (same_file && thread->where.line() == first.line() && thread->where.column() == first.column()) continue;
    throw DivergenceError(op() + "expected " + what + ", got thread " + std::to_string(met.front()->index) + " in " +
                          describe_place(*met.front()) + " and thread " + std::to_string(thread->index) + " in " +
                          describe_place(*thread) + context());
  }
}

std::string Block::describe() const {
  std::string text;
  for (const auto& [place, threads] : places(threads_)) {
    const auto& [state, where, mask] = place;
    text += describe_threads(threads);
    if (state == State::fresh) text += ": not started";
    if (state == State::ready) text += ": running, or ready to run";
    if (state == State::ended) text += ": ended";
    if (state == State::at_barrier) text += ": in " + where;
    if (state == State::at_warp) text += ": in " + where + ", " + describe_mask(mask);
    text += "\n";
  }
  return text;
}

void Block::report_stuck() const {
  std::string found;
  for (const auto& [place, threads] : places(threads_)) {
    const auto& [state, where, mask] = place;
    found += (found.empty() ? "" : "; ") + describe_threads(threads);
    if (state == State::ended) found += " ended";
    if (state == State::at_barrier) found += " in " + where;
    if (state == State::at_warp) found += " in " + where + " with " + describe_mask(mask);
  }
  throw DivergenceError(op() + "expected threads that meet, got " + found + context());
}

const char* threads() {
  thread_local std::string text;
  const Block* const block = Block::current_or_null();
  text = block == nullptr ? "no kernel runs on this OS thread\n" : block->describe();
  return text.c_str();
}

}  // namespace hop::simt
