# Shell functions that the scripts share. Sourced, not run.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${R3MAP_CACHE:-${HOME:-/root}/.cache/r3map}
venv=$root/build/venv

# The distribution's python, because libpython and its headers come from there, too.
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

say() { printf '==> %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "this needs root: $*"; fi
}

# apt_install PACKAGE…: installs those that are missing; does and needs nothing if none is.
apt_install() {
  local missing=() package
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian: see to it yourself that there is: $*"
    return
  fi
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "apt: ${missing[*]}"
  as_root apt-get -qq update
  # RUNLEVEL=1 keeps invoke-rc.d from starting what is installed, nginx above all.
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "${missing[@]}" >/dev/null
}

# ensure_venv: build/venv, made anew if another python made it or it was moved.
ensure_venv() {
  local wanted
  wanted=$("$python" -c 'import sys; print(sys.version_info[:2], sys.base_prefix)')
  if [ "$("$venv/bin/python" -c 'import sys, pip; print(sys.version_info[:2], sys.base_prefix)' \
          2>/dev/null)" = "$wanted" ] &&
     "$venv/bin/pip" --version >/dev/null 2>&1; then
    return
  fi
  say "python environment: build/venv"
  rm -rf "$venv"
  "$python" -m venv "$venv"
}

# pip_install NAME…: in build/venv, in the versions of requirements-dev.txt; quick when done before.
pip_install() {
  local stamp
  stamp=$venv/.installed-$(cat "$root/requirements-dev.txt" - <<<"$*" | cksum | cut -d' ' -f1)
  [ -e "$stamp" ] && return
  say "pip: $*"
  "$venv/bin/pip" install -q --disable-pip-version-check -c "$root/requirements-dev.txt" "$@"
  touch "$stamp"
}
