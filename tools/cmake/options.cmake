# guerdon_options: what every target of ours is compiled with. Libraries are SYSTEM, so that these warnings are only about our code.
add_library(guerdon_options INTERFACE)
target_compile_features(guerdon_options INTERFACE cxx_std_20)
set(CMAKE_CXX_EXTENSIONS OFF)
target_include_directories(guerdon_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_options(guerdon_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror
    -ffp-contract=off -fno-omit-frame-pointer)

# x86-64-v3 lacks PCLMUL, without which simdjson silently falls back to its slow kernel.
set(GUERDON_ARCH "-march=x86-64-v3;-mpclmul;-maes" CACHE STRING "Target architecture flags; empty for the compiler's default")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(guerdon_options INTERFACE ${GUERDON_ARCH})
endif()

option(GUERDON_LIBRARY_ASSERTIONS "Standard library assertions" OFF)
if(GUERDON_LIBRARY_ASSERTIONS)
    target_compile_definitions(guerdon_options INTERFACE _GLIBCXX_ASSERTIONS)
endif()

set(GUERDON_SANITIZE "" CACHE STRING "Comma-separated sanitizers: address,undefined or thread")
if(GUERDON_SANITIZE)
    target_compile_options(guerdon_options INTERFACE -fsanitize=${GUERDON_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(guerdon_options INTERFACE -fsanitize=${GUERDON_SANITIZE})
    # g++ 12 reports false positives of these inside sanitized standard library code.
    target_compile_options(guerdon_options INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-tsan)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
    message(STATUS "ccache: ${CCACHE_PROGRAM}")
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
    target_compile_options(guerdon_options INTERFACE -fpch-preprocess)
else()
    message(STATUS "ccache: not found, building without")
endif()
