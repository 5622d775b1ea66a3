//! What is run: the words for ssh, and the script that ssh runs on the other machine.
//!
//! Words that come from a URI are arguments here, never text for a shell. On the other machine there is a shell, the user's
//! login shell, which may be any: it is given one `sh -c SCRIPT`. In SCRIPT every word is quoted by itself, and SCRIPT is
//! quoted as a whole by the same function. libvirt's own client writes quotes inside quotes by hand, and a `'` in
//! `socket=` leaves them (libvirt: src/rpc/virnetclient.c, virNetClientSSHHelperCommand).

use std::process::Command;

use crate::driver::dial::allows_no_changes;
use crate::driver::libvirt::place;
use crate::error::{Code, Error, Result};
use crate::target::uri::transport::{Daemon, Mode, Proxy, Ssh};

/// A program whose standard input and output lead to a daemon.
#[derive(Debug)]
pub struct Program {
    /// The program: a path, or a name on PATH.
    path: Box<str>,
    arguments: Vec<String>,
    /// The daemon's socket allows no changes.
    pub(in crate::driver::libvirt) is_read_only: bool,
}

impl Program {
    /// The program ssh, or the one in its place; the daemon is to open `name`. `allowed`: programs that the URI names may
    /// be run.
    pub(in crate::driver::libvirt) fn ssh(ssh: &Ssh, name: &str, allowed: bool) -> Result<Program> {
        for (parameter, value) in [("command", &ssh.command), ("netcat", &ssh.netcat)] {
            if value.is_some() && !allowed {
                return Err(forbidden(parameter));
            }
        }
        let path = ssh.command.clone().unwrap_or_else(|| "ssh".into());
        let is_read_only = ssh.socket.as_deref().is_some_and(allows_no_changes);
        let remote = format!("sh -c {}", quoted(&script(ssh, name)?));
        Ok(Program { path, arguments: arguments(ssh, remote), is_read_only })
    }

    /// The program alone: no arguments, and no shell.
    pub(in crate::driver::libvirt) fn ext(path: &str, allowed: bool) -> Result<Program> {
        if !allowed {
            return Err(forbidden("command"));
        }
        Ok(Program { path: path.into(), arguments: Vec::new(), is_read_only: false })
    }

    /// What it is called in messages: without the folder, which says nothing to who reads them.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(&self.path)
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&*self.path);
        command.args(&self.arguments);
        command
    }
}

fn forbidden(parameter: &str) -> Error {
    let text =
        format!("the parameter {parameter} names a program, which is run only with the option allow-programs=on");
    Error::new(Code::InvalidArgument, text)
}

fn arguments(ssh: &Ssh, remote: String) -> Vec<String> {
    let mut words = Vec::new();
    let mut push = |list: &[&str]| words.extend(list.iter().map(|word| (*word).to_owned()));
    if let Some(port) = ssh.port {
        push(&["-p", &port.to_string()]);
    }
    if let Some(user) = &ssh.user {
        push(&["-l", user]);
    }
    if let Some(file) = &ssh.keyfile {
        push(&["-i", file]);
    }
    push(&["-T", "-e", "none"]);
    // The terminal is the application's: a question of ssh's there is one that nobody expects, or sees.
    push(&["-o", "BatchMode=yes"]);
    if ssh.no_verify {
        push(&["-o", "StrictHostKeyChecking=no"]);
    }
    push(&["--", &ssh.host]);
    words.push(remote);
    words
}

/// What connects standard input and output with the daemon, over there.
fn script(ssh: &Ssh, name: &str) -> Result<String> {
    match (ssh.proxy, &ssh.socket) {
        (Proxy::Native, _) => helper(ssh.daemon, name),
        // libvirt's helper knows the usual sockets alone.
        (Proxy::Netcat, _) | (Proxy::Auto, Some(_)) => netcat(ssh),
        // Where the sockets of a session are netcat would have to be told.
        (Proxy::Auto, None) if ssh.daemon.session => helper(ssh.daemon, name),
        (Proxy::Auto, None) => {
            let (helper, netcat) = (helper(ssh.daemon, name)?, netcat(ssh)?);
            Ok(format!("if command -v virt-ssh-helper >/dev/null 2>&1; then {helper}; else {netcat}; fi"))
        }
    }
}

/// libvirt's own program for this. It takes what the daemon is to open for a hint which daemon that is.
fn helper(daemon: Daemon, name: &str) -> Result<String> {
    let name = name.split('#').next().unwrap_or_default();
    let parameters = if name.contains('?') { '&' } else { '?' };
    let uri = match daemon.mode {
        Mode::Auto => name.to_owned(),
        Mode::Direct => format!("{name}{parameters}mode=direct"),
        Mode::Legacy => format!("{name}{parameters}mode=legacy"),
    };
    Ok(format!("exec virt-ssh-helper {}", word("what the daemon is to open", &uri)?))
}

/// netcat. Some only end with their input if they are told to (`-q0`), and others do not know that option.
fn netcat(ssh: &Ssh) -> Result<String> {
    let netcat = word("the parameter netcat", ssh.netcat.as_deref().unwrap_or("nc"))?;
    let socket = match &ssh.socket {
        Some(socket) => word("the parameter socket", socket)?,
        None if ssh.daemon.session => {
            let text = "where the session's daemon listens on the other machine is not known: give it by socket=";
            return Err(Error::new(Code::InvalidArgument, text));
        }
        None => word("the socket", &place::of_the_system(ssh.daemon.mode))?,
    };
    Ok(format!(
        "if LC_ALL=C {netcat} -q </dev/null 2>&1 | grep 'requires an argument' >/dev/null; then Q=-q0; else Q=; fi; \
         exec {netcat} $Q -U {socket}"
    ))
}

/// A word for the script, quoted, or an error if it is one that no login shell can be trusted with.
fn word(what: &str, text: &str) -> Result<String> {
    // A program takes a leading dash for an option. csh ends a quotation at the end of the line, and fish takes a
    // backslash in one for more than a backslash.
    let odd = |c: char| c.is_control() || c == '\\';
    if text.starts_with('-') || text.contains(odd) {
        let text = text.escape_default();
        let text = format!("{what} is \"{text}\": no leading dash, control characters or backslashes over ssh");
        return Err(Error::new(Code::InvalidArgument, text));
    }
    Ok(quoted(text))
}

/// In single quotes, in which a shell takes everything for itself; a single quote stands in double ones. Without a
/// backslash, so that what was quoted can be quoted again for any shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
