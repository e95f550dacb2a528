#!/usr/bin/env bash
# Installs what is missing (Debian packages), builds kinglet in build/release, and then
#
#   tools/build.sh          writes a tale with the built-in model
#   tools/build.sh test     runs the tests
#   tools/build.sh test-arm cross-builds for 64-bit ARM in build/aarch64 instead, and runs the tests
#                           that compare bits under emulation
#   tools/build.sh install  installs the command and the library under /usr/local (or PREFIX)
#
# Safe to run again: what is there already is left alone. Asks for sudo only to install packages.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(g++ cmake ninja-build pkg-config libxsimd-dev nlohmann-json3-dev libcli11-dev
          libfmt-dev libpcre2-dev libutf8proc-dev nettle-dev zlib1g-dev libgtest-dev
          libgmock-dev libbenchmark-dev)
preset=release
case "${1:-run}" in
  run) ;;
  test) packages+=(python3 python3-numpy qemu-user binutils) ;;
  test-arm) preset=aarch64; packages+=(g++-aarch64-linux-gnu mmdebstrap qemu-user) ;;
  install) ;;
  *) echo "usage: tools/build.sh [run|test|test-arm|install]" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "tools/build.sh: no apt-get here; install these, or what your system calls them:" >&2
    echo "  ${missing[*]}" >&2
    exit 1
  fi
  echo "installing: ${missing[*]}" >&2
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends "${missing[@]}" >/dev/null
fi

# The ARM build's libraries: the distribution's packages, unpacked in a directory of their own, so that
# nothing of this system changes.
arm_root=build/arm-root
if [ "$preset" = aarch64 ] && [ ! -d "$arm_root" ]; then
  echo "unpacking ARM libraries in $arm_root" >&2
  mkdir -p build
  rm -rf "$arm_root.partial"
  arm_packages=(libc6-dev libstdc++6 libgomp1 libxsimd-dev nlohmann-json3-dev libcli11-dev
                libfmt-dev libpcre2-dev libutf8proc-dev nettle-dev zlib1g-dev libgtest-dev libgmock-dev)
  mmdebstrap --quiet --variant=extract --architectures=arm64 \
    --include="$(IFS=,; echo "${arm_packages[*]}")" \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$arm_root.partial"
  mv "$arm_root.partial" "$arm_root"
fi

# The distribution's own cmake where it is there: another one may come first in PATH.
cmake=/usr/bin/cmake ctest=/usr/bin/ctest
[ -x "$cmake" ] || { cmake=cmake; ctest=ctest; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "$cmake" --preset "$preset" ${KINGLET_CMAKE_ARGS:-} >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
"$cmake" --build --preset "$preset"

case "${1:-run}" in
  run) exec build/release/kinglet run -p "Once upon a time" ;;
  test|test-arm) "$ctest" --preset "$preset" --parallel "$(nproc)" "${@:2}" ;;
  install) "$cmake" --install build/release --prefix "${PREFIX:-/usr/local}" ;;
esac
