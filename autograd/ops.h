// All of Hopscotch's mathematics: free functions with PyTorch's names, and operators. What takes part in a gradient is
// recorded; graph.h walks it back.
#pragma once

#include "autograd/conv.h"
#include "autograd/copy.h"
#include "autograd/dropout.h"
#include "autograd/elementwise.h"
#include "autograd/grad_mode.h"
#include "autograd/index.h"
#include "autograd/inplace.h"
#include "autograd/loss.h"
#include "autograd/matmul.h"
#include "autograd/norm.h"
#include "autograd/pool.h"
#include "autograd/reduce.h"
#include "autograd/softmax.h"
#include "autograd/view.h"
