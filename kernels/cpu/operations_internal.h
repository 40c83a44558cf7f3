// The functions behind the CPU's table of operations. kernels/operations_internal.h documents each of them.
#pragma once

#include "kernels/cpu/line_internal.h"
#include "kernels/operations_internal.h"

namespace hop::kernels::cpu {

extern const Operations kOperations;

/// The loop of one part of a row (rows::Exp::id, ..), computing in `dtype`; null if there is none.
LineKernel line_kernel(int row, rows::Part part, DType dtype);

void copy(const Tensor& y, const Tensor& x);
void fill(const Tensor& y, Scalar value);
void arange(const Tensor& y);
void elementwise(const detail::Call& call, DType compute, const Tensor& out, std::span<const Input> inputs);
void reduce(Reduction op, const Tensor& x, const DimSet& dims, const Tensor& y, std::int64_t correction);
void argmax(const Tensor& x, std::int64_t length, const Tensor& y);
void softmax(const Tensor& x, const Tensor& y);
void softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx);
void log_softmax(const Tensor& x, const Tensor& y);
void log_softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx);
void cross_entropy(const Tensor& x, const Tensor& labels, const Tensor& log_probabilities, const Tensor& loss);
void cross_entropy_grad(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels, const Tensor& dx);
NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Shape& rows);
NormGrads layer_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd);
NormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const BatchNormTail& tail);
NormGrads batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd, const BatchNormTailGrad& tail);
Tensor batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                        const Tensor& rstd);
void matmul(const char* op, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);
void conv2d(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
            const Tensor& y);
void max_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y, const Tensor& indices);
void max_pool2d_grad(const PoolShape* windows, const Tensor& g, const Tensor& indices, const Tensor& dx);
void max_pool2d_gather(const Tensor& x, const Tensor& indices, const Tensor& y);
void avg_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y);
void avg_pool2d_grad(const PoolShape& shape, const Tensor& g, const Tensor& dx);
void gather(const Tensor& x, int dim, const Tensor& index, const Tensor& y);
void scatter_add(const Tensor& g, int dim, const Tensor& index, const Tensor& y);
void index_select(const char* op, const Tensor& x, int dim, const Tensor& index, const Tensor& y);
void index_add(const Tensor& g, int dim, const Tensor& index, const Tensor& y);
void uniform(const Tensor& y, double low, double high, const RandomAddress& address);
void normal(const Tensor& y, double mean, double std, const RandomAddress& address);
void dropout(const Tensor& x, const Tensor& y, double p, const RandomAddress& address);
void update(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state);
void measure(const Tensor& loss, double rows, double limit, const Tensor& meter);
std::unique_ptr<Plan::Recorded> capture(Device device, const std::function<void()>& work);

}  // namespace hop::kernels::cpu
