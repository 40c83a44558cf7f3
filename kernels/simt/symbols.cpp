// Facts about kernels from the ELF symbol table of the running program: their names, and the places of their static
// shared memory. Most kernels live in anonymous namespaces, which dladdr() does not see. In a program without the table
// (stripped, or not ELF) kernels have no names and static shared memory is not poisoned.
#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kernels/simt/block_internal.h"

namespace hop::simt {
namespace {

struct Variable {
  std::size_t offset, size;  // within the program's thread-local storage
  std::string name;
};

struct Symbols {
  std::map<std::uintptr_t, std::string> functions;  // mangled, by address
  std::vector<Variable> shared;
};

// The first entry is the program itself: its load offset, and the calling thread's thread-local storage.
dl_phdr_info program() {
  dl_phdr_info found{};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* out) {
        *static_cast<dl_phdr_info*>(out) = *info;
        return 1;
      },
      &found);
  return found;
}

template <class T>
std::vector<T> read_table(std::ifstream& file, std::uint64_t offset, std::uint64_t count) {
  std::vector<T> table(count);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(table.data()), static_cast<std::streamsize>(count * sizeof(T)));
  if (!file) table.clear();
  return table;
}

// __shared__ is `static thread_local`, so shared memory consists of the thread-local variables of functions in
// hop::kernels::cuda. Their mangled names begin with "_ZZN" ("_ZZNK" in const member functions).
bool may_be_shared_memory(const char* mangled) {
  constexpr const char* kPrefixes[] = {"_ZZN3hop7kernels4cuda", "_ZZNK3hop7kernels4cuda"};
  for (const char* prefix : kPrefixes) {
    if (std::strncmp(mangled, prefix, std::strlen(prefix)) == 0) return true;
  }
  return false;
}

// Host functions there may keep objects per OS thread (plans, handles). These objects have constructors, so the
// compiler guards each _Z.. with a variable _ZGV..; shared memory has no guards.
void leave_out_host_objects(std::vector<Variable>& variables, const std::set<std::string>& guards) {
  std::erase_if(variables, [&](const Variable& v) { return guards.contains("_ZGV" + v.name.substr(2)); });
}

Symbols read_symbols() {
  Symbols found;
  std::set<std::string> guards;
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const auto header = read_table<ElfW(Ehdr)>(file, 0, 1);
  if (header.empty() || std::memcmp(header[0].e_ident, ELFMAG, SELFMAG) != 0) return found;
  const auto sections = read_table<ElfW(Shdr)>(file, header[0].e_shoff, header[0].e_shnum);
  const std::uintptr_t moved = program().dlpi_addr;
  for (const auto& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    const auto symbols = read_table<ElfW(Sym)>(file, section.sh_offset, section.sh_size / sizeof(ElfW(Sym)));
    const auto& strings = sections[section.sh_link];
    const auto text = read_table<char>(file, strings.sh_offset, strings.sh_size);
    for (const auto& symbol : symbols) {
      if (symbol.st_name >= text.size()) continue;
      const char* const name = text.data() + symbol.st_name;
      const unsigned type = symbol.st_info & 0xFU;
      if (type == STT_FUNC) found.functions.emplace(moved + symbol.st_value, name);
      if (type != STT_TLS) continue;
      if (std::strncmp(name, "_ZGV", 4) == 0) guards.insert(name);
      if (may_be_shared_memory(name)) found.shared.push_back({symbol.st_value, symbol.st_size, name});
    }
  }
  leave_out_host_objects(found.shared, guards);
  return found;
}

const Symbols& symbols() {
  static const Symbols& all = *new Symbols(read_symbols());
  return all;
}

// "void hop::kernels::cuda::(anonymous namespace)::softmax_rows<float>(float const*, int)" -> "softmax_rows<float>"
std::string short_name(std::string full) {
  constexpr const char kAnonymous[] = "(anonymous namespace)";
  for (auto at = full.find(kAnonymous); at != std::string::npos; at = full.find(kAnonymous)) {
    full.erase(at, sizeof kAnonymous - 1);
  }
  std::size_t begin = 0, end = 0;
  int depth = 0;  // within template arguments
  for (; end < full.size() && (full[end] != '(' || depth > 0); ++end) {
    if (full[end] == '<') ++depth;
    if (full[end] == '>') --depth;
    if (depth == 0 && (full[end] == ':' || full[end] == ' ')) begin = end + 1;
  }
  return full.substr(begin, end - begin);
}

}  // namespace

std::string function_name(const void* address) {
  const auto found = symbols().functions.find(reinterpret_cast<std::uintptr_t>(address));
  if (found == symbols().functions.end()) return "kernel";
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> readable(
      abi::__cxa_demangle(found->second.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? short_name(readable.get()) : found->second;
}

void poison_static_shared_memory() {
  if (symbols().shared.empty()) return;
  auto* const storage = static_cast<unsigned char*>(program().dlpi_tls_data);
  if (storage == nullptr) return;
  for (const Variable& variable : symbols().shared) std::memset(storage + variable.offset, 0xFF, variable.size);
}

}  // namespace hop::simt
