# Compiler settings of our own code: C++20, no fused multiply-add behind our back (bits are a promise), warnings are errors.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
# -O2 and line tables: stack traces name their lines, and two cores build it in minutes.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")

find_program(HOP_CCACHE ccache)
if(HOP_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${HOP_CCACHE})
endif()

add_library(hop_settings INTERFACE)
target_compile_options(hop_settings INTERFACE -ffp-contract=off)
add_library(hop_warnings INTERFACE)
target_compile_options(hop_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)

if(HOP_SANITIZE_ADDRESS)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(HOP_SANITIZE_THREAD)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
endif()
