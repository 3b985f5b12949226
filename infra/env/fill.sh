#!/bin/sh
# Prints an environment template with a fresh random value in every line that says how to generate one:
#   umask 077; infra/env/fill.sh infra/env/compose.env.example > .env
set -eu

generate=''
while IFS= read -r line || [ -n "$line" ]; do
  case "$line" in
    '# generate: '*) generate=${line#\# generate: } ;;
    *=)
      [ -z "$generate" ] || line="$line$(sh -c "$generate")"
      generate=''
      ;;
  esac
  printf '%s\n' "$line"
done <"$1"
