# guerdon_precompile(<target> [header...]): one precompiled header a target with the standard
# headers nearly every source includes, and the heavy ones the target names. Sources still include
# what they use: clang-tidy reads them without it.
function(guerdon_precompile target)
    target_precompile_headers(${target} PRIVATE
        <algorithm> <array> <chrono> <cstdint> <functional> <map> <memory> <optional> <span>
        <string> <string_view> <utility> <variant> <vector> <boost/system/result.hpp> ${ARGN})
endfunction()
