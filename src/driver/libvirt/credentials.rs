//! Names and passwords from libvirt's files for them (libvirt: docs/auth, "Client credentials"; src/util/virauth.c).

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::proto::libvirt::{Credentials, Forced, Login};
use crate::target::uri::transport::Transport;
use crate::target::uri::{Auth, Uri};

/// libvirt reads no longer ones.
const LONGEST: u64 = 1 << 20;
/// The file of everybody.
const SYSTEM: &str = "/etc/libvirt/auth.conf";

/// What stands in brackets, and what stands below it.
type Groups<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>;

/// How to log in at the daemon of this URI: by these credentials, or by what a file says. Call it with no lock held.
pub fn login(uri: &Uri, given: Option<Credentials>) -> Login {
    let forced = uri.auth.as_ref().map(|auth| match auth {
        Auth::Sasl(mechanism) => Forced::Sasl(mechanism.clone()),
        Auth::Polkit => Forced::Polkit,
    });
    Login { forced, credentials: given.map_or_else(|| find(uri).map_err(Box::from), Ok) }
}

/// The credentials for this URI's host, or why there are none.
fn find(uri: &Uri) -> Result<Credentials, String> {
    let Some(path) = place(uri) else {
        let text = "none are set (options username and password), and there is no auth.conf";
        return Err(format!("{text} (LIBVIRT_AUTH_FILE, authfile=, ~/.config/libvirt, /etc/libvirt)"));
    };
    let text = read(&path).map_err(|why| format!("{} cannot be read: {why}", path.display()))?;
    credentials(&text, host(&uri.transport)).map_err(|why| format!("{}: {why}", path.display()))
}

/// The first file that is named, or is there. It alone is read, as libvirt does it.
fn place(uri: &Uri) -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = set("LIBVIRT_AUTH_FILE").or_else(|| uri.authfile.as_deref().map(PathBuf::from)) {
        return Some(named);
    }
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    let own = folder.map(|folder| folder.join("libvirt/auth.conf"));
    // One that cannot be read is none: the system's belongs to root, as a rule.
    own.into_iter().chain([SYSTEM.into()]).find(|path| File::open(path).is_ok())
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// The name that libvirt looks a host up by.
fn host(transport: &Transport) -> &str {
    match transport {
        Transport::Tcp(host, _) => host,
        Transport::Tls(tls) => &tls.host,
        Transport::Ssh(ssh) => &ssh.host,
        Transport::UnixAt(_) | Transport::Unix(_) | Transport::Ext(_) => "localhost",
    }
}

fn credentials(text: &str, host: &str) -> Result<Credentials, String> {
    let groups = parse(text)?;
    let (own, others) = (format!("auth-libvirt-{host}"), "auth-libvirt-default");
    let Some((group, auth)) = [own.as_str(), others].into_iter().find_map(|name| Some((name, groups.get(name)?)))
    else {
        return Err(format!("there is neither [{own}] nor [{others}]"));
    };
    let name = auth.get("credentials").ok_or_else(|| format!("[{group}] has no credentials="))?;
    let wanted = format!("credentials-{name}");
    let found = groups.get(wanted.as_str()).ok_or_else(|| format!("[{group}] names [{wanted}], which is not there"))?;
    // SASL's own name for it comes first.
    let username = found.get("authname").or_else(|| found.get("username"));
    let username = username.ok_or_else(|| format!("[{wanted}] has no authname="))?;
    let password = found.get("password").ok_or_else(|| format!("[{wanted}] has no password="))?;
    Credentials::new(username, password).map_err(|why| format!("[{wanted}]: {why}"))
}

/// Reads the lines (libvirt: src/util/virkeyfile.c). A value is all behind the `=`, blanks too. What a bad line holds is
/// not told: it may be a password.
fn parse(text: &str) -> Result<Groups<'_>, String> {
    let mut groups = Groups::new();
    let mut group = None;
    for (at, line) in text.split(['\n', '\r']).enumerate() {
        let bad = |what: &str| format!("line {}: {what}", at + 1);
        if line.trim().is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (name, _) = rest.split_once(']').ok_or_else(|| bad("a ] is missing"))?;
            group = Some(groups.entry(name).or_default());
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| bad("expected [GROUP] or NAME=VALUE"))?;
        let group = group.as_mut().ok_or_else(|| bad("a value stands before the first [GROUP]"))?;
        group.insert(key.trim(), value);
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# comment\n; another\n\n[credentials-test]\nauthname=fred\nusername=other\npassword= a=b \r\n\
        [credentials-old]\nusername=joe\npassword=x\n[credentials-half]\nauthname=jim\n  \n\
        [auth-libvirt-h1.example.com]\ncredentials=test\n[auth-libvirt-default]\ncredentials=old\n\
        [auth-libvirt-h2]\ncredentials=half\n[auth-libvirt-h3]\ncredentials=gone\n[auth-libvirt-h4]\nx=y\n";

    #[test]
    fn a_host_has_its_credentials_and_all_others_the_default() {
        assert_eq!(credentials(FILE, "h1.example.com"), Ok(Credentials::new("fred", " a=b ").unwrap()));
        assert_eq!(credentials(FILE, "elsewhere"), Ok(Credentials::new("joe", "x").unwrap()));
    }

    #[test]
    fn what_is_missing_is_named_and_no_value_is_told() {
        let table = [
            (FILE, "h2", "[credentials-half] has no password="),
            (FILE, "h3", "[credentials-gone], which is not there"),
            (FILE, "h4", "[auth-libvirt-h4] has no credentials="),
            ("", "h", "neither [auth-libvirt-h] nor [auth-libvirt-default]"),
            ("[a]\nb=c\nsecret", "h", "line 3: expected [GROUP]"),
            ("\npassword=secret", "h", "line 2: a value stands before"),
            ("[secret\n", "h", "line 1: a ] is missing"),
            ("[auth-libvirt-h]\ncredentials=x\n[credentials-x]\nauthname=\npassword=secret", "h", "username is empty"),
        ];
        for (text, host, part) in table {
            let why = credentials(text, host).unwrap_err();
            assert!(why.contains(part) && !why.contains("secret"), "{why}");
        }
    }
}
