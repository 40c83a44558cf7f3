// The public operations, as the headers of autograd/ops.h declare them: tests hold their own lists against these.
#pragma once

#include <map>
#include <set>
#include <string>

namespace hop::autograd {

/// The declarations of the functions of namespace hop (operators and members aside), under their names.
std::multimap<std::string, std::string> public_declarations();
/// The names of all of them.
std::set<std::string> public_functions();
/// The functions of namespace hop that a source calls, by the text of the file: sum(x), hop::std(x).
std::set<std::string> functions_called_in(const std::string& path);
/// Those of them that are called with the variable `argument`: in f(g(u), {v}), f has v and g has u.
std::set<std::string> functions_called_with(const std::string& argument, const std::string& path);

}  // namespace hop::autograd
