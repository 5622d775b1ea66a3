//! Target strings: where a monitor is, as the user writes it.
//!
//! | string | meaning |
//! |---|---|
//! | `unix:PATH` | a UNIX socket; all that follows the colon is the path |
//! | `unix:@NAME` | a UNIX socket in Linux's abstract namespace |
//! | `tcp:HOST:PORT` | a TCP socket; an IPv6 address stands in brackets |
//! | `fd:N` | a connected stream socket that the caller has open |
//! | `qemu[+TRANSPORT]://…#DOMAIN` | a domain of a libvirt daemon's; see [`uri`] |
//! | `ALIAS#DOMAIN`, `#DOMAIN` | the same, at the URI that libvirt's configuration has for the alias, or for none |
//! | `virsh:URI#DOMAIN` | the same through the program virsh |

pub mod conf;
pub mod uri;

use memchr::memchr;

use crate::error::{Code, Error, Result};
use crate::proto::libvirt::Wanted;
use uri::Uri;

/// The longest path or abstract name: `sun_path` has 108 bytes, one of which is the NUL (unix(7)).
const MAX_UNIX_PATH: usize = 107;

/// What a target may be.
const EXPECTED: &str = "expected unix:PATH, unix:@NAME, tcp:HOST:PORT, fd:N, a libvirt URI with a domain \
                        (qemu:///system#DOMAIN), or virsh:URI#DOMAIN";

/// Where a monitor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// QEMU's own monitor socket.
    Socket(Endpoint),
    /// A domain, or the hypervisor, of a libvirt daemon.
    Libvirt(Box<Uri>),
    /// A domain at the URI that this alias stands for; an empty one stands for the default.
    Configured(Box<str>, Wanted),
    /// What virsh reaches.
    Virsh(Box<Virsh>),
}

/// A domain, or the hypervisor, that virsh reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Virsh {
    /// The URI for virsh; if it is empty virsh decides.
    pub uri: Box<str>,
    /// The domain, unless the hypervisor itself is meant.
    pub domain: Option<Wanted>,
}

/// A stream socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A path in the file system.
    Unix(Box<str>),
    /// A name in Linux's abstract namespace, without the leading NUL.
    Abstract(Box<str>),
    /// A host (name or address, without brackets) and a port.
    Tcp(Box<str>, u16),
    /// A descriptor of the caller.
    Fd(i32),
}

impl Target {
    /// Does it lead to a libvirt daemon, spoken to by libvirt's own protocol?
    pub fn is_libvirt(&self) -> bool {
        matches!(self, Target::Libvirt(_) | Target::Configured(..))
    }

    /// Reads a target string; an error says what was expected.
    pub fn parse(text: &str) -> Result<Target> {
        let named = |why: &str| format!("target \"{text}\": {why}");
        let told = |why: Error| Error::new(why.code(), named(&why.to_string()));
        if let Some(path) = text.strip_prefix("unix:") {
            let unix = parse_unix(path).map(Target::Socket);
            return unix.map_err(|why| Error::new(Code::InvalidArgument, named(&why)));
        }
        if let Some(rest) = text.strip_prefix("virsh:") {
            let (uri, fragment) = rest.split_once('#').map_or((rest, None), |(uri, domain)| (uri, Some(domain)));
            let domain = fragment.map(uri::domain).transpose().map_err(told)?;
            return Ok(Target::Virsh(Box::new(Virsh { uri: uri.into(), domain })));
        }
        if Uri::is_meant(text) {
            return Uri::parse(text).map(|uri| Target::Libvirt(Box::new(uri))).map_err(told);
        }
        if let Some((alias, fragment)) = text.split_once('#').filter(|(alias, _)| conf::is_alias(alias)) {
            return Ok(Target::Configured(alias.into(), uri::domain(fragment).map_err(told)?));
        }
        let endpoint = match text.split_once(':') {
            Some(("tcp", address)) => parse_tcp(address),
            Some(("fd", number)) => parse_fd(number),
            _ => Err(EXPECTED.to_owned()),
        };
        endpoint.map(Target::Socket).map_err(|why| Error::new(Code::InvalidArgument, named(&why)))
    }
}

fn parse_unix(path: &str) -> std::result::Result<Endpoint, String> {
    let (name, is_abstract) = path.strip_prefix('@').map_or((path, false), |name| (name, true));
    if name.is_empty() {
        return Err("the path is empty".to_owned());
    }
    if memchr(0, name.as_bytes()).is_some() {
        return Err("the path contains a NUL".to_owned());
    }
    if name.len() > MAX_UNIX_PATH {
        return Err(format!("the path has {} bytes, a UNIX socket's at most {MAX_UNIX_PATH}", name.len()));
    }
    Ok(if is_abstract { Endpoint::Abstract(name.into()) } else { Endpoint::Unix(name.into()) })
}

fn parse_tcp(address: &str) -> std::result::Result<Endpoint, String> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once("]:").ok_or("expected tcp:[ADDRESS]:PORT")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(format!("\"{host}\" in brackets is not an IPv6 address"));
            }
            (host, port)
        }
        None => address.rsplit_once(':').ok_or("expected tcp:HOST:PORT, the port is missing")?,
    };
    if host.is_empty() {
        return Err("the host is empty".to_owned());
    }
    if !address.starts_with('[') && host.contains(':') {
        return Err("an IPv6 address stands in brackets: tcp:[::1]:4444".to_owned());
    }
    if host.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/') {
        return Err(format!("\"{}\" is not a host name", host.escape_default()));
    }
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number != 0 => Ok(Endpoint::Tcp(host.into(), number)),
        _ => Err(format!("the port is \"{port}\", expected a number from 1 to 65535")),
    }
}

fn parse_fd(number: &str) -> std::result::Result<Endpoint, String> {
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    match number.parse::<i32>() {
        Ok(fd) if digits => Ok(Endpoint::Fd(fd)),
        _ => Err(format!("\"{number}\" is not the number of a descriptor")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_targets() {
        let long = "p".repeat(107);
        let table = [
            ("unix:/run/vm.qmp", Endpoint::Unix("/run/vm.qmp".into())),
            ("unix:a:b c#d", Endpoint::Unix("a:b c#d".into())),
            ("unix:./@x", Endpoint::Unix("./@x".into())),
            ("unix:@vm", Endpoint::Abstract("vm".into())),
            ("tcp:localhost:4444", Endpoint::Tcp("localhost".into(), 4444)),
            ("tcp:10.0.0.1:65535", Endpoint::Tcp("10.0.0.1".into(), 65535)),
            ("tcp:[::1]:1", Endpoint::Tcp("::1".into(), 1)),
            ("fd:7", Endpoint::Fd(7)),
            ("fd:0", Endpoint::Fd(0)),
        ];
        for (text, endpoint) in table {
            assert_eq!(Target::parse(text).unwrap(), Target::Socket(endpoint), "{text}");
        }
        assert!(Target::parse(&format!("unix:{long}")).is_ok());
        assert!(Target::parse(&format!("unix:@{long}")).is_ok());
    }

    #[test]
    fn bad_targets_say_what_is_wrong() {
        let table = [
            ("", "expected unix:PATH"),
            ("/run/vm.qmp", "expected unix:PATH"),
            ("http://x", "expected unix:PATH"),
            ("virsh:qemu:///system#", "is empty"),
            ("#", "is empty"),
            ("alias#%", "%25"),
            ("ali.as#x", "expected unix:PATH"),
            ("virsh:qemu:///system#%", "%25"),
            ("Unix:/x", "expected unix:PATH"),
            ("unix:", "empty"),
            ("unix:@", "empty"),
            ("tcp:", "the port is missing"),
            ("tcp:host", "the port is missing"),
            ("tcp::1", "the host is empty"),
            ("tcp:host:", "from 1 to 65535"),
            ("tcp:host:0", "from 1 to 65535"),
            ("tcp:host:65536", "from 1 to 65535"),
            ("tcp:host:+1", "from 1 to 65535"),
            ("tcp:host:4444/", "from 1 to 65535"),
            ("tcp:::1:4444", "brackets"),
            ("tcp:[::1]", "expected tcp:[ADDRESS]:PORT"),
            ("tcp:[host]:1", "not an IPv6 address"),
            ("tcp:a b:1", "not a host name"),
            ("fd:", "not the number"),
            ("fd:-1", "not the number"),
            ("fd:7x", "not the number"),
            ("fd:99999999999", "not the number"),
        ];
        for (text, why) in table {
            let error = Target::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
        let error = Target::parse(&format!("unix:{}", "p".repeat(108))).unwrap_err();
        assert!(error.to_string().contains("108 bytes"), "{error}");
    }
}
