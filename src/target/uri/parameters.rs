//! The parameters of a libvirt URI, and percent-decoding.

use super::invalid;
use crate::error::Result;

/// Parameters that are for the client, whatever the transport is: none of them reaches the daemon.
const OWN: [&str; 17] = [
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
];

/// The parameters behind the question mark.
pub(super) struct Parameters<'a> {
    /// Each as it was written, its name, its value.
    list: Vec<(&'a str, String, String)>,
}

impl<'a> Parameters<'a> {
    pub(super) fn parse(query: &'a str) -> Result<Self> {
        let mut list = Vec::new();
        for raw in query.split(['&', ';']).filter(|raw| !raw.is_empty()) {
            let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
            list.push((raw, text(name)?.to_ascii_lowercase(), text(value)?));
        }
        match list.iter().find(|(_, _, value)| value.contains('\0')) {
            Some((_, name, _)) => Err(invalid(format!("the parameter {name} contains a NUL"))),
            None => Ok(Parameters { list }),
        }
    }

    /// The value of a parameter of ours; the last one counts.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().rev().find(|(_, known, _)| known == name).map(|(_, _, value)| value.as_str())
    }

    /// The same, where it may not be empty.
    pub(super) fn some(&self, name: &str) -> Result<Option<Box<str>>> {
        match self.get(name) {
            Some("") => Err(invalid(format!("the parameter {name} is empty"))),
            value => Ok(value.map(Box::from)),
        }
    }

    /// A switch: a number, which is off if it is 0.
    pub(super) fn switch(&self, name: &str) -> Result<bool> {
        let Some(value) = self.get(name) else { return Ok(false) };
        let number = value.parse::<i32>();
        number.map(|n| n != 0).map_err(|_| invalid(format!("the parameter {name} is \"{value}\", expected 0 or 1")))
    }

    /// One of these words, the first if it is not there.
    pub(super) fn choice<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<T> {
        let value = self.get(name).unwrap_or(words[0].0);
        words.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice).ok_or_else(|| {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            invalid(format!("the parameter {name} is \"{value}\", expected {}", known.join(", ")))
        })
    }

    /// What is not for the client.
    pub(super) fn for_the_daemon(&self) -> String {
        let rest: Vec<_> = self.list.iter().filter(|(_, name, _)| !OWN.contains(&name.as_str())).map(|p| p.0).collect();
        rest.join("&")
    }
}

fn text(raw: &str) -> Result<String> {
    String::from_utf8(decode(raw)?).map_err(|_| invalid(format!("\"{raw}\" is not UTF-8 once it is decoded")))
}

/// Percent-decoding (RFC 3986, section 2.1). A plus sign is a plus sign.
pub(super) fn decode(raw: &str) -> Result<Vec<u8>> {
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
