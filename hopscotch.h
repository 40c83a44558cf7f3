// Hopscotch, all of it: what a user includes.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/ids.h"
