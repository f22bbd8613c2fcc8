#!/bin/sh
# Makes and removes cgroups, mounts, processes, network devices and files all the time, until DIRECTORY/go is no more:
# whoever takes one of them away makes this fail. Says how many rounds there were.
set -eu
directory=$1
device=$2
round=0
hierarchies=$(awk '$3 ~ /^cgroup/ { print $2 }' /proc/self/mounts)
while [ -e "$directory/go" ]; do
  round=$((round + 1))
  name=neighbour-$$-$round
  for hierarchy in $hierarchies; do mkdir "$hierarchy/$name"; done
  mkdir "$directory/$name"
  mount -t tmpfs neighbour "$directory/$name"
  mkdir -p "/run/tsrunc/$name"
  setsid sleep 1000 &
  process=$!
  [ -z "$device" ] || ip link add "nb$round" type "$device"
  sleep 0.03
  [ -z "$device" ] || ip link delete "nb$round"
  kill -KILL "$process"
  rmdir "/run/tsrunc/$name"
  umount "$directory/$name"
  rmdir "$directory/$name"
  for hierarchy in $hierarchies; do rmdir "$hierarchy/$name"; done
done
echo "$round"
