#!/bin/sh
# Appends to $LOG which hook runs and what the state on stdin says.
state=$(cat)
status=$(printf '%s' "$state" | sed -n 's/.*"status" *: *"\([a-z]*\)".*/\1/p')
echo "$HOOK: $status" >> "$LOG"
