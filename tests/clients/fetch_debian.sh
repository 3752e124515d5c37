#!/usr/bin/env bash
# Download Debian packages of programs that can use no other address than 169.254.169.254, and unpack
# them into a folder. Nothing is installed or started.
#   fetch_debian.sh FOLDER
set -euo pipefail
mkdir -p "$1"
cd "$1"
for package in waagent cloud-init prometheus; do
  [ -d "$package" ] && continue
  apt-get download -qq "$package"
  dpkg-deb -x "$package"_*.deb "$package.new"
  mv "$package.new" "$package"
  rm "$package"_*.deb
done
