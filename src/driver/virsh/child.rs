//! One virsh process: how it is started.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;

use crate::driver::child::Child;
use crate::error::Result;
use crate::proto::virsh::Slot;
use crate::reactor::Io;

/// Which virsh, and where to.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: String,
    pub(super) uri: String,
}

impl Program {
    /// Starts virsh. `fds` go with the command.
    pub(super) fn start(&self, slot: Slot, mut arguments: Vec<Vec<u8>>, fds: &[OwnedFd], io: &mut Io) -> Result<Child> {
        if !fds.is_empty() {
            let numbers: Vec<String> = fds.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
            let option = [b"--pass-fds".to_vec(), numbers.join(",").into_bytes()];
            arguments.splice(1..1, option);
        }
        let reads = slot == Slot::Session;
        Child::start(&mut self.command(slot, &arguments), "virsh", reads, fds, slot as usize, io)
    }

    fn command(&self, slot: Slot, arguments: &[Vec<u8>]) -> Command {
        use std::os::unix::ffi::OsStrExt;
        let mut command = Command::new(&self.path);
        command.arg("-q");
        if !self.uri.is_empty() {
            command.arg("-c").arg(&self.uri);
        }
        command.args(arguments.iter().map(|word| std::ffi::OsStr::from_bytes(word)));
        // English texts, and bytes that stay what they are.
        command.env("LC_ALL", "C");
        let noisy = ["VIRSH_DEBUG", "VIRSH_LOG_FILE", "VIRSH_DEFAULT_CONNECT_URI", "LIBVIRT_DEBUG"];
        for name in noisy.into_iter().chain(["LIBVIRT_LOG_FILTERS", "LIBVIRT_LOG_OUTPUTS"]) {
            command.env_remove(name);
        }
        match slot {
            Slot::Session => {
                // No colours, no key bindings, and no history: neither written nor cut down at the end.
                command.env("TERM", "dumb").env("INPUTRC", "/dev/null").env("VIRSH_HISTSIZE", "0");
                // Where the history lies; and where there is no folder for sockets libvirt looks for its daemon's below
                // the same, which has to stay.
                if let Some(sockets) = folder("XDG_RUNTIME_DIR").or_else(caches) {
                    command.env("XDG_RUNTIME_DIR", sockets).env("XDG_CACHE_HOME", "/dev/null");
                }
            }
            // Its log tells when the daemon has answered the registration.
            Slot::Events => {
                command.env("LIBVIRT_LOG_FILTERS", "2:netclient").env("LIBVIRT_LOG_OUTPUTS", "2:stderr");
            }
            Slot::Single => {}
        }
        command
    }
}

/// The absolute path that an environment variable holds.
fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The user's caches (GLib: g_get_user_cache_dir).
fn caches() -> Option<PathBuf> {
    folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))
}

/// Something short that a virsh does not print by chance: its end is not a hexadecimal digit, so that a number may
/// follow. What a machine says is between two line ends, where it can be no mark.
pub(super) fn random_key() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{:03x}z", random & 0xfff)
}
