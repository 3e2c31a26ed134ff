# Sourced after setup.sh: Node, and what web/ is built into.
#
#     prepare_node      # node and npm in PATH, Node 20.19 or newer
#     build_web         # web/dist, if web/ changed since; calls prepare_node
#     web_test NAME …   # npm run NAME with vitest's counts in build/web/NAME.json

node_is_new_enough() {
    command -v npm >/dev/null && command -v node >/dev/null && node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1);'
}

# The machine's Node if it is new enough. Debian 12 has 18: then its npm fetches npm's own package
# `node` into build/node, which goes first in PATH.
prepare_node() {
    local folder="$SOURCE_ROOT/build/node"
    node_is_new_enough && return 0
    export PATH="$folder/node_modules/node/bin:$PATH"
    node_is_new_enough && return 0
    command -v npm >/dev/null || install_missing node || return 1
    say "fetching Node 22 into build/node"
    mkdir -p "$folder"
    if ! npm install --prefix "$folder" --no-save --no-audit --no-fund node@22 \
        >"$folder.log" 2>&1; then
        tail -n 10 "$folder.log" >&2
        return 1
    fi
    node_is_new_enough
}

# What the packages in web/node_modules are made of, and what web/dist is.
web_packages_sum() {
    (cd "$SOURCE_ROOT/web" && cat package-lock.json ./*/package.json | sha256sum)
}
web_sources_sum() {
    (cd "$SOURCE_ROOT/web" && web_packages_sum &&
        find widget shared/src -type f ! -path '*/test/*' -print0 | sort -z | xargs -0 sha256sum) |
        sha256sum
}

install_web_packages() {
    local stamp="$SOURCE_ROOT/web/node_modules/.guerdon-packages"
    [ "$(cat "$stamp" 2>/dev/null)" != "$(web_packages_sum)" ] || return 0
    say "installing the packages of web/"
    if ! (cd "$SOURCE_ROOT/web" && npm ci --no-audit --no-fund) >"$SOURCE_ROOT/build/web.log" 2>&1
    then
        tail -n 15 "$SOURCE_ROOT/build/web.log" >&2
        return 1
    fi
    web_packages_sum >"$stamp"
}

build_web() {
    local stamp="$SOURCE_ROOT/web/dist/.sources" started=$SECONDS
    mkdir -p "$SOURCE_ROOT/build"
    prepare_node && install_web_packages || return 1
    [ "$(cat "$stamp" 2>/dev/null)" != "$(web_sources_sum)" ] || return 0
    if ! npm --prefix "$SOURCE_ROOT/web" run build >"$SOURCE_ROOT/build/web.log" 2>&1; then
        tail -n 15 "$SOURCE_ROOT/build/web.log" >&2
        return 1
    fi
    web_sources_sum >"$stamp"
    grep -E '^(ok|TOO LARGE) ' "$SOURCE_ROOT/build/web.log"
    say "built web/dist in $((SECONDS - started)) s"
}

web_test() {
    local name="$1"
    shift
    mkdir -p "$SOURCE_ROOT/build/web"
    rm -f "$SOURCE_ROOT/build/web/${name/:/-}.json"
    npm --prefix "$SOURCE_ROOT/web" run "$name" -- --reporter=default --reporter=json \
        "--outputFile=$SOURCE_ROOT/build/web/${name/:/-}.json" "$@"
}

# "PASSED FAILED SKIPPED" over every web_test of this run.
web_counts() {
    /usr/bin/python3 - "$SOURCE_ROOT"/build/web/*.json <<'PYTHON'
import json
import os
import sys
results = [json.load(open(path)) for path in sys.argv[1:] if os.path.exists(path)]
names = ("numPassedTests", "numFailedTests", "numPendingTests")
print(*(sum(result[name] for result in results) for name in names))
PYTHON
}
