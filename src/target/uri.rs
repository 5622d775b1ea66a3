//! libvirt's URIs (libvirt: docs/uri): how a daemon is reached, what it is to open, and which domain is meant.
//!
//! `qemu[+TRANSPORT]://[HOST[:PORT]]/PATH[?PARAMETERS][#DOMAIN]`. What tells how to reach the daemon is taken out: a daemon that
//! was given it would connect on its own account.

use crate::error::{Code, Error, Result};
use crate::proto::libvirt::Wanted;

use super::MAX_UNIX_PATH;

/// The port of libvirt's daemons for plain TCP.
const TCP_PORT: u16 = 16509;

/// A libvirt URI with the domain that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// The URI without the domain: monitors for which it is equal may share a link.
    pub link: Box<str>,
    /// How the daemon is reached.
    pub transport: Transport,
    /// What the daemon is to open.
    pub name: Box<str>,
    /// The domain, unless the hypervisor itself is meant.
    pub domain: Option<Wanted>,
}

/// How a daemon is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A UNIX socket at this path.
    UnixAt(Box<str>),
    /// The daemon's usual UNIX socket.
    Unix {
        /// The user's own daemon, rather than the system's.
        session: bool,
        /// Which daemons are meant.
        mode: Mode,
    },
    /// TCP, in clear text.
    Tcp(Box<str>, u16),
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

/// Parameters that are for the client. Only some of them mean something for the transports that there are.
const OWN: [&str; 18] = [
    "name",
    "socket",
    "mode",
    "auth",
    "authfile",
    "command",
    "netcat",
    "proxy",
    "keyfile",
    "no_verify",
    "no_tty",
    "no_sanity",
    "tls_priority",
    "pkipath",
    "sshauth",
    "known_hosts",
    "known_hosts_verify",
    "tls_hostname",
];

impl Uri {
    /// Is this a libvirt URI, good or bad?
    pub fn is_meant(text: &str) -> bool {
        text.split_once("://").is_some_and(|(scheme, _)| scheme == "qemu" || scheme.starts_with("qemu+"))
    }

    /// Reads a URI; an error says what was expected.
    pub fn parse(text: &str) -> Result<Uri> {
        let (link, fragment) = text.split_once('#').map_or((text, None), |(link, domain)| (link, Some(domain)));
        let (scheme, rest) = link.split_once("://").unwrap_or((link, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let parameters = Parameters::parse(query)?;
        let transport = transport(scheme, authority, path, &parameters)?;
        let name = match parameters.get("name") {
            Some(name) => name.to_owned(),
            None if matches!(path, "/system" | "/session") => {
                let rest = parameters.for_the_daemon();
                if rest.is_empty() { format!("qemu://{path}") } else { format!("qemu://{path}?{rest}") }
            }
            None => return Err(invalid(format!("the path is \"{path}\", expected /system or /session"))),
        };
        if name.contains('\0') {
            return Err(invalid("the parameter name contains a NUL"));
        }
        let domain = fragment.map(domain).transpose()?;
        Ok(Uri { link: link.into(), transport, name: name.into(), domain })
    }
}

fn transport(scheme: &str, authority: &str, path: &str, parameters: &Parameters) -> Result<Transport> {
    let wanted = scheme.strip_prefix("qemu+").map(str::to_ascii_lowercase);
    let (host, port) = host_and_port(authority)?;
    let kind = match (wanted.as_deref(), host) {
        (Some(kind), _) => kind,
        (None, None) => "unix",
        (None, Some(_)) => "tls",
    };
    let mode = match parameters.get("mode").unwrap_or("auto") {
        "auto" => Mode::Auto,
        "direct" => Mode::Direct,
        "legacy" => Mode::Legacy,
        other => return Err(invalid(format!("the parameter mode is \"{other}\", expected auto, direct or legacy"))),
    };
    match kind {
        "unix" => {
            if host.is_some() || port.is_some() {
                return Err(invalid(format!("a UNIX socket has no host, found \"{authority}\"")));
            }
            let Some(socket) = parameters.get("socket") else {
                return Ok(Transport::Unix { session: path == "/session", mode });
            };
            let ill = match socket.len() {
                0 => Some("the socket's path is empty".to_owned()),
                _ if socket.contains('\0') => Some("the socket's path contains a NUL".to_owned()),
                len if len > MAX_UNIX_PATH => {
                    Some(format!("the socket's path has {len} bytes, a UNIX socket's at most {MAX_UNIX_PATH}"))
                }
                _ => None,
            };
            ill.map_or_else(|| Ok(Transport::UnixAt(socket.into())), |why| Err(invalid(why)))
        }
        "tcp" if mode == Mode::Direct => {
            Err(invalid("mode=direct is for UNIX sockets: no daemon for QEMU alone listens on TCP"))
        }
        "tcp" => Ok(Transport::Tcp(host.unwrap_or("localhost").into(), port.unwrap_or(TCP_PORT))),
        "tls" | "ssh" | "libssh" | "libssh2" | "ext" => {
            let text = format!("the transport {kind} is not there yet; this version has unix and tcp");
            Err(Error::new(Code::Unsupported, text))
        }
        other => Err(invalid(format!("there is no transport \"{other}\", expected unix or tcp"))),
    }
}

/// The host without brackets, and the port. A user before the host plays no part without ssh and SASL.
fn host_and_port(authority: &str) -> Result<(Option<&str>, Option<u16>)> {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.strip_prefix('[') {
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
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let unusual = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '%' | '"' | '\'' | '\\' | '<' | '>');
    if host.contains(unusual) {
        return Err(invalid(format!("\"{}\" is not a host name", host.escape_default())));
    }
    let port = match port {
        None | Some("") => None,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number != 0 && port.bytes().all(|b| b.is_ascii_digit()) => Some(number),
            _ => return Err(invalid(format!("the port is \"{port}\", expected a number from 1 to 65535"))),
        },
    };
    Ok((Some(host).filter(|host| !host.is_empty()), port))
}

/// The parameters behind the question mark.
struct Parameters<'a> {
    /// Each as it was written, its name, its value.
    list: Vec<(&'a str, String, String)>,
}

impl<'a> Parameters<'a> {
    fn parse(query: &'a str) -> Result<Self> {
        let mut list = Vec::new();
        for raw in query.split(['&', ';']).filter(|raw| !raw.is_empty()) {
            let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
            list.push((raw, text(name)?.to_ascii_lowercase(), text(value)?));
        }
        Ok(Parameters { list })
    }

    /// The value of a parameter of ours; the last one counts.
    fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().rev().find(|(_, known, _)| known == name).map(|(_, _, value)| value.as_str())
    }

    /// What is not for the client.
    fn for_the_daemon(&self) -> String {
        let rest: Vec<_> = self.list.iter().filter(|(_, name, _)| !OWN.contains(&name.as_str())).map(|p| p.0).collect();
        rest.join("&")
    }
}

/// The domain that a fragment names. `id:N` asks for an id; a domain of that name is written with its colon as `%3A`.
pub(super) fn domain(fragment: &str) -> Result<Wanted> {
    let id = fragment.strip_prefix("id:").filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if let Some(number) = id {
        let id = number.parse().map_err(|_| invalid(format!("the domain's id is {number}, which is too large")))?;
        return Ok(Wanted::Id(id));
    }
    let name = decode(fragment)?;
    if name.is_empty() {
        return Err(invalid("the domain's name behind the # is empty"));
    }
    if name.contains(&0) {
        return Err(invalid("the domain's name contains a NUL"));
    }
    Ok(Wanted::Name(name.into()))
}

fn text(raw: &str) -> Result<String> {
    String::from_utf8(decode(raw)?).map_err(|_| invalid(format!("\"{raw}\" is not UTF-8 once it is decoded")))
}

/// Percent-decoding (RFC 3986, section 2.1). A plus sign is a plus sign.
fn decode(raw: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digit = |at: usize| behind.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(invalid(format!(
                "a % in \"{raw}\" is not followed by two hexadecimal digits; itself it is %25"
            )));
        };
        out.push((high * 16 + low) as u8);
        rest = &behind[2..];
    }
    Ok(out)
}

fn invalid(why: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<Wanted> {
        Some(Wanted::Name(text.as_bytes().into()))
    }

    #[test]
    fn good_uris() {
        let usual = |session, mode| Transport::Unix { session, mode };
        let tcp = |host: &str, port| Transport::Tcp(host.into(), port);
        let at = |path: &str| Transport::UnixAt(path.into());
        let table = [
            ("qemu:///system#web-1", usual(false, Mode::Auto), "qemu:///system", name("web-1")),
            ("qemu:///session", usual(true, Mode::Auto), "qemu:///session", None),
            ("qemu+UNIX:///system?Mode=legacy#a", usual(false, Mode::Legacy), "qemu:///system", name("a")),
            ("qemu+unix:///system?mode=legacy;mode=direct#a", usual(false, Mode::Direct), "qemu:///system", name("a")),
            ("qemu+unix:///session?socket=/a%20b/c+d#7", at("/a b/c+d"), "qemu:///session", name("7")),
            ("qemu+unix:///system?foo=bar&socket=s&x=%41#-x", at("s"), "qemu:///system?foo=bar&x=%41", name("-x")),
            ("qemu+tcp://h/system#a b'c", tcp("h", 16509), "qemu:///system", name("a b'c")),
            ("qemu+tcp://u@h:1/system#a%20b%27c", tcp("h", 1), "qemu:///system", name("a b'c")),
            ("qemu+tcp://[::1]:2/session#%C3%A9", tcp("::1", 2), "qemu:///session", name("é")),
            ("qemu+tcp:///system#x#y", tcp("localhost", 16509), "qemu:///system", name("x#y")),
            ("qemu:///system#id:7", usual(false, Mode::Auto), "qemu:///system", Some(Wanted::Id(7))),
            ("qemu:///system#id%3A7", usual(false, Mode::Auto), "qemu:///system", name("id:7")),
            ("qemu:///system#id:x", usual(false, Mode::Auto), "qemu:///system", name("id:x")),
            ("qemu+tcp://h/?name=qemu:///system", tcp("h", 16509), "qemu:///system", None),
        ];
        for (text, transport, open, domain) in table {
            let uri = Uri::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!((uri.transport, &*uri.name, uri.domain), (transport, open, domain), "{text}");
            assert_eq!(&*uri.link, text.split('#').next().unwrap());
        }
        assert_eq!(Uri::parse("qemu:///system#%FF").unwrap().domain, Some(Wanted::Name([0xff].into())));
    }

    #[test]
    fn bad_uris_say_what_is_wrong() {
        let long = format!("qemu+unix:///system?socket=/{}#a", "p".repeat(107));
        let table = [
            ("qemu:///", "expected /system or /session"),
            ("qemu+unix:///embed?root=/x#a", "expected /system or /session"),
            ("qemu+unix://host/system#a", "no host"),
            ("qemu+unix://:1/system#a", "no host"),
            ("qemu+udp://h/system#a", "no transport \"udp\""),
            ("qemu+://h/system#a", "no transport \"\""),
            ("qemu+tcp://h:0/system#a", "the port is \"0\""),
            ("qemu+tcp://h:65536/system#a", "the port"),
            ("qemu+tcp://h:+1/system#a", "the port"),
            ("qemu+tcp://[::1/system#a", "a ] is missing"),
            ("qemu+tcp://[::1]x/system#a", "behind the address"),
            ("qemu+tcp://[h]/system#a", "not an IPv6 address"),
            ("qemu+tcp://a b/system#a", "not a host name"),
            ("qemu+tcp://h/system?mode=direct#a", "mode=direct"),
            ("qemu:///system?mode=fast#a", "the parameter mode is \"fast\""),
            ("qemu+unix:///system?socket=#a", "path is empty"),
            ("qemu+unix:///system?socket=a%00b#a", "NUL"),
            (&long, "108 bytes"),
            ("qemu:///system#", "is empty"),
            ("qemu:///system#a%00b", "NUL"),
            ("qemu:///system#100%", "%25"),
            ("qemu:///system#%zz", "%25"),
            ("qemu:///system#id:99999999999", "too large"),
        ];
        for (text, part) in table {
            let error = Uri::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{text}");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
        for text in ["qemu://host/system#a", "qemu+tls://h/system", "qemu+ssh://h/system#a", "qemu+ext:///system#a"] {
            assert_eq!(Uri::parse(text).unwrap_err().code(), Code::Unsupported, "{text}");
        }
    }
}
