// What the kernel knows of a range of this process's memory.
#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace r3map::test {

// The flags of the mapping that holds `at` (VmFlags of /proc/self/smaps: dc, not inherited by fork;
// dd, not dumped; um, userfaultfd for missing pages; …); empty if there is none.
inline std::set<std::string> mapping_flags(const void* at) {
  const auto address = reinterpret_cast<uintptr_t>(at);
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      inside = begin <= address && address < end;
    } else if (inside && line.starts_with("VmFlags:")) {
      std::istringstream words(line.substr(8));
      std::set<std::string> flags;
      for (std::string word; words >> word;) flags.insert(word);
      return flags;
    }
  }
  return {};
}

// How many of the kernel's mappings (of which a process may have 65,530) this process has.
inline size_t mapping_count() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) ++count;
  return count;
}

}  // namespace r3map::test
