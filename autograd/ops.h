// All of Hopscotch's mathematics: free functions with PyTorch's names, and operators. Operations on tensors that
// require gradients are recorded; graph.h walks them backwards. All throw Error for an undefined tensor and DeviceError
// for operands on different devices; each comment names the other errors.
#pragma once

#include "autograd/activations.h"
#include "autograd/arrange.h"
#include "autograd/conv.h"
#include "autograd/copy.h"
#include "autograd/creation.h"
#include "autograd/ctc_loss.h"
#include "autograd/dropout.h"
#include "autograd/einsum.h"
#include "autograd/elementwise.h"
#include "autograd/grad_mode.h"
#include "autograd/group_norm.h"
#include "autograd/index.h"
#include "autograd/inplace.h"
#include "autograd/loss.h"
#include "autograd/masks.h"
#include "autograd/matmul.h"
#include "autograd/norm.h"
#include "autograd/pad.h"
#include "autograd/pool.h"
#include "autograd/products.h"
#include "autograd/reduce.h"
#include "autograd/softmax.h"
#include "autograd/summaries.h"
#include "autograd/view.h"
