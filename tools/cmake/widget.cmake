# guerdon_embed_widget(<target>): compiles what web/ was built into, its manifest and the files that
# this names, into <target>, with their table. Include "embed/widget_files.hpp" and
# "embed/widget_table.hpp". Without a manifest both are empty and the server answers 404 below
# /widget: building the server needs no Node.
set(GUERDON_WEB_DIST ${PROJECT_SOURCE_DIR}/web/dist CACHE STRING
    "Folder of the built web parts to embed; OFF: none")
set(GUERDON_WIDGET_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/widget_table.py)

function(guerdon_embed_widget target)
    set(manifest "")
    set(files "")
    if(GUERDON_WEB_DIST AND EXISTS ${GUERDON_WEB_DIST}/manifest.json)
        set(manifest ${GUERDON_WEB_DIST}/manifest.json)
        # Another version has other files: read the manifest again when it changes.
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${manifest})
        file(READ ${manifest} text)
        string(JSON version GET ${text} version)
        string(JSON last LENGTH ${text} files)
        math(EXPR last "${last} - 1")
        foreach(index RANGE ${last})
            string(JSON plain GET ${text} files ${index} name)
            string(JSON brotli GET ${text} files ${index} br name)
            string(JSON gzip GET ${text} files ${index} gz name)
            foreach(name IN ITEMS ${plain} ${brotli} ${gzip})
                list(APPEND files ${GUERDON_WEB_DIST}/${name})
            endforeach()
        endforeach()
        message(STATUS "widget: ${version}, from ${GUERDON_WEB_DIST}")
    else()
        message(STATUS "widget: none (no manifest.json in ${GUERDON_WEB_DIST}), /widget will "
            "answer 404; npm --prefix web ci && npm --prefix web run build makes one")
    endif()
    guerdon_embed(${target} widget_files ${manifest} ${files})
    set(table ${PROJECT_BINARY_DIR}/generated/embed/widget_table.hpp)
    add_custom_command(
        OUTPUT ${table}
        COMMAND /usr/bin/python3 ${GUERDON_WIDGET_SCRIPT} ${table} ${manifest}
        DEPENDS ${GUERDON_WIDGET_SCRIPT} ${manifest}
        COMMENT "embed: widget_table"
        VERBATIM)
    target_sources(${target} PRIVATE ${table})
endfunction()
