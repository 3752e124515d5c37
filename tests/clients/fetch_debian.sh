#!/usr/bin/env bash
# Download programs that know no address but 169.254.169.254 as Debian packages, and unpack them into a folder. Nothing is installed or started.
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
