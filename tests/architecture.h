// The rules of the house, as functions over a tree of files: each returns one line per violation, `file:line: what`.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace hop::architecture {

/// A file of the project: its path from the root and its lines.
struct SourceFile {
  std::string path;
  std::vector<std::string> lines;
};

using Violations = std::vector<std::string>;

/// Every file under `root` that we write ourselves: the floors, tests/, bench/, examples/, cmake/, python/ and the
/// root's own.
std::vector<SourceFile> read_tree(const std::filesystem::path& root);

/// A floor includes only from its own folder and from the floors below it, and always from the root ("nn/module.h").
Violations includes_from_above(const std::vector<SourceFile>& tree);

/// A public header includes the standard library and public headers, nothing else, names no type of another library,
/// and is included once. `public_headers` are the paths that an installation copies.
Violations private_things_in_public(const std::vector<SourceFile>& tree, const std::set<std::string>& public_headers);

/// Every member of a struct without constructors, in a public header, has an initialiser: then an application that
/// names a few of its members, `Experiment{.name = "x"}`, gets no warning from -Wextra. A reference has none. The
/// function reads the layout that clang-format gives: a struct starts in the first column, its members in the third.
Violations members_without_initialiser(const std::vector<SourceFile>& tree,
                                       const std::set<std::string>& public_headers);

/// Every test and every file of tests that a page names in backquotes exists. `Suite.Begin*` and `Suite.Begin...` stand
/// for any test that begins so.
Violations tests_that_are_not_there(const SourceFile& page, const std::vector<SourceFile>& tree);

/// A file of more than 350 lines says why within its first 15: "Long because ...".
Violations long_without_reason(const std::vector<SourceFile>& tree);

/// No `a ? b : c` stands in the expression of a co_await: g++ 12 destroys its temporaries twice, which ends the program
/// when one of them is a shared_ptr.
Violations choices_in_awaits(const std::vector<SourceFile>& tree);

/// README.md and the pages of docs/.
std::vector<SourceFile> read_pages(const std::filesystem::path& root);
/// The paths of all files under `root`, without builds and runs.
std::set<std::string> read_paths(const std::filesystem::path& root);

/// Every file and folder that a page names between backquotes exists, from the root or as the end of a path
/// (`detail/worker.cpp`, `a.{h,cpp}`, `*.fbs`); every file that a page links to exists.
Violations missing_files(const std::vector<SourceFile>& pages, const std::set<std::string>& paths);

/// Every word that a page has between backquotes stands in some source.
Violations unknown_names(const SourceFile& page, const std::vector<SourceFile>& tree);

}  // namespace hop::architecture
