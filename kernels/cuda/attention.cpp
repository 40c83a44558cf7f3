// No attention of our own on CUDA yet: autograd makes it of the library's products and our softmax.
#include "kernels/attention_operations.h"

namespace hop::kernels {

const AttentionOperations AttentionOperations::cuda = {};

}  // namespace hop::kernels
