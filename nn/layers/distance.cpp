#include "nn/layers/distance.h"

#include "autograd/products.h"
#include "base/words.h"

namespace hop::nn {
Tensor CosineSimilarity::forward(const Tensor& a, const Tensor& b) { return cosine_similarity(a, b, dim_, eps_); }
std::string CosineSimilarity::extra_repr() const { return "dim=" + std::to_string(dim_) + ", eps=" + shortest(eps_); }

Tensor PairwiseDistance::forward(const Tensor& a, const Tensor& b) {
  return pairwise_distance(a, b, p_, eps_, keepdim_);
}
std::string PairwiseDistance::extra_repr() const {
  return "p=" + shortest(p_) + ", eps=" + shortest(eps_) + (keepdim_ ? ", keepdim=True" : "");
}

}  // namespace hop::nn
