// Each side of a comparison is a process of its own, so that its libraries, its OpenMP and its allocator disturb
// nobody. It takes commands over a pipe. This is the whole protocol; it knows no library. bench/peers/pytorch.py speaks
// it too.
//
//   the side, once:        NAME AND VERSION
//   load SLOT WHAT...      ok | no REASON          prepares some work and keeps it under a number
//   run SLOT N             SECONDS CPU VALUE       does it N times: wall time, CPU time, and what the last one gave
//   drop SLOT              ok                      forgets it
#pragma once

#include <chrono>
#include <ctime>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace hop::bench {

/// Does something `repetitions` times; gives what the last one computed (a loss, a sum), for the other side to compare.
using Work = std::function<double(int repetitions)>;
/// Prepares the work that the words describe. Throws for what this side cannot do.
using Workshop = std::function<Work(const std::vector<std::string>& what)>;

inline double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// One untimed repetition first brings code and data back into the caches after the other side's turn.
inline std::string run_timed(const Work& work, int repetitions) {
  using Clock = std::chrono::steady_clock;
  work(1);
  const double cpu = cpu_seconds();
  const Clock::time_point start = Clock::now();
  const double value = work(repetitions);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::ostringstream answer;
  answer.precision(12);
  answer << seconds << ' ' << cpu_seconds() - cpu << ' ' << value;
  return answer.str();
}

/// Serves standard input until it ends.
inline int serve(const std::string& name, const Workshop& workshop) {
  std::cout << name << std::endl;
  std::map<int, Work> works;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb, word, answer = "ok";
    int slot = 0;
    words >> verb >> slot;
    try {
      if (verb == "load") {
        std::vector<std::string> what;
        while (words >> word) what.push_back(word);
        works[slot] = workshop(what);
      } else if (verb == "run") {
        int repetitions = 1;
        words >> repetitions;
        answer = run_timed(works.at(slot), repetitions);
      } else {
        works.erase(slot);
      }
    } catch (const std::exception& error) {
      answer = std::string("no ") + error.what();
      for (char& c : answer) c = c == '\n' ? ' ' : c;
    }
    std::cout << answer << std::endl;
  }
  return 0;
}

}  // namespace hop::bench
