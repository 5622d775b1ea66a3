//! The check of a request before anything is written, and its form on the wire.
//!
//! QEMU answers some mistakes by an error without id, which belongs to nobody, and waits for more when a bracket is
//! missing. So what is not exactly one well-formed command stays here, with an error that says why.

use super::json::{Mode, Scanner};
use super::token::decoded;
use crate::error::{Code, Error, Result};

const KEYS: [&str; 4] = ["execute", "exec-oob", "arguments", "id"];
const EXECUTE: usize = 0;
const EXEC_OOB: usize = 1;
const ARGUMENTS: usize = 2;
const ID: usize = 3;

/// QEMU's limits on what it reads (qobject/json-streamer.c).
const MAX_TOKENS: usize = 2 << 20;
const MAX_BYTES: usize = 64 << 20;
/// What an id of ours adds: `,"id":` and the longest number.
const ID_TOKENS: usize = 4;
const ID_BYTES: usize = 32;

/// A checked request.
#[derive(Debug)]
pub struct Request {
    /// Without white space outside strings, without its id, without the closing brace.
    body: Vec<u8>,
    id: Option<Vec<u8>>,
    command: Box<str>,
    out_of_band: bool,
}

impl Request {
    /// Checks a whole QMP command. `limit` bounds it in bytes.
    pub fn parse(text: &[u8], limit: usize) -> Result<Request> {
        if text.len() > limit {
            let text = format!("the request has {} bytes, the option max-message allows {limit}", text.len());
            return Err(Error::new(Code::Limit, text));
        }
        let utf8 = std::str::from_utf8(text)
            .map_err(|why| invalid(format!("the request is not UTF-8 from byte {} on", why.valid_up_to())))?;
        let scanner = one_object(text, "request")?;
        let (name, out_of_band) = match (scanner.member(EXECUTE), scanner.member(EXEC_OOB)) {
            (Some(member), None) => (member.value.clone(), false),
            (None, Some(member)) => (member.value.clone(), true),
            (None, None) => return Err(invalid("the request has no member \"execute\"".to_owned())),
            (Some(_), Some(_)) => {
                return Err(invalid("the request has both \"execute\" and \"exec-oob\", expected one".to_owned()));
            }
        };
        let key = if out_of_band { "exec-oob" } else { "execute" };
        let quoted = utf8.get(name).unwrap_or_default();
        let Some(name) = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Err(invalid(format!("\"{key}\" in the request is {}, expected a string", brief(quoted))));
        };
        if let Some(member) = scanner.member(ARGUMENTS) {
            let arguments = utf8.get(member.value.clone()).unwrap_or_default();
            if !arguments.starts_with('{') {
                let text = format!("\"arguments\" in the request is {}, expected an object", brief(arguments));
                return Err(invalid(text));
            }
        }
        let id = scanner.member(ID);
        // The caller's id gives way to ours.
        let tokens = scanner.tokens().saturating_add(if id.is_some() { 0 } else { ID_TOKENS });
        if tokens > MAX_TOKENS {
            return Err(invalid(format!("the request has {tokens} tokens with its id, QEMU reads {MAX_TOKENS}")));
        }
        let mut body = Vec::with_capacity(text.len());
        let cut = id.map_or(0..0, |member| member.cut.clone());
        minify(text.get(..cut.start).unwrap_or_default(), &mut body);
        minify(text.get(cut.end..).unwrap_or_default(), &mut body);
        body.pop();
        let bytes = body.len().saturating_add(ID_BYTES);
        if bytes > MAX_BYTES {
            let text = format!("the request has {bytes} bytes with its id, QEMU reads {MAX_BYTES}");
            return Err(Error::new(Code::Limit, text));
        }
        let id = id.and_then(|member| text.get(member.value.clone())).map(<[u8]>::to_vec);
        Ok(Request { body, id, command: name.into(), out_of_band })
    }

    /// The request that runs a command with these arguments, which are one JSON object.
    pub fn execute(command: &str, arguments: Option<&[u8]>, limit: usize) -> Result<Request> {
        let mut text = b"{\"execute\":".to_vec();
        text.extend_from_slice(serde_json::Value::from(command).to_string().as_bytes());
        if let Some(arguments) = arguments {
            if let Err(why) = std::str::from_utf8(arguments) {
                let text = format!("the arguments are not UTF-8 from byte {} on", why.valid_up_to());
                return Err(invalid(text));
            }
            // Checked apart: what closes the object early must not become a member of the request.
            one_object(arguments, "arguments")?;
            text.extend_from_slice(b",\"arguments\":");
            text.extend_from_slice(arguments);
        }
        text.push(b'}');
        Request::parse(&text, limit)
    }

    /// The wire form up to where `,"id":N}` follows.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The caller's id, byte for byte, if there is one.
    pub fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    /// The name of the command, as it was written.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Is it to be carried out out-of-band?
    pub fn out_of_band(&self) -> bool {
        self.out_of_band
    }
}

/// Scans what has to be exactly one JSON object that QEMU will read without complaint.
fn one_object(text: &[u8], what: &str) -> Result<Scanner> {
    let mut scanner = Scanner::new(&KEYS, Mode::Strict).with_log();
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(invalid(format!("the {what} is empty, expected one JSON object")));
    }
    match scanner.scan(text) {
        Ok(true) => {}
        Ok(false) => return Err(invalid(format!("the {what} ends inside the JSON object (at byte {})", text.len()))),
        Err(fault) => return Err(invalid(format!("the {what} is not one JSON object: {fault}"))),
    }
    let rest = text.get(scanner.position()..).unwrap_or_default();
    if let Some(extra) = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        let at = scanner.position().wrapping_add(extra);
        return Err(invalid(format!("the {what} goes on behind the JSON object (at byte {at}), expected one object")));
    }
    no_key_twice(text, &scanner, what)?;
    Ok(scanner)
}

/// QEMU answers a second member of the same name by an error without id.
fn no_key_twice(text: &[u8], scanner: &Scanner, what: &str) -> Result<()> {
    let Some(log) = scanner.log().filter(|log| log.keys.len() > 1) else { return Ok(()) };
    let key_of = |range: &std::ops::Range<usize>| {
        let key = text.get(range.clone()).unwrap_or_default();
        if key.contains(&b'\\') { std::borrow::Cow::Owned(decoded(key)) } else { std::borrow::Cow::Borrowed(key) }
    };
    let mut keys: Vec<_> = log.keys.iter().map(|(object, range)| (*object, key_of(range))).collect();
    keys.sort_unstable();
    let twice = keys.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some(String::from_utf8_lossy(&a.1).into_owned()),
        _ => None,
    });
    match twice {
        Some(key) => Err(invalid(format!("the {what} has two members \"{key}\" in one object"))),
        None => Ok(()),
    }
}

/// Copies JSON without the white space outside strings: QEMU reads its monitor byte by byte.
fn minify(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(first) = rest.first() {
        let len = match first {
            b'"' => string_len(rest),
            b' ' | b'\t' | b'\r' | b'\n' => {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            _ => rest.iter().position(|b| matches!(b, b'"' | b' ' | b'\t' | b'\r' | b'\n')).unwrap_or(rest.len()),
        };
        let (part, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        out.extend_from_slice(part);
        rest = behind;
    }
}

/// The length of the string at the front, quotes included.
fn string_len(text: &[u8]) -> usize {
    let mut escaped = false;
    for (index, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index.wrapping_add(1),
            _ => {}
        }
    }
    text.len()
}

/// The beginning of a value, for a message.
fn brief(value: &str) -> String {
    let mut short: String = value.chars().take(20).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    short
}

fn invalid(text: String) -> Error {
    Error::new(Code::InvalidArgument, text)
}
