# Shared by the scripts: where things are, and how to say things. Sourced, not run.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# RocksDB and wasmtime take minutes to compile: once a machine is enough, so the default is outside the clone.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/restante/target}"

# A line of our own among those of the tools, on stderr.
if [[ -t 2 ]]; then bold=$'\e[1m' red=$'\e[1;31m' plain=$'\e[0m'; else bold='' red='' plain=''; fi
say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain" >&2; }

# What happened and what to do; then the end.
fail() {
    printf '%s==> %s%s\n' "$red" "$*" "$plain" >&2
    exit 1
}

# step NAME COMMAND…: runs the command, notes how it went and how long it took for `summary`.
steps=()
failed=0
step() {
    local name=$1 began=$SECONDS mark=passed
    shift
    say "$name"
    "$@" || { mark=FAILED; failed=1; }
    steps+=("$(printf '%-7s %4d s  %s' "$mark" $((SECONDS - began)) "$name")")
}

# Prints every step; the script's exit code is 1 if one failed.
summary() {
    say "summary"
    printf '    %s\n' "${steps[@]}" >&2
    if ((failed)); then fail "something failed: see above"; fi
}
