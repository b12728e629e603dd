#!/bin/bash
# Installs the Debian packages that the tests and the demo need, and only those whose programs are missing.
#
#   test/packages.sh PACKAGE...        for example: test/packages.sh ffmpeg rabbitmq-server postgresql
#
# It needs root, or sudo without a password. It prints nothing when nothing is missing. No service is left
# running and no PostgreSQL cluster is made: the tests start private servers of their own.
set -euo pipefail

# present PACKAGE: whether what we want from the package is on this machine, however it got here.
present() {
  case $1 in
    rabbitmq-server) [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] && command -v erl epmd >/dev/null ;;
    postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null ;;
    ffmpeg) command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null ;;
    gcc | npm | curl | jq | chromium | ffmpegthumbnailer) command -v "$1" >/dev/null ;;
    libc6-dev) [[ -e /usr/include/stdlib.h ]] || installed "$1" ;;
    *) installed "$1" ;;
  esac
}

installed() {
  command -v dpkg-query >/dev/null &&
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# epmds: process ids of the Erlang port mappers that run as user rabbitmq.
epmds() {
  local proc
  for proc in /proc/[0-9]*; do
    [[ $(cat "$proc/comm" 2>/dev/null) == epmd ]] || continue
    [[ $(stat --format=%U "$proc" 2>/dev/null) == rabbitmq ]] || continue
    echo "${proc#/proc/}"
  done
}

missing=()
for package in "$@"; do
  present "$package" || missing+=("$package")
done
((${#missing[@]})) || exit 0

if ! command -v apt-get >/dev/null; then
  echo "packages.sh: missing: ${missing[*]}; there is no apt-get here, install them by hand" >&2
  exit 1
fi
if ((EUID != 0)); then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    exec sudo -n -- "$(readlink -f "$0")" "${missing[@]}"
  fi
  echo "packages.sh: missing: ${missing[*]}; installing them needs root: sudo test/packages.sh ${missing[*]}" >&2
  exit 1
fi

# One run at a time: the timeout below covers dpkg's lock, but not the lock of the package lists.
exec 9>/run/reelmill-packages.lock
flock 9

# A service would take the well-known ports and start again at every boot. policy-rc.d is Debian's way to say no;
# one that exists already belongs to the machine and stays as it is.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
for package in "${missing[@]}"; do
  if [[ $package == postgresql && ! -d /etc/postgresql-common ]]; then
    install -d /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/no-main-cluster.conf
  fi
done

before=" $(epmds | tr '\n' ' ') "
apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends \
    --option DPkg::Lock::Timeout=300 --option Dpkg::Use-Pty=0 "${missing[@]}" </dev/null
}
echo "packages.sh: installing ${missing[*]}" >&2
# Package lists may be absent or older than the mirror: fetch them only when the install cannot do without.
log=$(mktemp)
if ! apt_install >"$log" 2>&1; then
  if ! { apt-get update -qq && apt_install; } >>"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    echo "packages.sh: could not install ${missing[*]}" >&2
    exit 1
  fi
fi
rm -f "$log"

# Installing rabbitmq-server leaves a port mapper listening on all interfaces. It is ours to end only if it was
# not there before.
for pid in $(epmds); do
  [[ $before == *" $pid "* ]] || kill "$pid"
done

for package in "${missing[@]}"; do
  if ! present "$package"; then
    echo "packages.sh: $package is installed, but its programs are not where they are expected" >&2
    exit 1
  fi
done
