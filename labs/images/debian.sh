# Where Debian comes from: the machine's own mirror and proxy, as apt is set up here.

debian_release=trixie
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# debian_sources: the apt sources of the release, one a line. A machine that uses Debian says where its mirror is (apt
# also knows the origin that each mirror states in its Release file). Any other (Ubuntu) says nothing, and neither does
# this: mmdebstrap then uses Debian's own mirror.
debian_sources() {
    local main security
    main=${BULKHEAD_DEBIAN_MIRROR:-$(apt_repository Debian '/debian/$')}
    security=$(apt_repository Debian-Security '/debian-security/$')
    [[ $main ]] || return 0
    echo "deb $main $debian_release main"
    [[ ! $security || ${BULKHEAD_DEBIAN_MIRROR-} || ${debian_security-} == no ]] || echo "deb $security $debian_release-security main"
}

# debian_mirror: where the packages come from, for people.
debian_mirror() {
    local mirror
    mirror=$(debian_sources | head -n 1 | cut -d ' ' -f 2)
    echo "${mirror:-the mirror of Debian itself}"
}

# apt_repository LABEL PATTERN: the first repository in apt's sources with this label. Labels are in the lists that apt
# has fetched; where it has fetched none, the first repository whose address fits the pattern, and that has a part
# `main`, as Debian has and others whose address ends in /debian have not.
apt_repository() {
    local found
    found=$(list_repositories '$(LABEL)' | awk -F '|' -v wanted="$1" '$1 == wanted { print $3; exit }')
    [[ $found ]] || found=$(list_repositories '' --no-release-info |
        awk -F '|' -v wanted="$2" '$2 == "main" && $3 ~ wanted { print $3; exit }')
    echo "$found"
}

# list_repositories KEY [OPTION]: a line KEY|component|address for each.
list_repositories() {
    apt-get indextargets "${@:2}" --format "$1"'|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null || true
}

# The settings of this machine's apt that decide whether a download works at all.
apt_settings() {
    apt-config dump | grep -E '^Acquire::((http|https)::Proxy|Check-Valid-Until|Check-Date|Retries|ForceIPv[46])[: ]' || true
}

# debootstrap VARIANT PACKAGES DIR [OPTION…]: unpacks Debian into DIR. VARIANT as in mmdebstrap(1); PACKAGES separated
# by commas.
debootstrap() {
    local variant=$1 packages=$2 target=$3 settings sources
    shift 3
    settings=$building/apt.conf
    apt_settings >"$settings"
    echo 'APT::Install-Recommends "false";' >>"$settings"
    sources=$(debian_sources)
    # "-" reads the sources from standard input; without it mmdebstrap chooses them.
    mmdebstrap --mode=root --variant="$variant" --keyring="$debian_keyring" --aptopt="$settings" \
        --include="$packages" "$@" "$debian_release" "$target" ${sources:+-} <<<"$sources"
}

# read_list FILE: its words, comments left out, separated by commas.
read_list() {
    sed 's/#.*//' "$1" | xargs printf '%s\n' | paste -sd ,
}
