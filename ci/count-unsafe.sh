#!/usr/bin/env bash
# Counts what is unsafe, crate by crate, and fails if a block or an impl does not say why it is sound.
#
# A reason is a comment with "SAFETY:" on the line itself or above the statement that it begins or
# belongs to. Clippy's `undocumented_unsafe_blocks` checks the same with a parser; this prints the
# table, and also covers what is compiled only under other settings (loom, other systems).
set -euo pipefail
cd "$(dirname "$0")/.."

count() { # name of the crate, then its folders
    local name=$1
    shift
    find "$@" -name '*.rs' -print0 2>/dev/null | sort -z | xargs -0 awk -v crate="$name" '
        FNR == 1 { start = NR }
        {
            line[NR] = $0
            code = $0
            sub(/^[ \t]*\/\/.*/, "", code)      # a comment line
            gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
            sub(/\/\/.*/, "", code)             # a comment behind code
            if ($0 ~ /SAFETY:/) safety++
            if (code !~ /(^|[^A-Za-z0-9_])unsafe([^A-Za-z0-9_]|$)/) next
            if (code ~ /unsafe[ \t]+(extern[ \t]+"*[ \t]*)?fn[ \t]*\(/) next    # a type, no code
            if (code ~ /unsafe[ \t]+(extern[ \t]+"*[ \t]*)?fn/) { fns++; next }
            if (code ~ /unsafe[ \t]+trait/) { traits++; next }
            if (code ~ /unsafe[ \t]+impl/) impls++
            else blocks++
            if ($0 ~ /SAFETY:/) next
            said = 0
            for (at = NR - 1; at >= start; at--) {
                if (line[at] ~ /SAFETY:/) { said = 1; break }
                if (line[at] ~ /^[ \t]*(\/\/|#\[)/) continue    # more of the comment, an attribute
                if (line[at] ~ /[;}][ \t]*$/ || line[at] ~ /^[ \t]*$/) break
                if (line[at] ~ /(^|[ \t])fn[ \t]/) break
            }
            if (!said) {
                printf "%s:%d: unsafe without a SAFETY comment\n", FILENAME, FNR > "/dev/stderr"
                missing++
            }
        }
        END {
            printf "%-16s %8d %8d %8d %8d %8d %8d\n", crate, blocks, impls, fns, traits, safety, missing
            exit missing > 0
        }
    '
}

printf '%-16s %8s %8s %8s %8s %8s %8s\n' crate blocks impls fns traits SAFETY missing
failed=0
count gopark-netpoll netpoll/src || failed=1
count gopark src || failed=1
count gopark-cli cli/src || failed=1
count "tests, benches" tests benches examples netpoll/tests netpoll/benches netpoll/examples cli/tests || failed=1
exit $failed
