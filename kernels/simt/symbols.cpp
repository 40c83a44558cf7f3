// The names of kernels, from the ELF symbol table of the running program: kernels mostly live in anonymous namespaces,
// which dladdr() does not know. A program without the table (stripped, or not ELF) has kernels without names.
#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/simt/executor.h"

namespace hop::simt {
namespace {

using Names = std::map<std::uintptr_t, std::string>;

// How far the program was moved from the addresses in its file. dl_iterate_phdr tells of the program first.
std::uintptr_t load_offset() {
  std::uintptr_t offset = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<std::uintptr_t*>(out) = info->dlpi_addr;
        return 1;
      },
      &offset);
  return offset;
}

template <class T>
std::vector<T> read_table(std::ifstream& file, std::uint64_t offset, std::uint64_t count) {
  std::vector<T> table(count);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(table.data()), static_cast<std::streamsize>(count * sizeof(T)));
  if (!file) table.clear();
  return table;
}

Names read_names() {
  Names names;
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const auto header = read_table<ElfW(Ehdr)>(file, 0, 1);
  if (header.empty() || std::string_view(reinterpret_cast<const char*>(header[0].e_ident), SELFMAG) != ELFMAG)
    return {};
  const auto sections = read_table<ElfW(Shdr)>(file, header[0].e_shoff, header[0].e_shnum);
  const std::uintptr_t offset = load_offset();
  for (const auto& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const auto symbols = read_table<ElfW(Sym)>(file, section.sh_offset, section.sh_size / sizeof(ElfW(Sym)));
    const auto& strings = sections[section.sh_link];
    const auto text = read_table<char>(file, strings.sh_offset, strings.sh_size);
    for (const auto& symbol : symbols) {
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_name >= text.size()) continue;
      names.emplace(offset + symbol.st_value, text.data() + symbol.st_name);
    }
  }
  return names;
}

// "void hop::kernels::cuda::(anonymous namespace)::softmax_rows<float>(float const*, int)" -> "softmax_rows<float>"
std::string short_name(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0) return mangled;
  const std::string full = demangled.get();
  std::size_t begin = 0, end = full.size();
  int depth = 0;  // within template arguments or (anonymous namespace)
  for (std::size_t i = 0; i < full.size(); ++i) {
    const char c = full[i];
    const bool anonymous = full.compare(i, 21, "(anonymous namespace)") == 0;
    if (anonymous) {
      i += 20;
      continue;
    }
    if (c == '(' && depth == 0) {
      end = i;
      break;
    }
    if (c == '<') ++depth;
    if (c == '>') --depth;
    if (depth == 0 && (c == ':' || c == ' ')) begin = i + 1;
  }
  return full.substr(begin, end - begin);
}

}  // namespace

std::string function_name(const void* address) {
  static const Names& names = *new Names(read_names());
  const auto found = names.find(reinterpret_cast<std::uintptr_t>(address));
  return found == names.end() ? "kernel" : short_name(found->second);
}

}  // namespace hop::simt
