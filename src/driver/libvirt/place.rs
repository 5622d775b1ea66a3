//! Where libvirt's daemons listen (libvirt: docs/daemons, docs/uri).

use std::env;
use std::path::PathBuf;

use crate::driver::dial::Address;
use crate::error::{Code, Error, Result};
use crate::target::uri::transport::{Daemon, Mode};

/// Where the system's daemons listen: libvirt says /var/run, also where that is a link to /run.
const SYSTEM: &str = "/var/run/libvirt";
/// The socket of the daemon for QEMU alone.
const DIRECT: &str = "virtqemud-sock";
/// The socket of the daemon for everything.
const LEGACY: &str = "libvirt-sock";

/// Where this machine's daemon listens: the addresses to try in turn.
pub(super) fn usual(daemon: Daemon) -> Result<Vec<Address>> {
    let folder = if daemon.session && !crate::sys::is_root() { session_folder()? } else { SYSTEM.into() };
    let names: &[&str] = match daemon.mode {
        // Which of them is there may change while it is tried again.
        Mode::Auto => &[DIRECT, LEGACY],
        Mode::Direct => &[DIRECT],
        Mode::Legacy => &[LEGACY],
    };
    names.iter().map(|name| Address::unix(&folder.join(name))).collect()
}

/// Where a daemon of the system listens, for a program that dials one path.
pub(super) fn of_the_system(mode: Mode) -> String {
    let name = match mode {
        Mode::Auto | Mode::Legacy => LEGACY,
        Mode::Direct => DIRECT,
    };
    format!("{SYSTEM}/{name}")
}

/// Where the daemons of this user listen. Root has none but the system's.
fn session_folder() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_RUNTIME_DIR")
        .or_else(|| set("XDG_CACHE_HOME"))
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|folder| folder.join("libvirt"));
    folder.ok_or_else(|| {
        let text = "where the session's daemon listens is not known: neither XDG_RUNTIME_DIR nor HOME is set";
        Error::new(Code::Connect, text)
    })
}
