#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/build_id_internal.h"
#include "base/bytes.h"

namespace hop {
namespace {

constexpr std::size_t kShownBytes = 8;

// The build id among the notes of a loaded file; empty if it has none.
std::string build_id_in(const char* notes, std::size_t size) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes, sizeof note);
    const std::size_t name_at = sizeof note, text_at = name_at + align_up(note.n_namesz, 4);
    const std::size_t end = text_at + align_up(note.n_descsz, 4);
    if (end > size) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(notes + name_at, "GNU", 4) == 0) {
      static constexpr char kDigits[] = "0123456789abcdef";
      std::string text;
      for (std::size_t i = 0; i < std::min<std::size_t>(note.n_descsz, kShownBytes); ++i) {
        const auto byte = static_cast<unsigned char>(notes[text_at + i]);
        text += {kDigits[byte >> 4U], kDigits[byte & 15U]};
      }
      return text;
    }
    notes += end;
    size -= end;
  }
  return {};
}

// Called for each loaded file: picks the file that contains this code.
int look_at(dl_phdr_info* file, std::size_t, void* found) {
  const auto own = reinterpret_cast<std::uintptr_t>(&build_id_in);
  bool is_ours = false;
  std::string id;
  for (int i = 0; i < file->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = file->dlpi_phdr[i];
    const std::uintptr_t begin = file->dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD && own >= begin && own < begin + part.p_memsz) is_ours = true;
    if (part.p_type == PT_NOTE && id.empty()) id = build_id_in(reinterpret_cast<const char*>(begin), part.p_memsz);
  }
  if (!is_ours) return 0;
  if (!id.empty()) *static_cast<std::string*>(found) = id;
  return 1;
}

}  // namespace

const std::string& build_id() {
  static const std::string id = [] {
    std::string found = "unknown";
    ::dl_iterate_phdr(look_at, &found);
    return found;
  }();
  return id;
}

}  // namespace hop
