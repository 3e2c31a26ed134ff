# guerdon_test_binary(<name> SOURCES <file>... [LIBRARIES <target>...] [TIMEOUT <seconds>] [LABELS <label>...])
#
# One Catch2 binary; each of its test cases becomes one test of ctest. A case that has no data prints "SKIPPED: <reason>" and
# returns; ctest then counts it as skipped. Cases tagged [.] are hidden and not registered.
include(Catch)

function(guerdon_test_binary name)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "TIMEOUT" "SOURCES;LIBRARIES;LABELS")
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300)
    endif()
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE guerdon_options test_support ${ARG_LIBRARIES})
    set(properties TIMEOUT ${ARG_TIMEOUT} SKIP_REGULAR_EXPRESSION "SKIPPED" ENVIRONMENT "${GUERDON_TEST_ENVIRONMENT}")
    if(ARG_LABELS)
        list(APPEND properties LABELS "${ARG_LABELS}")
    endif()
    catch_discover_tests(${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} PROPERTIES ${properties})
endfunction()

# guerdon_python_test(<name> <script> [ARGS <argument>...] [TIMEOUT <seconds>] [LABELS <label>...] [SERIAL])
#
# One Python script as one test: exit 0 passed, 77 skipped, else failed. It finds the binaries through GUERDON_BUILD (the build
# folder) and GUERDON_BINARY. SERIAL: nothing else may run beside it.
function(guerdon_python_test name script)
    cmake_parse_arguments(PARSE_ARGV 2 ARG "SERIAL" "TIMEOUT" "ARGS;LABELS")
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 300)
    endif()
    get_filename_component(path ${script} ABSOLUTE)
    add_test(NAME ${name} COMMAND /usr/bin/python3 ${path} ${ARG_ARGS} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES
        TIMEOUT ${ARG_TIMEOUT}
        SKIP_RETURN_CODE 77
        ENVIRONMENT "GUERDON_BUILD=${PROJECT_BINARY_DIR};GUERDON_BINARY=${PROJECT_BINARY_DIR}/guerdon;PYTHONDONTWRITEBYTECODE=1")
    if(ARG_LABELS)
        set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
    endif()
    if(ARG_SERIAL)
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
endfunction()
