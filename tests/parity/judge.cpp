// The judge of parity with PyTorch: calls our functions with PyTorch's own samples and compares.
//
//   hop_parity FOLDER
//
// FOLDER is what tests/parity/opinfo.py wrote: samples.jsonl, a sample per line, and the tensors in safetensors files.
// Each sample is judged twice, with contiguous tensors and with strided ones. Samples of bf16 and f16 are judged by
// PyTorch's f32 for the same numbers, rounded; beside it lies PyTorch's own result. Writes FOLDER/results.jsonl, which
// the script reads, and prints a line per operation. Ends with 0 unless a file cannot be read: the script knows the
// differences that have a reason.
#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <sstream>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "nn/safetensors.h"
#include "tests/parity/tables.h"

namespace hop::parity {
namespace {

namespace fs = std::filesystem;

// Numbers agree within `relative` of their size, or of a thousandth of the largest number of their tensor: there the
// digits of a sum are lost by cancellation in any order of addition.
constexpr double kOfLargest = 1e-3;

// In 16 bits: one to two units in the last place. Results of f32 that differ in their last digits may be rounded to
// neighbours. The smallest unit of f16 is 2^-24.
struct Tolerance {
  double relative, absolute;
};
Tolerance tolerance_of(DType dtype) {
  if (dtype == DType::bf16) return {0x1p-7, 1e-12};
  if (dtype == DType::f16) return {0x1p-10, 0x1p-24};
  return {1e-9, 1e-12};
}

// How much further from the number of f32 than PyTorch's own result in 16 bits: the roundings in between are others.
constexpr double kRoundings = 2;

struct Verdict {
  std::string outcome;    // agrees, rounds (in between, as PyTorch does), differs, refused, not_there
  std::string detail;     // where and how, or the error's message, or the arguments that are not there
  double difference = 0;  // the largest one, in multiples of what is allowed
};

std::vector<double> numbers(const Tensor& x) {
  const Tensor y = contiguous(to(x.detach(), DType::f64));
  return {y.data<double>(), y.data<double>() + y.numel()};
}

struct Difference {
  double size = 0;  // in multiples of what is allowed; infinity for a NaN or an infinity beside another number
  double ours = 0, theirs = 0;
};

// The largest one.
Difference difference(const Tensor& ours, const Tensor& theirs) {
  const Tolerance tolerance = tolerance_of(theirs.dtype());
  const std::vector<double> a = numbers(ours), b = numbers(theirs);
  double largest = 0;
  for (const double y : b) {
    if (std::isfinite(y)) largest = std::max(largest, std::abs(y));
  }
  Difference worst;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double allowed = tolerance.relative * std::max(std::abs(b[i]), kOfLargest * largest) + tolerance.absolute;
    double size = std::abs(a[i] - b[i]) / allowed;
    if (!std::isfinite(size)) size = std::numeric_limits<double>::infinity();
    if (size > worst.size) worst = {size, a[i], b[i]};
  }
  return worst;
}

// What a result is compared with.
struct Reference {
  Tensor value;
  Tensor own;  // PyTorch's own result in 16 bits; undefined if it is `value`

  Reference(const Json& sample, const Tensors& file, const std::string& name) : value(file.at(name)) {
    const Json& others = sample.at("own");
    if (others.contains(name)) own = file.at(others.at(name));
  }
  // Whether rounding in between has led PyTorch as far from `value`. An infinity excuses nothing.
  bool excuses(double size) const {
    const double theirs = own.defined() ? difference(own, value).size : 0;
    return std::isfinite(theirs) && size <= kRoundings * theirs;
  }
};

// Puts into `verdict` how `ours` differs. The largest difference of a sample counts; another shape is more than that.
void compare(const Tensor& ours, const Reference& reference, const std::string& what, Verdict& verdict) {
  const Tensor& theirs = reference.value;
  if (!ours.defined() || ours.shape() != theirs.shape() || ours.dtype() != theirs.dtype()) {
    const std::string got = ours.defined() ? ours.describe() : "nothing";
    verdict = {"differs", what + " is " + got + ", not " + theirs.describe(), std::numeric_limits<double>::infinity()};
    return;
  }
  const Difference d = difference(ours, theirs);
  if (d.size <= 1) return;
  const std::string outcome = reference.excuses(d.size) ? "rounds" : "differs";
  const bool is_known = verdict.outcome == outcome && d.size <= verdict.difference;
  if (is_known || (outcome == "rounds" && verdict.outcome == "differs")) return;
  std::ostringstream text;
  text << what << " has " << d.ours << " where PyTorch has " << d.theirs;
  verdict = {outcome, text.str(), d.size};
}

Verdict judge_one(const Json& sample, const Tensors& file, const Row& row, Layout layout) {
  const Arguments arguments(sample, file, layout);
  const auto missing = [&] {
    std::string names;
    for (const std::string& name : arguments.unread()) names += (names.empty() ? "" : ", ") + name;
    return names;
  };
  try {
    const std::vector<Tensor> y = row.call(arguments);
    if (const std::string names = missing(); !names.empty()) return {"not_there", names};
    const Json& outputs = sample.at("outputs");
    if (y.size() != outputs.size()) {
      return {"differs", std::to_string(y.size()) + " results, not " + std::to_string(outputs.size())};
    }
    Verdict verdict{"agrees", ""};
    for (std::size_t i = 0; i < y.size(); ++i) {
      compare(y[i], {sample, file, outputs[i]}, "result " + std::to_string(i), verdict);
    }
    for (const auto& [name, tensor] : sample.at("buffers").items()) {
      compare(arguments.leaf(name), {sample, file, tensor}, name, verdict);
    }
    if (sample.at("gradients").empty() || verdict.outcome == "differs") return verdict;

    std::vector<Tensor> differentiated, incoming, leaves;
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (sample.at("incoming")[i].is_null()) continue;
      if (!y[i].requires_grad()) return {"differs", "result " + std::to_string(i) + " has no gradient"};
      differentiated.push_back(y[i]);
      incoming.push_back(file.at(sample.at("incoming")[i]));
    }
    for (const auto& [name, tensor] : sample.at("gradients").items()) leaves.push_back(arguments.leaf(name));
    const std::vector<Tensor> gradients =
        grad(differentiated, leaves, {.grad_outputs = incoming, .allow_unused = true});
    std::size_t i = 0;
    for (const auto& [name, tensor] : sample.at("gradients").items()) {
      const Tensor gradient = gradients[i].defined() ? gradients[i] : zeros_like(leaves[i]);
      compare(gradient, {sample, file, tensor}, "the gradient of " + sample.at("names").value(name, name), verdict);
      ++i;
    }
    return verdict;
  } catch (const NotThere& error) {
    return {"not_there", error.what()};
  } catch (const std::exception& error) {
    const std::string names = missing();
    return names.empty() ? Verdict{"refused", error.what()} : Verdict{"not_there", names};
  }
}

Verdict judge(const Json& sample, const Tensors& file, const Row& row) {
  const auto is_near = [](const Verdict& v) { return v.outcome == "agrees" || v.outcome == "rounds"; };
  const Verdict verdict = judge_one(sample, file, row, Layout::contiguous);
  if (!is_near(verdict)) return verdict;
  Verdict strided = judge_one(sample, file, row, Layout::strided);
  if (is_near(strided) && verdict.outcome == "rounds") return verdict;
  if (strided.outcome != "agrees") strided.detail = "strided: " + strided.detail;
  return strided;
}

struct Count {
  std::map<std::string, int> outcomes;
  double difference = 0;
  std::vector<std::string> firsts;  // the first sample of each other outcome
};

void print(const std::map<std::string, Count>& counts) {
  for (const auto& [name, count] : counts) {
    std::cout << name << ":";
    for (const auto& [outcome, number] : count.outcomes) std::cout << " " << number << " " << outcome;
    if (count.difference > 0) std::cout << ", largest difference " << count.difference << " of what is allowed";
    std::cout << "\n";
    for (const std::string& first : count.firsts) std::cout << "    " << first << "\n";
  }
}

void judge_folder(const fs::path& folder) {
  std::map<std::string, Row> rows;
  for (const Rows& table : {elementwise_rows(), operation_rows(), position_rows(), image_rows(), fractional_pool_rows(),
                            loss_rows(), layer_rows(), image_layer_rows(), loss_object_rows()}) {
    for (const Row& row : table) rows.insert_or_assign(row.name, row);
  }
  std::ifstream samples(folder / "samples.jsonl");
  std::ofstream out(folder / "results.jsonl");
  if (!samples || !out) throw std::runtime_error("cannot read and write the files of " + folder.string());

  std::map<std::string, Count> counts;
  std::string loaded;
  Tensors file;
  for (std::string line; std::getline(samples, line);) {
    const Json sample = Json::parse(line);
    if (const std::string name = sample.at("file"); name != loaded) {
      file.clear();
      for (const nn::NamedTensor& entry : nn::load_safetensors(folder / name).tensors) {
        file.emplace(entry.name, entry.tensor);
      }
      loaded = name;
    }
    const auto row = rows.find(sample.at("operation").get<std::string>());
    const Verdict verdict = row == rows.end() ? Verdict{"not_there", "the function"} : judge(sample, file, row->second);
    out << Json{{"outcome", verdict.outcome}, {"detail", verdict.detail}, {"difference", verdict.difference}}.dump(
               -1, ' ', false, Json::error_handler_t::replace)
        << "\n";
    Count& count = counts[sample.at("name").get<std::string>() + " " + sample.at("dtype").get<std::string>()];
    if (++count.outcomes[verdict.outcome] == 1 && verdict.outcome != "agrees") {
      count.firsts.push_back(verdict.outcome + ": " + verdict.detail + ", for " + sample.at("said").get<std::string>());
    }
    count.difference = std::max(count.difference, verdict.difference);
  }
  print(counts);
}

}  // namespace
}  // namespace hop::parity

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: hop_parity FOLDER\n";
    return 2;
  }
  try {
    hop::parity::judge_folder(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << "hop_parity: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
