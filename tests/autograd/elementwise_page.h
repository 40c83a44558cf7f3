// The text of autograd/elementwise_functions.h, made from the table.
#pragma once

#include <string>

namespace hop {

/// The whole header: a declaration with its documentation for each row of kernels/elementwise.def.
std::string elementwise_functions();

}  // namespace hop
