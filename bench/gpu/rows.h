// The measurements of gpu_bench.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hop::bench::gpu {

/// One measurement. `floor` is the least that the card could take, in the unit of `value`, from bytes at the measured
/// copy rate; 0 where there is none.
struct Row {
  std::string section;
  std::string name;
  double value = 0;
  std::string unit;
  double spread = 0;  ///< half the distance between the quartiles, in the unit
  double floor = 0;
  std::string note;
};
nlohmann::json to_json(const std::vector<Row>& rows);

/// How large the problems are: `full` fills a card, `small` is for finding out whether the program works at all.
enum class Size { full, small };

struct Timing {
  double seconds = 0;  ///< the median
  double spread = 0;
};
/// `work` queued on the current stream, by the device's clock: repeated until a sample takes a few milliseconds,
/// several samples, after one that is thrown away.
Timing time_on_device(const std::function<void()>& work, Size size);
/// The shortest of few samples, each a graph of several calls: for long lists, and for kernels shorter than a launch.
Timing time_briefly(const std::function<void()>& work, Size size);
/// The same by the host's clock, from the first call until the device has finished: the time that a user waits.
Timing time_on_host(const std::function<void()>& work, Size size);

/// The sections. Each gives its rows; a part that throws gives a row that says so instead.
std::vector<Row> copies(Size size);       ///< device, to the device, from it, both ways
std::vector<Row> launches(Size size);     ///< a launch by the host, a node of a graph
std::vector<Row> kernels(Size size);      ///< memory-bound operations against their floors
std::vector<Row> products(Size size);     ///< matrix products and convolutions
std::vector<Row> steps(Size size);        ///< training steps of the four nets, eager and captured
std::vector<Row> determinism(Size size);  ///< the same training twice: 1 where all bits agree
std::vector<Row> nodes(Size size);        ///< captured steps, kernel by kernel
std::vector<Row> offers(Size size);       ///< cuBLASLt's epilogues: which exist, which GELU
std::vector<Row> streams(Size size);      ///< several models at the same time, a thread and a stream each
std::vector<Row> start(Size size);        ///< memory and time of a start, step by step
std::vector<Row> engines(Size size);      ///< cuDNN's engines for the nets' convolutions, for at most 100 s

/// Bytes read and written per second by a large copy on the device. Measured once.
double copy_rate(Size size);

/// `measure`'s rows, or one row that holds the error.
std::vector<Row> guarded(const std::string& section, const std::string& name, const std::function<Row()>& measure);

}  // namespace hop::bench::gpu
