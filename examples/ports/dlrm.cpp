// DLRM (Naumov et al., 2019): a click model of numbers, categories, and the products of all pairs of their vectors. (A
// ready one: nn/models/dlrm.h.)
#include <array>

#include "twin.h"

using namespace hop;

constexpr std::array<std::int64_t, 3> kWords = {7, 11, 5};
constexpr std::int64_t kNumbers = 4, kWidth = 8, kBatch = 32;
constexpr std::int64_t kVectors = kWords.size() + 1, kPairs = kVectors * (kVectors - 1) / 2;

struct DLRM : nn::Module {
  DLRM() {
    for (const std::int64_t words : kWords) emb_l.push_back(nn::Embedding(words, kWidth));
  }

  Tensor forward(const Tensor& numbers, const Tensor& words) {  // (N, kNumbers), (N, categories) -> (N)
    const Tensor x = bot_l(numbers);
    std::vector<Tensor> vectors = {x};
    for (std::size_t c = 0; c < emb_l.size(); ++c) vectors.push_back(emb_l[c](words[{Slice(), c}]));
    const Tensor all = stack(vectors, 1), products = matmul(all, transpose(all, 1, 2));  // (N, kVectors, kVectors)
    return squeeze(top_l(cat({x, products[{Slice(), pairs[0], pairs[1]}]}, 1)), 1);
  }
  using nn::Module::forward;

  nn::ModuleList emb_l = register_module("emb_l", nn::ModuleList());
  nn::Sequential bot_l = register_module(
      "bot_l", nn::Sequential(nn::Linear(kNumbers, 16), nn::ReLU(), nn::Linear(16, kWidth), nn::ReLU()));
  nn::Sequential top_l =
      register_module("top_l", nn::Sequential(nn::Linear(kWidth + kPairs, 16), nn::ReLU(), nn::Linear(16, 1)));
  // Each pair once: torch.tril_indices(kVectors, kVectors, -1).
  const std::vector<Tensor> pairs = unbind(nonzero(tril(ones({kVectors, kVectors}), -1)), 1);
};

// Row i by formula: numbers, words, and whether somebody clicked.
struct Rows {
  Tensor numbers, words, clicked;
};
Rows clicks(std::int64_t n, DType dtype, std::int64_t first) {
  const Tensor i = arange(first, first + n);
  std::vector<Tensor> numbers, words;
  for (int k = 0; k < kNumbers; ++k) numbers.push_back(sin(to(i, DType::f64) * (0.7 * k + 0.3) + k));
  for (std::size_t c = 0; c < kWords.size(); ++c) {
    words.push_back(remainder(i * (3 * static_cast<std::int64_t>(c) + 2) + remainder(i * i, 7), kWords[c]));
  }
  const Tensor score = numbers[0] + numbers[1] * (words[0] - 3) + (remainder(words[1], 3) - 1);
  return {to(stack(numbers, 1), dtype), stack(words, 1), to(score > 0, dtype)};
}

int main(int argc, char** argv) {
  ports::Twin twin(argc, argv);
  DLRM net;
  nn::init_parameters(net, 1);
  twin.start(net);
  optim::Adagrad adagrad(net.parameters(), {.lr = 0.1});
  const nn::BCEWithLogitsLoss bce{};
  for (int step = 0; step < (twin.compares() ? 20 : 100); ++step) {
    const Rows rows = clicks(kBatch, twin.dtype(), step * kBatch);
    adagrad.zero_grad();
    const Tensor loss = bce(net.forward(rows.numbers, rows.words), rows.clicked);
    backward(loss);
    adagrad.step();
    twin.losses({loss.item<double>()});
  }

  const NoGradGuard no_grad;
  const Rows rows = clicks(1000, twin.dtype(), 10000);
  const double accuracy = ports::share((net.forward(rows.numbers, rows.words) > 0) == (rows.clicked == 1));
  std::printf("accuracy on new rows: %.3f\n", accuracy);
  return twin.verdict(accuracy > 0.6);
}
