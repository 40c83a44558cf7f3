#include "kernels/cpu/operations_internal.h"

namespace hop::kernels::cpu {

const Operations kOperations = {
    .channels_last = true,
    .copy = copy,
    .fill = fill,
    .arange = arange,
    .elementwise = elementwise,
    .reduce = reduce,
    .argmax = argmax,
    .softmax = softmax,
    .softmax_grad = softmax_grad,
    .log_softmax = log_softmax,
    .log_softmax_grad = log_softmax_grad,
    .cross_entropy = cross_entropy,
    .cross_entropy_grad = cross_entropy_grad,
    .layer_norm = layer_norm,
    .layer_norm_grad = layer_norm_grad,
    .batch_norm = batch_norm,
    .batch_norm_grad = batch_norm_grad,
    .batch_norm_apply = batch_norm_apply,
    .matmul = matmul,
    .conv2d = conv2d,
    .max_pool2d = max_pool2d,
    .max_pool2d_grad = max_pool2d_grad,
    .max_pool2d_gather = max_pool2d_gather,
    .avg_pool2d = avg_pool2d,
    .avg_pool2d_grad = avg_pool2d_grad,
    .gather = gather,
    .scatter_add = scatter_add,
    .index_select = index_select,
    .index_add = index_add,
    .uniform = uniform,
    .normal = normal,
    .dropout = dropout,
    .update = update,
    .measure = measure,
    .capture = capture,
};

}  // namespace hop::kernels::cpu
