// All ready models.
#pragma once

#include "nn/models/bert.h"
#include "nn/models/dcgan.h"
#include "nn/models/dlrm.h"
#include "nn/models/gpt.h"
#include "nn/models/lstm_lm.h"
#include "nn/models/mobilenet_v2.h"
#include "nn/models/resnet.h"
#include "nn/models/resnet20.h"
#include "nn/models/tab_transformer.h"
#include "nn/models/unet.h"
#include "nn/models/vae.h"
#include "nn/models/vgg.h"
#include "nn/models/vit.h"
