// Adds CUDA devices to this program, with the table of each stem.
#include "kernels/attention_operations.h"
#include "kernels/batch_norm_operations.h"
#include "kernels/capture_operations.h"
#include "kernels/conv_operations.h"
#include "kernels/copy_operations.h"
#include "kernels/cuda.h"
#include "kernels/cuda/device_internal.h"
#include "kernels/elementwise_operations.h"
#include "kernels/group_norm_operations.h"
#include "kernels/index_operations.h"
#include "kernels/layer_norm_operations.h"
#include "kernels/linear_operations.h"
#include "kernels/matmul_operations.h"
#include "kernels/optimizer_operations.h"
#include "kernels/pool_operations.h"
#include "kernels/random_operations.h"
#include "kernels/recurrent_operations.h"
#include "kernels/reduce_operations.h"
#include "kernels/softmax_operations.h"
#include "kernels/sort_operations.h"

namespace hop::kernels::cuda {
namespace {

template <class Table>
void add() {
  cuda_table<Table> = &Table::cuda;
}

}  // namespace

void register_device() {
  register_backend(DeviceType::cuda, device_backend);
  register_queues(DeviceType::cuda, make_own_stream);
  add<AttentionOperations>();
  add<BatchNormOperations>();
  add<CaptureOperations>();
  add<ConvOperations>();
  add<CopyOperations>();
  add<ElementwiseOperations>();
  add<GroupNormOperations>();
  add<IndexOperations>();
  add<LayerNormOperations>();
  add<LinearOperations>();
  add<MatmulOperations>();
  add<OptimizerOperations>();
  add<PoolOperations>();
  add<RandomOperations>();
  add<RecurrentOperations>();
  add<ReduceOperations>();
  add<SoftmaxOperations>();
  add<SortOperations>();
}

}  // namespace hop::kernels::cuda
