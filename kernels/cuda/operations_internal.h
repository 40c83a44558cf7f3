// The operations on CUDA devices: one function per entry of kernels/operations_internal.h, with the signature and the
// contract of the entry. cuda/operations.cpp puts them into the table; cuda/<stem>.cu defines them.
//
// When a function is called, the current device is that of its tensors. It gives its work to current_stream() and never
// waits, so that it may run inside a stream capture.
#pragma once

#include "kernels/operations_internal.h"

namespace hop::kernels::cuda {

/// The table of Device::cuda.
const Operations& operations();

// copy.cu
void copy(const Tensor& y, const Tensor& x);
void fill(const Tensor& y, Scalar value);
void arange(const Tensor& y);

// elementwise.cpp: plans; the kernels are made from the table in elementwise_*.cu
void elementwise(const detail::Call& call, DType compute, const Tensor& out, std::span<const Input> inputs);

// reduce.cu
void reduce(Reduction op, const Tensor& x, const DimSet& dims, const Tensor& y, std::int64_t correction);
void argmax(const Tensor& x, std::int64_t length, const Tensor& y);

// softmax.cu
void softmax(const Tensor& x, const Tensor& y);
void softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx);
void log_softmax(const Tensor& x, const Tensor& y);
void log_softmax_grad(const Tensor& g, const Tensor& y, const Tensor& dx);
void cross_entropy(const Tensor& x, const Tensor& labels, const Tensor& log_probabilities, const Tensor& loss);
void cross_entropy_grad(const Tensor& g, const Tensor& log_probabilities, const Tensor& labels, const Tensor& dx);

// layer_norm.cu, batch_norm.cu
NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Shape& rows);
NormGrads layer_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd);
NormResult batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const BatchNormTail& tail);
NormGrads batch_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd, const BatchNormTailGrad& tail);
Tensor batch_norm_apply(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                        const Tensor& rstd);

// matmul.cpp: through blas.cpp, or matmul.cu without cuBLASLt
void matmul(const char* op, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y);
// linear.cpp
Tensor linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y);
void linear_input_grad(const Tensor& g, const Tensor& weight, const Tensor& mask, const Tensor& dx);
void relu_mask_grad(const Tensor& g, const Tensor& mask, const Tensor& dx);
bool linear_parameter_grads(const Tensor& g, const Tensor& x, const Tensor& dweight, const Tensor& dbias);

// conv.cpp: through dnn.cpp, or conv.cu without cuDNN
void conv2d(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
            const Tensor& y);

// pool.cu
void max_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y, const Tensor& indices);
void max_pool2d_grad(const PoolShape* windows, const Tensor& g, const Tensor& indices, const Tensor& dx);
void max_pool2d_gather(const Tensor& x, const Tensor& indices, const Tensor& y);
void avg_pool2d(const PoolShape& shape, const Tensor& x, const Tensor& y);
void avg_pool2d_grad(const PoolShape& shape, const Tensor& g, const Tensor& dx);

// index.cu
void gather(const Tensor& x, int dim, const Tensor& index, const Tensor& y);
void scatter_add(const Tensor& g, int dim, const Tensor& index, const Tensor& y);
void index_select(const char* op, const Tensor& x, int dim, const Tensor& index, const Tensor& y);
void index_add(const Tensor& g, int dim, const Tensor& index, const Tensor& y);

// random.cu
void uniform(const Tensor& y, double low, double high, const RandomAddress& address);
void normal(const Tensor& y, double mean, double std, const RandomAddress& address);
void dropout(const Tensor& x, const Tensor& y, double p, const RandomAddress& address);

// optimizer.cu
void update(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state);
void measure(const Tensor& loss, double rows, double limit, const Tensor& meter);

// graph.cpp
std::unique_ptr<Plan::Recorded> capture(Device device, const std::function<void()>& work);

}  // namespace hop::kernels::cuda
