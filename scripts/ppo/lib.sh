# What ppo-seeds and ppo-compare share. Sourced, not run.
#
# A run is a folder $out/NAME: terse ppo's own, eval.json and eval.jsonl of its adapter, compared.json with the answers before,
# seconds. What is there already is not done again.

terse=${TERSE:-build/terse}
recipe=recipes/nano-ppo.yaml base=checkpoints/nano test=data/nano/test.parquet
adapter=runs/demo/adapter problems=500 keys=()

usage() {
    sed -nE '2,/^set /s/^# ?//p' "$0"
    exit "$1"
}

# options ARGUMENTS...: sets the above, out and whatever -n means; what is KEY=VALUE goes to terse ppo.
options() {
    while [ $# -gt 0 ]; do
        case $1 in
        -o) out=$2 && shift ;;
        -n) number=$2 && shift ;;
        --adapter) adapter=$2 && shift ;;
        --problems) problems=$2 && shift ;;
        -h | --help) usage 0 ;;
        *=*) keys+=("$1") ;;
        *) echo "$0: what is $1?" >&2 && usage 2 >&2 ;;
        esac
        shift
    done
    [ -f "$adapter/adapter_config.json" ] || {
        echo "$0: there is no adapter in $adapter; make demo leaves one in runs/demo/adapter, --adapter names another" >&2
        exit 1
    }
    mkdir -p "$out"
}

# value FILE KEY [BLOCK]: a number of a JSON file, the first of that name (in the object BLOCK).
value() {
    sed -n "/\"${3:-}/,\$p" "$1" | sed -nE "s/.*\"$2\": *([-0-9.eE]+).*/\1/p" | head -n 1
}

# measure DIR ADAPTER: eval.json and eval.jsonl.
measure() {
    [ -f "$1/eval.json" ] && [ "$(value "$1/eval.json" n)" = "$problems" ] && return
    rm -f "$1/eval.json" "$1/eval.jsonl"
    "$terse" eval -m $base --lora "$2" --dataset $test --max-samples "$problems" -o "$1/eval.json" --samples "$1/eval.jsonl"
}

# The adapter that all runs begin with.
measure_before() {
    mkdir -p "$out/before"
    measure "$out/before" "$adapter"
}

# run NAME [KEY=VALUE...]: trains, measures, compares.
run() {
    local dir=$out/$1 start=$SECONDS
    shift
    if [ ! -f "$dir/seconds" ]; then
        "$terse" ppo --config $recipe adapter_name_or_path="$adapter" output_dir="$dir" "$@"
        echo $((SECONDS - start)) > "$dir/seconds"
    fi
    measure "$dir" "$dir/adapter"
    "$terse" compare "$out/before/eval.jsonl" "$dir/eval.jsonl" -o "$dir/compared.json" > "$dir/compared.txt"
}

# Groups of which nothing could be learned, in percent of all that were answered.
dead_groups() {
    grep -oE '"dead_groups": [0-9.eE+-]+' "$1/metrics.jsonl" |
        awk '{ dead += $2; n++ } END { printf "%.1f", n ? 100 * dead / n : 0 }'
}
