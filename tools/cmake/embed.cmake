# guerdon_embed(<target> <symbol> <file>...): compiles files into <target> as bytes, so that the
# binary needs none at run time. Include "embed/<symbol>.hpp"; it declares in namespace embed:
#
#     std::span<const EmbeddedFile> <symbol>();                 // in the order given
#     std::string_view <symbol>_file(std::string_view name);    // empty when there is none
#
# A file's name is its last part, without folders.
set(GUERDON_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/embed.py)

function(guerdon_embed target symbol)
    set(files "")
    foreach(file IN LISTS ARGN)
        get_filename_component(path ${file} ABSOLUTE)
        list(APPEND files ${path})
    endforeach()
    set(folder ${PROJECT_BINARY_DIR}/generated/embed)
    add_custom_command(
        OUTPUT ${folder}/${symbol}.cpp ${folder}/${symbol}.hpp
        COMMAND /usr/bin/python3 ${GUERDON_EMBED_SCRIPT} ${folder} ${symbol} ${files}
        DEPENDS ${GUERDON_EMBED_SCRIPT} ${files}
        COMMENT "embed: ${symbol}"
        VERBATIM)
    target_sources(${target} PRIVATE ${folder}/${symbol}.cpp ${folder}/${symbol}.hpp)
    target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/generated)
endfunction()
