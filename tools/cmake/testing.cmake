# How tests are registered. Every function names its optional arguments in brackets.
include(Catch)

# guerdon_test_binary(<name> SOURCES <file>... [LIBRARIES <target>...] [TIMEOUT <seconds>]
#                     [LABELS <label>] [SERIAL])
#
# One Catch2 binary; each of its test cases becomes one test of ctest. A case that has no data
# prints "SKIPPED: <reason>" and returns; ctest then counts it as skipped. Cases tagged [.] are
# hidden and not registered. SERIAL: nothing else may run beside its cases.
function(guerdon_test_binary name)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "SERIAL" "TIMEOUT;LABELS" "SOURCES;LIBRARIES")
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300)
    endif()
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE guerdon_options test_support ${ARG_LIBRARIES})
    # Catch2 2.13 is one header of 18,000 lines.
    target_precompile_headers(${name} PRIVATE
        <algorithm> <chrono> <filesystem> <functional> <map> <memory> <optional> <span> <string>
        <string_view> <vector> ${PROJECT_SOURCE_DIR}/tests/support/catch.hpp)
    set(properties TIMEOUT ${ARG_TIMEOUT} SKIP_REGULAR_EXPRESSION "SKIPPED")
    if(ARG_LABELS)
        list(APPEND properties LABELS ${ARG_LABELS})
    endif()
    if(ARG_SERIAL)
        list(APPEND properties RUN_SERIAL ON)
    endif()
    catch_discover_tests(${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} PROPERTIES ${properties})
endfunction()

# guerdon_python_test(<name> <script> [ARGS <argument>...] [TIMEOUT <seconds>] [LABELS <label>]
#                     [SERIAL] [SOAK])
#
# One Python script as one test: exit 0 passed, 77 skipped, else failed. It finds the binaries
# through GUERDON_BUILD (the build folder) and GUERDON_BINARY. SERIAL: nothing else may run beside
# it. SOAK: left out of tools/test, run by `tools/soak <kind>` where LABELS is soak-<kind>.
function(guerdon_python_test name script)
    cmake_parse_arguments(PARSE_ARGV 2 ARG "SERIAL;SOAK" "TIMEOUT;LABELS" "ARGS")
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300)
    endif()
    get_filename_component(path ${script} ABSOLUTE)
    set(configurations "")
    if(ARG_SOAK)
        set(configurations CONFIGURATIONS Soak)
    endif()
    add_test(NAME ${name}
        COMMAND /usr/bin/python3 ${path} ${ARG_ARGS}
        ${configurations}
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set(environment
        GUERDON_BUILD=${PROJECT_BINARY_DIR}
        GUERDON_BINARY=${PROJECT_BINARY_DIR}/guerdon
        PYTHONDONTWRITEBYTECODE=1)
    set_tests_properties(${name} PROPERTIES
        TIMEOUT ${ARG_TIMEOUT}
        SKIP_RETURN_CODE 77
        ENVIRONMENT "${environment}")
    if(ARG_LABELS)
        set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABELS})
    endif()
    if(ARG_SERIAL)
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()

# guerdon_fuzz_target(<name> SOURCES <file>... [LIBRARIES <target>...])
#
# The sources define LLVMFuzzerTestOneInput. With GUERDON_FUZZ it is a libFuzzer binary, built by
# the target fuzz_targets; without, a test that feeds it each file of corpus/<name> beside the
# CMakeLists.txt that calls this, so that it cannot rot.
function(guerdon_fuzz_target name)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;LIBRARIES")
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE guerdon_options ${ARG_LIBRARIES})
    if(NOT GUERDON_FUZZ)
        target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay.cpp)
        add_test(NAME ${name}_corpus
            COMMAND ${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name}
            WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
        set_tests_properties(${name}_corpus PROPERTIES TIMEOUT 120)
        return()
    endif()
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz_targets)
    if(NOT TARGET fuzz_targets)
        add_custom_target(fuzz_targets)
    endif()
    add_dependencies(fuzz_targets ${name})
endfunction()
