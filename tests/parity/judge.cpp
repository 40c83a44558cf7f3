// The judge of parity with PyTorch: calls our functions with PyTorch's own samples and compares.
//
//   hop_parity FOLDER
//
// FOLDER is what tests/parity/opinfo.py wrote: samples.jsonl, a sample per line, and the tensors in safetensors files.
// Each sample is judged twice, with contiguous tensors and with strided ones. Writes FOLDER/results.jsonl, which the
// script reads, and prints a line per operation. Ends with 0 unless a file cannot be read: the script knows the
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

// Numbers agree within 1e-9 of their size, or of a thousandth of the largest number of their tensor: there the digits
// of a sum are lost by cancellation in any order of addition.
constexpr double kRelative = 1e-9, kOfLargest = 1e-3, kAbsolute = 1e-12;

struct Verdict {
  std::string outcome;    // agrees, differs, refused, not_there
  std::string detail;     // where and how, or the error's message, or the arguments that are not there
  double difference = 0;  // the largest one, relative as above
};

std::vector<double> numbers(const Tensor& x) {
  const Tensor y = contiguous(to(x.detach(), DType::f64));
  return {y.data<double>(), y.data<double>() + y.numel()};
}

struct Difference {
  double size = 0;  // relative as above; infinity for a NaN or an infinity beside another number
  double ours = 0, theirs = 0;
};

// The largest one.
Difference difference(const Tensor& ours, const Tensor& theirs) {
  const std::vector<double> a = numbers(ours), b = numbers(theirs);
  double largest = 0;
  for (const double y : b) {
    if (std::isfinite(y)) largest = std::max(largest, std::abs(y));
  }
  Difference worst;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double allowed = kRelative * std::max(std::abs(b[i]), kOfLargest * largest) + kAbsolute;
    double size = std::abs(a[i] - b[i]) / allowed * kRelative;
    if (!std::isfinite(size)) size = std::numeric_limits<double>::infinity();
    if (size > worst.size) worst = {size, a[i], b[i]};
  }
  return worst;
}

// Puts into `verdict` how `ours` differs. The largest difference of a sample counts; another shape is more than that.
void compare(const Tensor& ours, const Tensor& theirs, const std::string& what, Verdict& verdict) {
  if (!ours.defined() || ours.shape() != theirs.shape() || ours.dtype() != theirs.dtype()) {
    const std::string got = ours.defined() ? ours.describe() : "nothing";
    verdict = {"differs", what + " is " + got + ", not " + theirs.describe(), std::numeric_limits<double>::infinity()};
    return;
  }
  const Difference d = difference(ours, theirs);
  if (d.size <= kRelative || (verdict.outcome == "differs" && d.size <= verdict.difference)) return;
  std::ostringstream text;
  text << what << " has " << d.ours << " where PyTorch has " << d.theirs;
  verdict = {"differs", text.str(), d.size};
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
      compare(y[i], file.at(outputs[i]), "result " + std::to_string(i), verdict);
    }
    for (const auto& [name, tensor] : sample.at("buffers").items()) {
      compare(arguments.leaf(name), file.at(tensor), name, verdict);
    }
    if (sample.at("gradients").empty() || verdict.outcome != "agrees") return verdict;

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
      compare(gradient, file.at(tensor), "the gradient of " + sample.at("names").value(name, name), verdict);
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
  const Verdict verdict = judge_one(sample, file, row, Layout::contiguous);
  if (verdict.outcome != "agrees") return verdict;
  Verdict strided = judge_one(sample, file, row, Layout::strided);
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
    if (count.difference > 0) std::cout << ", largest difference " << count.difference;
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
    Count& count = counts[sample.at("name")];
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
