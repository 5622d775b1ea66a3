//! libvirt's URIs (libvirt: docs/uri): how a daemon is reached, what it is to open, and which domain is meant.
//!
//! `qemu[+TRANSPORT]://[HOST[:PORT]]/PATH[?PARAMETERS][#DOMAIN]`. What tells how to reach the daemon is taken out: a daemon that
//! was given it would connect on its own account.

mod parameters;
pub mod programs;
pub mod transport;

use super::MAX_UNIX_PATH;
use crate::error::{Code, Error, Result};
use crate::proto::libvirt::Wanted;
use parameters::{Parameters, decode};
use transport::Transport;

/// A libvirt URI with the domain that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// The URI without the domain: monitors for which it is equal may share a link.
    pub link: Box<str>,
    /// How the daemon is reached.
    pub transport: Transport,
    /// What the daemon is to open.
    pub name: Box<str>,
    /// How to log in, if the daemon is not to choose.
    pub auth: Option<Auth>,
    /// A file of credentials.
    pub authfile: Option<Box<str>>,
    /// The domain, unless the hypervisor itself is meant.
    pub domain: Option<Wanted>,
}

/// The parameter `auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// SASL, by this mechanism if one is named.
    Sasl(Option<Box<str>>),
    /// polkit.
    Polkit,
}

impl Uri {
    /// Is this a libvirt URI, good or bad?
    pub fn is_meant(text: &str) -> bool {
        let scheme = text.starts_with("qemu").then(|| text.split_once("://")).flatten();
        scheme.is_some_and(|(scheme, _)| scheme == "qemu" || scheme.starts_with("qemu+"))
    }

    /// Reads a URI that is configured for a name, or for none, and may be any hypervisor's: an error names it.
    pub fn configured(text: &str) -> Result<Uri> {
        if !Uri::is_meant(text) {
            return Err(invalid(format!(
                "\"{text}\" is configured, expected a URI of libvirt's for QEMU, qemu[+TRANSPORT]://…"
            )));
        }
        Uri::parse(text).map_err(|why| Error::new(why.code(), format!("\"{text}\" is configured: {why}")))
    }

    /// Reads a URI; an error says what was expected.
    pub fn parse(text: &str) -> Result<Uri> {
        let (link, fragment) = text.split_once('#').map_or((text, None), |(link, domain)| (link, Some(domain)));
        let (scheme, rest) = link.split_once("://").unwrap_or((link, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let parameters = Parameters::parse(query)?;
        let transport = transport::read(scheme, authority, path, &parameters)?;
        let name = match parameters.get("name") {
            Some(name) => name.to_owned(),
            None if matches!(path, "/system" | "/session") => {
                let rest = parameters.for_the_daemon();
                if rest.is_empty() { format!("qemu://{path}") } else { format!("qemu://{path}?{rest}") }
            }
            None => return Err(invalid(format!("the path is \"{path}\", expected /system or /session"))),
        };
        let domain = fragment.map(domain).transpose()?;
        let (auth, authfile) = (auth(&parameters)?, parameters.some("authfile")?);
        Ok(Uri { link: link.into(), transport, name: name.into(), auth, authfile, domain })
    }
}

fn auth(parameters: &Parameters<'_>) -> Result<Option<Auth>> {
    Ok(Some(match parameters.get("auth") {
        None => return Ok(None),
        Some("polkit") => Auth::Polkit,
        Some("sasl") => Auth::Sasl(None),
        Some(other) => match other.strip_prefix("sasl.").filter(|mechanism| !mechanism.is_empty()) {
            Some(mechanism) => Auth::Sasl(Some(mechanism.into())),
            None => {
                let text = format!("the parameter auth is \"{other}\", expected polkit, sasl or sasl.MECHANISM");
                return Err(invalid(text));
            }
        },
    }))
}

/// The parameter `socket`, which has to fit into an address.
fn socket_path(parameters: &Parameters<'_>) -> Result<Option<Box<str>>> {
    let socket = parameters.some("socket")?;
    match socket.as_ref().map_or(0, |path| path.len()) {
        len if len > MAX_UNIX_PATH => {
            let text = format!("the socket's path has {len} bytes, a UNIX socket's at most {MAX_UNIX_PATH}");
            Err(invalid(text))
        }
        _ => Ok(socket),
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

fn invalid(why: impl Into<String>) -> Error {
    Error::new(Code::InvalidArgument, why)
}

#[cfg(test)]
mod tests {
    use super::transport::{Daemon, Mode, Proxy, Ssh, Tls};
    use super::*;

    fn name(text: &str) -> Option<Wanted> {
        Some(Wanted::Name(text.as_bytes().into()))
    }

    #[test]
    fn what_is_configured_must_be_qemus() {
        assert_eq!(Uri::configured("qemu:///system").unwrap(), Uri::parse("qemu:///system").unwrap());
        for text in [
            "lxc:///",
            "xen+ssh://h/system",
            "nonsense+ext:///system?command=/x",
            "test:///default",
            "QEMU:///system",
            "qemux:///system",
            "garbage",
            "virsh:qemu:///system",
        ] {
            let why = Uri::configured(text).unwrap_err();
            let named = format!("\"{text}\" is configured, expected a URI of libvirt's for QEMU");
            assert!(why.code() == Code::InvalidArgument && why.to_string().contains(&named), "{why}");
        }
        let why = Uri::configured("qemu+nonsense:///system").unwrap_err().to_string();
        assert!(why.contains("\"qemu+nonsense:///system\" is configured") && why.contains("expected unix"), "{why}");
    }

    #[test]
    fn good_uris() {
        let usual = |session, mode| Transport::Unix(Daemon { session, mode });
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
            ("qemu+tcp://a b/system#a", "not the name of a host"),
            ("qemu+tcp://h/system?mode=direct#a", "mode=direct"),
            ("qemu:///system?mode=fast#a", "the parameter mode is \"fast\""),
            ("qemu+unix:///system?socket=#a", "socket is empty"),
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
        for text in ["qemu+libssh://h/system", "qemu+libssh2://h/system#a"] {
            let error = Uri::parse(text).unwrap_err();
            assert!(error.code() == Code::Unsupported && error.to_string().contains("qemu+ssh"), "{error}");
        }
    }

    #[test]
    fn remote_uris() {
        let tls = |host: &str, port, pkipath: Option<&str>, no_verify| {
            Transport::Tls(Tls { host: host.into(), port, pkipath: pkipath.map(Box::from), no_verify })
        };
        let daemon = Daemon { session: false, mode: Mode::Auto };
        let ssh = Ssh {
            user: None,
            host: "h".into(),
            port: None,
            command: None,
            keyfile: None,
            no_verify: false,
            no_tty: false,
            proxy: Proxy::Auto,
            netcat: None,
            socket: None,
            daemon,
        };
        let table = [
            ("qemu://h/system#a", tls("h", 16514, None, false)),
            ("qemu+tls://[::1]:7/system?pkipath=/p&no_verify=1", tls("::1", 7, Some("/p"), true)),
            ("qemu+tls:///system?no_verify=0", tls("localhost", 16514, None, false)),
            ("qemu+ssh://h/system", Transport::Ssh(ssh.clone())),
            (
                "qemu+SSH://u@h:22/session?no_tty=1&no_verify=1&keyfile=/k&command=/c&netcat=/n&socket=/s&mode=legacy",
                Transport::Ssh(Ssh {
                    user: Some("u".into()),
                    port: Some(22),
                    command: Some("/c".into()),
                    keyfile: Some("/k".into()),
                    no_verify: true,
                    no_tty: true,
                    proxy: Proxy::Netcat,
                    netcat: Some("/n".into()),
                    socket: Some("/s".into()),
                    daemon: Daemon { session: true, mode: Mode::Legacy },
                    ..ssh.clone()
                }),
            ),
            ("qemu+ssh://h/system?proxy=native", Transport::Ssh(Ssh { proxy: Proxy::Native, ..ssh })),
            ("qemu+ext:///system?command=/c", Transport::Ext("/c".into())),
        ];
        for (text, transport) in table {
            assert_eq!(Uri::parse(text).unwrap_or_else(|why| panic!("{text}: {why}")).transport, transport, "{text}");
        }
        let sasl = |mechanism: Option<&str>| Some(Auth::Sasl(mechanism.map(Box::from)));
        for (text, auth) in [("polkit", Some(Auth::Polkit)), ("sasl", sasl(None)), ("sasl.PLAIN", sasl(Some("PLAIN")))]
        {
            assert_eq!(Uri::parse(&format!("qemu:///system?auth={text}")).unwrap().auth, auth);
        }
    }

    #[test]
    fn hostile_uris_are_refused() {
        let table = [
            "qemu+ssh://-oProxyCommand=x/system",
            "qemu+ssh://u@-h/system",
            "qemu+ssh://-l@h/system",
            "qemu+ssh://h;id/system",
            "qemu+ssh://h`id`/system",
            "qemu+ssh://$(id)/system",
            "qemu+ssh://h|id/system",
            "qemu+ssh://h&id/system",
            "qemu+ssh://a b/system",
            "qemu+ssh://u\nx@h/system",
            "qemu+ssh://u'@h/system",
            "qemu+ssh://h%20x/system",
            "qemu+ssh://h/system?netcat=/n&proxy=native",
            "qemu+ssh://h/system?socket=/s&proxy=native",
            "qemu+ssh://h/system?proxy=other",
            "qemu+ssh://h/system?no_tty=yes",
            "qemu+ssh://h/system?command=",
            "qemu+ssh://h/system?keyfile=a%00b",
            "qemu+tls://h/system?no_verify=yes",
            "qemu+tls://h/system?pkipath=",
            "qemu+tls://h/system?mode=direct",
            "qemu+ext:///system",
            "qemu:///system?auth=ldap",
            "qemu:///system?auth=sasl.",
            "qemu:///system?authfile=",
        ];
        for text in table {
            let error = Uri::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{text}: {error}");
        }
    }
}
