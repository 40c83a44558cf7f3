// All of Hopscotch that an application needs. A header can also be included alone: <hopscotch/nn/module.h>.
//
// Memory is kept for the next step: freed tensors in the allocator's cache, the buffers of each shape of a captured
// step. An application can limit or release it:
//
//   hop::memory::set_limit(std::size_t{4} << 30);            // more than 4 GiB of tensors and cache: MemoryError
//   hop::CapturedFunction step(f, {.max_combinations = 8});  // buffers of eight shapes, the ones used last
//   step.reset();                                            // of none
//   hop::memory::empty_cache();                              // gives the cached memory back to the system
#pragma once

#include "base/error.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/version.h"

#include "tensor/allocator.h"
#include "tensor/own_queue.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

#include "kernels/capture.h"
#include "kernels/precision.h"

#include "autograd/checkpoint.h"
#include "autograd/function.h"
#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "autograd/ops.h"

#include "data/dataset.h"
#include "data/glyphs.h"
#include "data/loader.h"
#include "data/prepare.h"
#include "data/row_schema.h"
#include "data/source.h"
#include "data/tensor_dataset.h"

#include "nn/clip_grad.h"
#include "nn/clone.h"
#include "nn/functional.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "nn/metric.h"
#include "nn/mixup.h"
#include "nn/model.h"
#include "nn/models.h"
#include "nn/module.h"
#include "nn/onnx_export.h"
#include "nn/optim/adadelta.h"
#include "nn/optim/adagrad.h"
#include "nn/optim/adam.h"
#include "nn/optim/adamax.h"
#include "nn/optim/averaged_model.h"
#include "nn/optim/by_name.h"
#include "nn/optim/carried_plateau.h"
#include "nn/optim/grad_scaler.h"
#include "nn/optim/lamb.h"
#include "nn/optim/lbfgs.h"
#include "nn/optim/lion.h"
#include "nn/optim/lr_scheduler.h"
#include "nn/optim/nadam.h"
#include "nn/optim/no_decay.h"
#include "nn/optim/optimizer_file.h"
#include "nn/optim/radam.h"
#include "nn/optim/rmsprop.h"
#include "nn/optim/scheduler.h"
#include "nn/optim/sgd.h"
#include "nn/optim/update_bn.h"
#include "nn/optim/weight_average.h"
#include "nn/predictor.h"
#include "nn/predictor_file.h"
#include "nn/safetensors.h"
#include "nn/spec.h"
#include "nn/state.h"
#include "nn/state_file.h"
#include "nn/torch_script.h"
#include "nn/unsupervised.h"

#include "hopper/experiment.h"
#include "hopper/results.h"
#include "hopper/run.h"
#include "hopper/simulate/job.h"
#include "hopper/simulate/run.h"
#include "hopper/why.h"
