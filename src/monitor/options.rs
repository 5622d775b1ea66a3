//! The options of a monitor: their names, their defaults, what they accept.

use std::ops::Deref;
use std::sync::Arc;

use crate::driver::libvirt::MOST_LINKS;
use crate::error::{Code, Error, Result};
use crate::events::queue::Bounds;
use crate::proto::libvirt::{Credentials, Secret};

/// What is set for a monitor.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a call with the default timeout waits, in milliseconds; `None` is for ever.
    pub timeout: Option<u32>,
    /// The largest message in either direction, in bytes.
    pub max_message: usize,
    /// The bounds of each subscription and stream.
    pub bounds: Bounds,
    /// Who waits polls for so many microseconds before it sleeps.
    pub busy_poll: u32,
    /// Wait for QEMU to dial in, rather than dial.
    pub listen: bool,
    /// Enable out-of-band execution where QEMU offers it.
    pub oob: bool,
    /// A silent daemon is sent a ping after so many milliseconds; 0: never.
    pub keepalive_interval: u32,
    /// So many pings may stay without an answer.
    pub keepalive_count: u32,
    /// The most connections to one daemon.
    pub max_links: usize,
    /// The program that is virsh, if it is another one than the first on `PATH`.
    pub virsh_path: Option<Arc<str>>,
    /// Keep one virsh for all commands.
    pub virsh_session: bool,
    /// Run programs that the target names.
    pub allow_programs: bool,
    /// A connected socket of the caller's to use, for a libvirt target.
    pub socket_fd: Option<i32>,
    /// Who logs in at a libvirt daemon.
    pub username: Option<Arc<str>>,
    /// What goes with it.
    pub password: Option<Secret>,
}

/// What most monitors have: they share it, and need no room for it.
static DEFAULTS: Options = Options {
    timeout: Some(30_000),
    max_message: 64 << 20,
    bounds: Bounds { events: 16_384, bytes: 32 << 20 },
    busy_poll: 0,
    listen: false,
    oob: true,
    keepalive_interval: 5000,
    keepalive_count: 5,
    max_links: 4,
    virsh_path: None,
    virsh_session: true,
    allow_programs: false,
    socket_fd: None,
    username: None,
    password: None,
};

/// The options of one monitor.
#[derive(Clone, Debug, Default)]
pub struct Chosen(Option<Arc<Options>>);

impl Deref for Chosen {
    type Target = Options;

    fn deref(&self) -> &Options {
        self.0.as_deref().unwrap_or(&DEFAULTS)
    }
}

impl Chosen {
    /// For changing them: from now on they are its own.
    pub fn edit(&mut self) -> &mut Options {
        Arc::make_mut(self.0.get_or_insert_with(|| Arc::new(DEFAULTS.clone())))
    }
}

/// When an option may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At any time.
    Always,
    /// Only while there is no link: it shapes the link.
    Unlinked,
}

type Setter = fn(&mut Options, &str) -> std::result::Result<(), String>;

/// The largest number that C's `int` holds.
const LONG: usize = i32::MAX as usize;

/// Every option: its name, when it may be set, and how its value is read.
const TABLE: [(&str, When, Setter); 16] = [
    ("timeout", When::Always, |o, v| timeout(v).map(|t| o.timeout = t)),
    ("max-message", When::Unlinked, |o, v| number(v, 1024, 1 << 30).map(|n| o.max_message = n)),
    ("max-events", When::Always, |o, v| number(v, 1, 1 << 30).map(|n| o.bounds.events = n)),
    ("max-event-bytes", When::Always, |o, v| number(v, 1, 1 << 30).map(|n| o.bounds.bytes = n)),
    ("busy-poll", When::Always, |o, v| number(v, 0, 1_000_000).map(|n| o.busy_poll = n as u32)),
    ("listen", When::Unlinked, |o, v| switch(v).map(|on| o.listen = on)),
    ("oob", When::Unlinked, |o, v| switch(v).map(|on| o.oob = on)),
    ("keepalive-interval", When::Unlinked, |o, v| number(v, 0, LONG).map(|n| o.keepalive_interval = n as u32)),
    ("keepalive-count", When::Unlinked, |o, v| number(v, 0, LONG).map(|n| o.keepalive_count = n as u32)),
    ("max-links", When::Unlinked, |o, v| number(v, 1, MOST_LINKS).map(|n| o.max_links = n)),
    ("virsh-path", When::Unlinked, |o, v| program(v).map(|path| o.virsh_path = Some(path))),
    ("virsh-session", When::Unlinked, |o, v| switch(v).map(|on| o.virsh_session = on)),
    ("allow-programs", When::Unlinked, |o, v| switch(v).map(|on| o.allow_programs = on)),
    ("socket-fd", When::Unlinked, |o, v| number(v, 0, LONG).map(|n| o.socket_fd = Some(n as i32))),
    ("username", When::Unlinked, |o, v| username(v).map(|name| o.username = Some(name))),
    (PASSWORD, When::Unlinked, |o, v| password(v).map(|secret| o.password = Some(secret))),
];

/// The option whose value is never shown.
const PASSWORD: &str = "password";

impl Options {
    /// Sets an option by name. `linked`: there is a link now.
    pub fn set(&mut self, name: &str, value: &str, linked: bool) -> Result<()> {
        let Some((_, when, set)) = TABLE.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<_> = TABLE.iter().map(|(known, ..)| *known).collect();
            let text = format!("there is no option \"{name}\"; the options are {}", known.join(", "));
            return Err(Error::new(Code::InvalidArgument, text));
        };
        let mut changed = self.clone();
        set(&mut changed, value).map_err(|want| {
            let shown = if name == PASSWORD { "not good" } else { &format!("\"{value}\"") };
            Error::new(Code::InvalidArgument, format!("option {name} is {shown}, expected {want}"))
        })?;
        if linked && *when == When::Unlinked {
            let text = format!("option {name} can be set only while the monitor is not connected");
            return Err(Error::new(Code::State, text));
        }
        *self = changed;
        Ok(())
    }

    /// Who logs in, if the options say so.
    pub fn credentials(&self) -> Result<Option<Credentials>> {
        match (&self.username, &self.password) {
            (None, None) => Ok(None),
            (Some(username), Some(password)) => {
                Ok(Some(Credentials { username: Arc::clone(username), password: password.clone() }))
            }
            (username, _) => {
                let (there, missing) = if username.is_some() { ("username", PASSWORD) } else { (PASSWORD, "username") };
                let text = format!("option {there} is set, but option {missing} is not: expected both or none");
                Err(Error::new(Code::InvalidArgument, text))
            }
        }
    }
}

fn number(value: &str, least: usize, most: usize) -> std::result::Result<usize, String> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    value
        .parse()
        .ok()
        .filter(|n| digits && (least..=most).contains(n))
        .ok_or_else(|| format!("a number from {least} to {most}"))
}

fn timeout(value: &str) -> std::result::Result<Option<u32>, String> {
    if value == "-1" {
        return Ok(None);
    }
    number(value, 0, LONG)
        .map(|n| u32::try_from(n).ok())
        .map_err(|_| format!("milliseconds (0 to {LONG}), or -1 for no limit"))
}

fn program(value: &str) -> std::result::Result<Arc<str>, String> {
    if value.is_empty() { Err("the path of virsh, or its name on PATH".to_owned()) } else { Ok(value.into()) }
}

fn username(value: &str) -> std::result::Result<Arc<str>, String> {
    let good = !value.is_empty() && !value.contains('\0');
    if good { Ok(value.into()) } else { Err("a name, without NUL".to_owned()) }
}

fn password(value: &str) -> std::result::Result<Secret, String> {
    if value.contains('\0') { Err("a text without NUL".to_owned()) } else { Ok(Secret::new(value)) }
}

fn switch(value: &str) -> std::result::Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        let mut options = DEFAULTS.clone();
        for (name, good, bad) in [
            ("timeout", &["0", "-1", "2147483647"][..], &["", "-2", "1s", "2147483648", "+1", " 1"][..]),
            ("max-message", &["1024", "1073741824"], &["1023", "0", "64M", "99999999999999999999"]),
            ("max-events", &["1"], &["0", "x"]),
            ("max-event-bytes", &["1"], &["0", "1.5"]),
            ("busy-poll", &["0", "200", "1000000"], &["-1", "1000001", "200us"]),
            ("listen", &["on", "off"], &["ON", "1", ""]),
            ("oob", &["on", "off"], &["yes"]),
            ("keepalive-interval", &["0", "200"], &["-1", "5s", "2147483648"]),
            ("keepalive-count", &["0", "5"], &["", "x"]),
            ("max-links", &["1", "8"], &["0", "9"]),
            ("virsh-path", &["/usr/bin/virsh", "virsh"], &[""]),
            ("virsh-session", &["on", "off"], &["yes"]),
            ("allow-programs", &["on", "off"], &["yes", "1", ""]),
            ("socket-fd", &["0", "7"], &["-1", "x", ""]),
            ("username", &["fred", "né,="], &["", "a\0b"]),
            ("password", &["", "secret"], &["se\0cr3t"]),
        ] {
            for value in good {
                options.set(name, value, false).unwrap();
            }
            for value in bad {
                let error = options.set(name, value, false).unwrap_err();
                assert_eq!(error.code(), Code::InvalidArgument, "{name}={value}");
                assert!(error.to_string().contains("expected") && !error.to_string().contains("cr3t"), "{error}");
            }
        }
        let error = options.set("colour", "red", false).unwrap_err();
        for (known, ..) in TABLE {
            assert!(error.to_string().contains(known), "{error}");
        }
        assert_eq!(options.set("oob", "off", true).unwrap_err().code(), Code::State);
        options.set("timeout", "5", true).unwrap();
        assert_eq!(options.timeout, Some(5));
    }
    #[test]
    fn username_and_password_go_together_and_are_not_shown() {
        let mut options = DEFAULTS.clone();
        assert_eq!(options.credentials().unwrap(), None);
        options.set("password", "hidden-7", false).unwrap();
        assert_eq!(options.credentials().unwrap_err().code(), Code::InvalidArgument);
        options.set("username", "fred", false).unwrap();
        assert_eq!(options.credentials().unwrap(), Some(Credentials::new("fred", "hidden-7").unwrap()));
        assert!(!format!("{options:?} {:?}", options.credentials()).contains("hidden"));
        let linked = options.set("password", "hidden-8", true).unwrap_err();
        assert!(linked.code() == Code::State && !linked.to_string().contains("hidden"), "{linked}");
        options.password = None;
        let alone = options.credentials().unwrap_err().to_string();
        assert!(alone.contains("username is set") && alone.contains("password is not"), "{alone}");
    }
}
