//! How a daemon is reached: the part of a libvirt URI that never leaves this machine.

use super::parameters::Parameters;
use super::{invalid, socket_path};
use crate::error::{Code, Error, Result};

/// The port of libvirt's daemons for plain TCP.
const TCP_PORT: u16 = 16509;
/// Their port for TLS.
const TLS_PORT: u16 = 16514;

/// How a daemon is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A UNIX socket at this path.
    UnixAt(Box<str>),
    /// The daemon's usual UNIX socket.
    Unix(Daemon),
    /// TCP, in clear text.
    Tcp(Box<str>, u16),
    /// TLS over TCP.
    Tls(Tls),
    /// The program ssh, to a program on the other machine.
    Ssh(Ssh),
    /// A program of the user's.
    Ext(Box<str>),
}

/// Which daemon of a machine is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The user's own, rather than the system's.
    pub session: bool,
    /// Which of those that there are.
    pub mode: Mode,
}

/// The parameter `mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The daemon for QEMU alone, or else the one for everything.
    Auto,
    /// The daemon for QEMU alone, `virtqemud`.
    Direct,
    /// The daemon for everything, `libvirtd`, or who stands in for it.
    Legacy,
}

/// What TLS needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The host, which is also who the certificate has to be for.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// A folder that has all files; without it they are where libvirt has them.
    pub pkipath: Option<Box<str>>,
    /// Take any certificate.
    pub no_verify: bool,
}

/// What the program ssh is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// The user there.
    pub user: Option<Box<str>>,
    /// The host, as ssh takes it.
    pub host: Box<str>,
    /// The port, if it is not ssh's own choice.
    pub port: Option<u16>,
    /// Another program in its place.
    pub command: Option<Box<str>>,
    /// The private key.
    pub keyfile: Option<Box<str>>,
    /// Take any host key.
    pub no_verify: bool,
    /// Ask nobody for a password; nobody is asked without it either.
    pub no_tty: bool,
    /// What passes the bytes on, on the other machine.
    pub proxy: Proxy,
    /// The program netcat there.
    pub netcat: Option<Box<str>>,
    /// The daemon's socket there.
    pub socket: Option<Box<str>>,
    /// The daemon there.
    pub daemon: Daemon,
}

/// The parameter `proxy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// libvirt's helper if it is there, else netcat.
    Auto,
    /// netcat.
    Netcat,
    /// libvirt's helper, virt-ssh-helper.
    Native,
}

/// Reads the scheme, the authority and the parameters.
pub(super) fn read(scheme: &str, authority: &str, path: &str, parameters: &Parameters<'_>) -> Result<Transport> {
    let wanted = scheme.strip_prefix("qemu+").map(str::to_ascii_lowercase);
    let (user, host, port) = authority_of(authority)?;
    let kind = match (wanted.as_deref(), host) {
        (Some(kind), _) => kind,
        (None, None) => "unix",
        (None, Some(_)) => "tls",
    };
    let modes = [("auto", Mode::Auto), ("direct", Mode::Direct), ("legacy", Mode::Legacy)];
    let daemon = Daemon { session: path == "/session", mode: parameters.choice("mode", &modes)? };
    let name = || host.unwrap_or("localhost").into();
    match kind {
        "unix" if host.is_some() || port.is_some() || user.is_some() => {
            Err(invalid(format!("a UNIX socket has no host, found \"{authority}\"")))
        }
        "unix" => Ok(match socket_path(parameters)? {
            Some(path) => Transport::UnixAt(path),
            None => Transport::Unix(daemon),
        }),
        "tcp" | "tls" if daemon.mode == Mode::Direct => {
            Err(invalid(format!("mode=direct is for UNIX sockets: no daemon for QEMU alone listens on {kind}")))
        }
        "tcp" => Ok(Transport::Tcp(name(), port.unwrap_or(TCP_PORT))),
        "tls" => Ok(Transport::Tls(Tls {
            host: name(),
            port: port.unwrap_or(TLS_PORT),
            pkipath: parameters.some("pkipath")?,
            no_verify: parameters.switch("no_verify")?,
        })),
        "ssh" => ssh(user, name(), port, daemon, parameters).map(Transport::Ssh),
        "ext" => match parameters.some("command")? {
            Some(command) => Ok(Transport::Ext(command)),
            None => Err(invalid("the transport ext needs the parameter command")),
        },
        "libssh" | "libssh2" => {
            let text = format!("the transport {kind} is another implementation of ssh; use qemu+ssh");
            Err(Error::new(Code::Unsupported, text))
        }
        other => Err(invalid(format!("there is no transport \"{other}\", expected unix, tcp, tls, ssh or ext"))),
    }
}

fn ssh(
    user: Option<&str>,
    host: Box<str>,
    port: Option<u16>,
    daemon: Daemon,
    parameters: &Parameters<'_>,
) -> Result<Ssh> {
    let proxies = [("auto", Proxy::Auto), ("netcat", Proxy::Netcat), ("native", Proxy::Native)];
    let (mut proxy, netcat) = (parameters.choice("proxy", &proxies)?, parameters.some("netcat")?);
    if netcat.is_some() {
        if proxy == Proxy::Native {
            return Err(invalid("the parameter netcat contradicts proxy=native"));
        }
        proxy = Proxy::Netcat;
    }
    let socket = socket_path(parameters)?;
    if socket.is_some() && proxy == Proxy::Native {
        // It would silently connect to another daemon.
        return Err(invalid("the parameter socket contradicts proxy=native: libvirt's helper takes no socket"));
    }
    // None of these reaches a shell; still, nobody has such names but who wants to try what happens.
    for (what, text) in [("host", Some(&*host)), ("user", user)] {
        let text = text.unwrap_or("x");
        let odd = |c: char| c.is_whitespace() || c.is_control() || "'`\"$\\;&<>|(){}".contains(c);
        if text.starts_with('-') || text.contains(odd) {
            return Err(invalid(format!("the {what} \"{}\" is none for ssh", text.escape_default())));
        }
    }
    Ok(Ssh {
        user: user.map(Box::from),
        host,
        port,
        command: parameters.some("command")?,
        keyfile: parameters.some("keyfile")?,
        no_verify: parameters.switch("no_verify")?,
        no_tty: parameters.switch("no_tty")?,
        proxy,
        netcat,
        socket,
        daemon,
    })
}

type Authority<'a> = (Option<&'a str>, Option<&'a str>, Option<u16>);

/// The user, the host without brackets, and the port.
fn authority_of(authority: &str) -> Result<Authority<'_>> {
    let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or_else(|| invalid("a ] is missing behind the address"))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(invalid(format!("\"{host}\" in brackets is not an IPv6 address")));
            }
            match behind.strip_prefix(':') {
                None if !behind.is_empty() => return Err(invalid(format!("\"{behind}\" stands behind the address"))),
                port => (host, port),
            }
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let unusual = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '%' | '"' | '\'' | '\\' | '<' | '>');
    for text in [host, user.unwrap_or_default()] {
        if text.contains(unusual) {
            return Err(invalid(format!("\"{}\" is not the name of a host or a user", text.escape_default())));
        }
    }
    let port = match port {
        None | Some("") => None,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number != 0 && port.bytes().all(|b| b.is_ascii_digit()) => Some(number),
            _ => return Err(invalid(format!("the port is \"{port}\", expected a number from 1 to 65535"))),
        },
    };
    Ok((user, Some(host).filter(|host| !host.is_empty()), port))
}
