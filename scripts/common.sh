# What every script here shares: where the project is, how to speak, how to time. Sourced, not run.
# shellcheck shell=bash
# shellcheck disable=SC2034  # the names below are used by the scripts that source this file

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# Colour helps eyes and hurts log files.
if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' plain=''
fi

section() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '  %s\n' "$*"; }
die() {
  printf '%s%s: %s%s\n' "$red" "${0##*/}" "$*" "$plain" >&2
  exit 1
}

# A mistake in the command line: the caller's, so it gets an exit code of its own.
usage_error() {
  printf '%s: %s (try --help)\n' "${0##*/}" "$*" >&2
  exit 2
}

# Prints the comment at the top of the calling script: its one description.
print_help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# need_value OPTION REMAINING: an option that takes a value must not be the last word.
need_value() { (($2 >= 2)) || usage_error "$1 needs a value"; }

# Milliseconds since some moment; for differences only.
now_ms() { echo $(($(date +%s%N) / 1000000)); }

# seconds MS: 12345 -> 12.3
seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# Jobs that fit: one per processor, and a gigabyte of memory for each compiler.
default_jobs() {
  local processors memory_gb
  processors=$(nproc)
  memory_gb=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  ((memory_gb >= 1)) || memory_gb=1
  echo $((processors < memory_gb ? processors : memory_gb))
}
