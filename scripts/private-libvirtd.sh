# Functions for scripts that show or check something under libvirt: a private libvirtd, which has nothing to do with the
# machine's own. All that it has lies in one folder. To be sourced; works in any POSIX shell.

# Daemons lie where an ordinary user's PATH does not look.
PATH=$PATH:/usr/sbin:/sbin
libvirtd_pid=
libvirtd_folder=

# Until the command succeeds, tenths of a second long.
await() {
    tries=$1
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

# Starts it with this folder, which is made: its own alone, with a short path and without blanks. Sets $libvirtd_uri.
start_libvirtd() {
    libvirtd_folder=$1
    mkdir -p "$1/run" "$1/config/libvirt" "$1/cache" "$1/data"
    printf '%s\n' 'stdio_handler = "file"' 'security_driver = "none"' 'namespaces = []' >"$1/config/libvirt/qemu.conf"
    : >"$1/libvirtd.conf"
    set -- env -i "PATH=$PATH" LC_ALL=C "HOME=$1" "TMPDIR=$1" "XDG_RUNTIME_DIR=$1/run" "XDG_CONFIG_HOME=$1/config" \
        "XDG_CACHE_HOME=$1/cache" "XDG_DATA_HOME=$1/data" libvirtd -f "$1/libvirtd.conf"
    if [ "$(id -u)" = 0 ]; then
        # A libvirtd that runs as root is the machine's.
        chown -R 65534:65534 "$libvirtd_folder"
        set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    fi
    "$@" >"$libvirtd_folder/log" 2>&1 </dev/null &
    libvirtd_pid=$!
    libvirtd_uri="qemu+unix:///session?socket=$libvirtd_folder/run/libvirt/libvirt-sock"
    # The first start looks at what QEMU can do.
    await 400 virsh -q -c "$libvirtd_uri" version || {
        tail -n 20 "$libvirtd_folder/log" >&2
        echo "libvirtd did not start" >&2
        return 1
    }
}

# Starts a domain of this name, without an operating system.
start_domain() {
    cat >"$libvirtd_folder/$1.xml" <<XML
<domain type='qemu'>
  <name>$1</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
</domain>
XML
    virsh -q -c "$libvirtd_uri" define "$libvirtd_folder/$1.xml"
    virsh -q -c "$libvirtd_uri" start "$1"
}

# Ends the daemon, if it was started, and its QEMUs: these are nobody's children, and known by the folder in their
# command line.
end_libvirtd() {
    [ -n "$libvirtd_pid" ] || return 0
    kill "$libvirtd_pid" 2>/dev/null || true
    wait "$libvirtd_pid" 2>/dev/null || true
    for file in $(printf '%s/' "$libvirtd_folder" | grep -lsaF -f - /proc/[0-9]*/cmdline); do
        process=${file%/cmdline}
        case $(cat "$process/comm" 2>/dev/null) in
        qemu-*) kill -9 "${process#/proc/}" 2>/dev/null || true ;;
        esac
    done
    libvirtd_pid=
}
