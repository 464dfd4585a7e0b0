# Where Debian comes from: the machine's own mirror and proxy, as apt is set up here.

debian_release=trixie
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg
debian_default=http://deb.debian.org

# debian_sources: the apt sources of the release, one a line. A machine that uses Debian says where its mirror is (apt
# also knows the origin that each mirror states in its Release file); any other (Ubuntu) uses Debian's own.
debian_sources() {
    local main security
    main=${BULKHEAD_DEBIAN_MIRROR:-$(apt_repository Debian '/debian/$')}
    security=$(apt_repository Debian-Security '/debian-security/$')
    if [[ ! $main ]]; then
        main=$debian_default/debian
        security=$debian_default/debian-security
    fi
    echo "deb $main $debian_release main"
    [[ ! $security || ${BULKHEAD_DEBIAN_MIRROR-} ]] || echo "deb $security $debian_release-security main"
}

# apt_repository LABEL PATTERN: the first repository in apt's sources with this label; where no list was fetched yet, so
# that labels are not known, the first whose address fits the pattern (and that has a part `main`, as Debian has and
# others that end in /debian have not).
apt_repository() {
    local targets
    targets=$(apt-get indextargets --format '$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null || true)
    awk -F '|' -v label="$1" -v pattern="$2" \
        '$2 == "main" && ($1 == label || ($1 == "" && $3 ~ pattern)) { print $3; exit }' <<<"$targets"
}

# The settings of this machine's apt that decide whether a download works at all.
apt_settings() {
    apt-config dump | grep -E '^Acquire::((http|https)::Proxy|Check-Valid-Until|Check-Date|Retries|ForceIPv[46])[: ]' || true
}

# debootstrap VARIANT PACKAGES DIR [OPTION…]: unpacks Debian into DIR. VARIANT as in mmdebstrap(1); PACKAGES separated
# by commas.
debootstrap() {
    local variant=$1 packages=$2 target=$3 settings
    shift 3
    settings=$building/apt.conf
    apt_settings >"$settings"
    echo 'APT::Install-Recommends "false";' >>"$settings"
    debian_sources | mmdebstrap --mode=root --variant="$variant" --keyring="$debian_keyring" \
        --aptopt="$settings" --include="$packages" "$@" "$debian_release" "$target" -
}

# read_list FILE: its words, comments left out, separated by commas.
read_list() {
    sed 's/#.*//' "$1" | xargs printf '%s\n' | paste -sd ,
}
