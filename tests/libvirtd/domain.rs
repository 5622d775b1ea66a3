//! The domains of a private libvirtd.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Libvirtd, encode, give, send_signal, until};

/// A domain that a test has defined; it is ended and forgotten when it is dropped.
pub struct Domain {
    daemon: Arc<Libvirtd>,
    name: String,
    uuid: String,
    /// Its second monitor, for bytes to compare with.
    second: PathBuf,
}

impl Domain {
    /// A domain of this name, shut off.
    pub fn define(daemon: &Arc<Libvirtd>, name: &str) -> Domain {
        let Written { file, uuid, second } = write_xml(daemon, name);
        daemon.virsh(&["define", "--file", file.to_str().unwrap()]);
        Domain { daemon: Arc::clone(daemon), name: name.to_owned(), uuid, second }
    }

    /// The same, running.
    pub fn running(daemon: &Arc<Libvirtd>, name: &str) -> Domain {
        let domain = Domain::define(daemon, name);
        domain.start();
        domain
    }

    /// The same, started with its processors stopped.
    pub fn paused(daemon: &Arc<Libvirtd>, name: &str) -> Domain {
        let domain = Domain::define(daemon, name);
        domain.virsh(&["start", "--paused"]);
        domain
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    pub fn start(&self) {
        self.virsh(&["start"]);
    }

    /// Ends it as pulling the plug would.
    pub fn destroy(&self) {
        self.virsh(&["destroy"]);
    }

    /// Its number while it runs.
    pub fn id(&self) -> String {
        self.virsh(&["domid"]).trim().to_owned()
    }

    pub fn state(&self) -> String {
        self.virsh(&["domstate"]).trim().to_owned()
    }

    /// Over the daemon's UNIX socket, by name.
    pub fn unix(&self) -> String {
        format!("{}#{}", self.daemon.unix(), encode(&self.name))
    }

    /// Over the daemon's TCP socket, by name.
    pub fn tcp(&self) -> String {
        format!("{}#{}", self.daemon.tcp(), encode(&self.name))
    }

    /// Its second monitor, by QEMU's own socket.
    pub fn second(&self) -> String {
        format!("unix:{}", self.second.display())
    }

    /// Stops QEMU itself, which then answers nothing.
    pub fn freeze(&self) {
        send_signal(self.pid(), libc::SIGSTOP);
    }

    /// Lets QEMU go on.
    pub fn thaw(&self) {
        send_signal(self.pid(), libc::SIGCONT);
    }

    /// Kills QEMU.
    pub fn kill(&self) {
        send_signal(self.pid(), libc::SIGKILL);
    }

    fn pid(&self) -> u32 {
        self.find_pid().unwrap_or_else(|| panic!("domain {:?} has no QEMU", self.name))
    }

    /// From the file that libvirt keeps, if it is still the QEMU of this domain.
    fn find_pid(&self) -> Option<u32> {
        let file = self.daemon.path("run/libvirt/qemu/run").join(format!("{}.pid", self.name));
        let pid = fs::read_to_string(file).ok()?.trim().parse().ok()?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        String::from_utf8_lossy(&command).contains(&self.uuid).then_some(pid)
    }

    /// The first word is virsh's command, then comes the domain, then the rest.
    fn virsh(&self, words: &[&str]) -> String {
        let (command, rest) = words.split_first().unwrap();
        let mut all = vec![*command, "--domain", &self.uuid];
        all.extend(rest);
        self.daemon.virsh(&all)
    }
}

/// The description of a domain, in a file of its own.
pub(super) struct Written {
    pub(super) file: PathBuf,
    uuid: String,
    second: PathBuf,
}

pub(super) fn write_xml(daemon: &Libvirtd, name: &str) -> Written {
    let number = daemon.next_number();
    let uuid = format!("7be7{:04x}-0000-4000-8000-{number:012x}", std::process::id() & 0xffff);
    let second = daemon.path(&format!("qmp-{number}"));
    let file = daemon.path(&format!("domain-{number}.xml"));
    let xml = format!(
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
           <name>{}</name><uuid>{uuid}</uuid><memory unit='MiB'>64</memory>
           <os><type arch='x86_64' machine='q35'>hvm</type></os>
           <devices><controller type='usb' model='none'/><memballoon model='none'/></devices>
           <qemu:commandline>
             <qemu:arg value='-qmp'/><qemu:arg value='unix:{},server=on,wait=off'/>
           </qemu:commandline>
         </domain>",
        name.replace('&', "&amp;").replace('<', "&lt;"),
        second.display(),
    );
    fs::write(&file, xml).unwrap();
    give(&file);
    Written { file, uuid, second }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // Whoever panics wants to see that panic: what is left ends with the daemon.
        if std::thread::panicking() {
            return;
        }
        if let Some(pid) = self.find_pid() {
            send_signal(pid, libc::SIGKILL);
            until("the end of a killed QEMU", || self.find_pid().is_none());
        }
        let _ = self.daemon.try_virsh(&["undefine", "--domain", &self.uuid]);
    }
}
