#!/bin/sh
# Installs what is missing from Debian's packages: tools/deps.sh SET ... with the sets build, demo, test, bench.
# As root it installs; otherwise it says what is missing.
set -eu

build="gcc make meson ninja-build pkg-config libssl-dev libyaml-dev libjansson-dev libcurl4-openssl-dev libpcre2-dev libunbound-dev"
demo="python3 openssl kamailio kamailio-tls-modules baresip-core"
bench="python3 openssl libosip2-dev libsofia-sip-ua-dev iproute2 keepalived"
test="python3 python3-pytest python3-pytest-xdist openssl clang llvm libclang-rt-14-dev libcmocka-dev sip-tester kamailio kamailio-tls-modules baresip-core git libengine-pkcs11-openssl softhsm2 iproute2 keepalived nsd ldnsutils"

missing=""
for set in "$@"; do
    eval "list=\$$set"
    for package in $list; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
    done
done
# tools that are there in another way, such as a compiler or Meson of their own, will do
keep=""
for package in $missing; do
    case $package in
    gcc | make | meson | clang | openssl | git) command -v "$package" >/dev/null 2>&1 && continue ;;
    ninja-build) command -v ninja >/dev/null 2>&1 && continue ;;
    pkg-config) command -v pkg-config >/dev/null 2>&1 && continue ;;
    esac
    keep="$keep $package"
done
[ -z "$keep" ] && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "missing packages:$keep (install them, or run this as root)" >&2
    exit 1
fi
echo "installing:$keep"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# daemons that come along are not to be started
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d.sipward
if [ ! -e /usr/sbin/policy-rc.d ]; then
    mv /usr/sbin/policy-rc.d.sipward /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
else
    rm -f /usr/sbin/policy-rc.d.sipward
fi
# shellcheck disable=SC2086 -- a list of words
apt-get install -y -qq --no-install-recommends $keep >/dev/null
