# Sourced after setup.sh. fuzz_all <seconds>: builds every fuzz target with clang's libFuzzer in
# build/fuzz and runs each for so long, from its corpus; findings stay in build/fuzz/findings.

fuzz_all() {
    local seconds="$1" build="$SOURCE_ROOT/build/fuzz" failed=0
    local target name corpus seeds places
    mkdir -p "$build"
    if ! { cmake -S "$SOURCE_ROOT" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DCMAKE_CXX_COMPILER=clang++ -DGUERDON_FUZZ=ON &&
        cmake --build "$build" --parallel "$(build_jobs)" --target fuzz_targets; } \
        >"$build.log" 2>&1; then
        grep -A 10 -m 3 -E 'error|Error' "$build.log" | cut -c 1-400 >&2
        return 1
    fi
    mkdir -p "$build/findings"
    for target in "$build"/fuzz_targets/*; do
        name="$(basename "$target")"
        corpus="$build/corpus/$name"
        mkdir -p "$corpus"
        say "fuzzing $name for $seconds s"
        # New inputs go to the first folder; the tree's own seeds are only read.
        places=("$corpus")
        seeds="$SOURCE_ROOT/tests/fuzz/corpus/$name"
        [ ! -d "$seeds" ] || places+=("$seeds")
        if ! "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
            -print_final_stats=1 -artifact_prefix="$build/findings/$name-" "${places[@]}" \
            >"$build/$name.log" 2>&1; then
            tail -n 25 "$build/$name.log" >&2
            failed=1
        fi
        grep -E 'number_of_executed_units|new_units_added' "$build/$name.log"
    done
    return "$failed"
}
