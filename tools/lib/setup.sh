# Shared by tools/test, tools/demo and tools/soak: from a bare Debian 12 to a built tree. Sourced,
# never run:
#
#     . "$(dirname "$0")/lib/setup.sh"
#     install_missing build             # groups of tools/packages.txt
#     build_preset release guerdon      # configure and build; no target means everything
#
# Sets SOURCE_ROOT, and works from any current folder.

SOURCE_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
export LC_ALL=C.UTF-8
# A service account or a container may have no home, which ccache and git want.
export HOME="${HOME:-$SOURCE_ROOT/build}"

say() { printf '== %s\n' "$*"; }

# One clear line, exit 1.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# The package names of the given groups.
packages_of() {
    local group
    for group in "$@"; do
        awk -v group="$group" '$1 == group { print $2 }' "$SOURCE_ROOT/tools/packages.txt"
    done
}

package_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Runs a command as root: directly, or with sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs what is missing of the given groups of tools/packages.txt; says what it does; dies with
# one line otherwise.
install_missing() {
    local name missing=() unknown=()
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
        die "there is no apt-get here; install the packages of tools/packages.txt by hand"
    for name in $(packages_of "$@"); do
        package_installed "$name" || missing+=("$name")
    done
    [ ${#missing[@]} = 0 ] && return 0

    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        die "these packages are missing and neither root nor sudo can be had: ${missing[*]}"
    say "installing ${#missing[@]} Debian packages: ${missing[*]}"
    local log="${TMPDIR:-/tmp}/guerdon-apt.$$"
    as_root apt-get update -qq >"$log" 2>&1 ||
        say "apt-get update failed, going on with the package lists at hand"
    for name in "${missing[@]}"; do
        [ -n "$(apt-cache --quiet=0 show "$name" 2>/dev/null | head -n 1)" ] || unknown+=("$name")
    done
    if [ ${#unknown[@]} != 0 ]; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        die "apt does not know these packages of Debian 12: ${unknown[*]}"
    fi
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        die "apt-get could not install: ${missing[*]}"
    fi
    rm -f "$log"
}

# How many compilers at once: the cores, but no more than memory allows at 1.5 GB each.
build_jobs() {
    local cores memory
    cores="$(nproc)"
    memory="$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)"
    [ "${memory:-1}" -lt 1 ] && memory=1
    [ "$memory" -lt "$cores" ] && echo "$memory" || echo "$cores"
}

# Copies ninja's output into the file and shows every tenth of the way.
show_progress() {
    local line shown=0 tenth
    while IFS= read -r line; do
        printf '%s\n' "$line"
        if [[ "$line" =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
            tenth=$((10 * BASH_REMATCH[1] / BASH_REMATCH[2]))
            [ "$tenth" = "$shown" ] ||
                printf '   %s of %s\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" >&2
            shown=$tenth
        fi
    done >"$1"
}

# build_preset <preset> [target...]: configure and build in build/<preset>; no target means
# everything.
build_preset() {
    local preset="$1" folder="$SOURCE_ROOT/build/$1" target started=$SECONDS arguments=()
    shift
    for target in "$@"; do
        arguments+=(--target "$target")
    done
    mkdir -p "$folder"
    say "configuring $preset"
    (cd "$SOURCE_ROOT" && cmake --preset "$preset") >"$folder/configure.log" 2>&1 || {
        tail -n 30 "$folder/configure.log" >&2
        die "configuring $preset failed, see build/$preset/configure.log"
    }
    say "building $preset with $(build_jobs) jobs"
    cmake --build "$folder" --parallel "$(build_jobs)" "${arguments[@]}" 2>&1 |
        show_progress "$folder/build.log"
    if [ "${PIPESTATUS[0]}" != 0 ]; then
        grep -A 20 -m 3 -E '^FAILED:|error:|ninja: error' "$folder/build.log" | cut -c 1-400 >&2
        die "building $preset failed, see build/$preset/build.log"
    fi
    say "built $preset in $((SECONDS - started)) s"
}

build_release() { build_preset release "$@"; }
