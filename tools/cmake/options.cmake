# Two INTERFACE targets. guerdon_code_generation: what the machine code depends on, needed by every
# target, Boost's own sources included. guerdon_options: that, our include roots and our warnings;
# every target of ours links it. Libraries are SYSTEM, so that the warnings are only about our code.

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
# guerdon, the test binaries and cel_conformance all stand in build/<preset>/.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})

add_library(guerdon_code_generation INTERFACE)
target_compile_features(guerdon_code_generation INTERFACE cxx_std_20)
# No fused multiply-add: a sum must not depend on the machine it was computed on.
target_compile_options(guerdon_code_generation INTERFACE -ffp-contract=off -fno-omit-frame-pointer)

add_library(guerdon_options INTERFACE)
target_link_libraries(guerdon_options INTERFACE guerdon_code_generation)
target_include_directories(guerdon_options INTERFACE
    ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_options(guerdon_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual)

# GCC 105651: at -O3 g++ 12 takes `"text" + std::string(...)` for an overlapping copy.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(guerdon_options INTERFACE
        -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()

# x86-64-v3 lacks PCLMUL, without which simdjson silently falls back to its slow kernel.
set(GUERDON_ARCH "-march=x86-64-v3;-mpclmul;-maes"
    CACHE STRING "Target architecture flags; empty for the compiler's default")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(guerdon_code_generation INTERFACE ${GUERDON_ARCH})
endif()

option(GUERDON_LIBRARY_ASSERTIONS "Standard library assertions" OFF)
if(GUERDON_LIBRARY_ASSERTIONS)
    target_compile_definitions(guerdon_code_generation INTERFACE _GLIBCXX_ASSERTIONS)
endif()

set(GUERDON_SANITIZE "" CACHE STRING "Comma-separated sanitizers: address,undefined or thread")
if(GUERDON_SANITIZE)
    target_compile_options(guerdon_code_generation INTERFACE
        -fsanitize=${GUERDON_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(guerdon_code_generation INTERFACE -fsanitize=${GUERDON_SANITIZE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # g++ 12 reports false positives of these inside sanitized standard library code, and -Wtsan
        # is about a fence inside Asio that the thread sanitizer does not model.
        target_compile_options(guerdon_code_generation INTERFACE
            -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-restrict -Wno-tsan)
    endif()
endif()

# libFuzzer comes with clang only: cmake -B build/fuzz -DCMAKE_CXX_COMPILER=clang++
# -DGUERDON_FUZZ=ON. Without it the fuzz targets are still built, with a main that replays the
# corpus, so that they cannot rot.
option(GUERDON_FUZZ "Build the fuzz targets with libFuzzer (needs clang)" OFF)
# The warnings are those of g++; another compiler's may differ and must not stop a fuzzing run.
if(NOT GUERDON_FUZZ)
    target_compile_options(guerdon_options INTERFACE -Werror)
endif()
if(GUERDON_FUZZ)
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "GUERDON_FUZZ needs clang: -DCMAKE_CXX_COMPILER=clang++")
    endif()
    target_compile_options(guerdon_code_generation INTERFACE
        -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
    target_link_options(guerdon_code_generation INTERFACE -fsanitize=address,undefined)
endif()

# Off for packages: -DGUERDON_CCACHE=OFF.
option(GUERDON_CCACHE "Use ccache when it is installed" ON)
find_program(CCACHE_PROGRAM ccache)
if(GUERDON_CCACHE AND CCACHE_PROGRAM)
    message(STATUS "ccache: ${CCACHE_PROGRAM}")
    # Without this sloppiness a target with a precompiled header is never found in the cache.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${CCACHE_PROGRAM})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        target_compile_options(guerdon_code_generation INTERFACE -fpch-preprocess)
    endif()
else()
    message(STATUS "ccache: not used")
endif()
