//! virsh's commands: words that are arguments of a process, or one line for a virsh that reads its standard input.
//!
//! There readline edits every line: each control byte is a command to it. Between single quotes virsh itself leaves
//! everything as it is but the quote; so JSON goes there as printable ASCII without quotes, which JSON can always be.

use crate::error::{Code, Error, Result};
use crate::proto::request::Request;
use crate::proto::xdr::MAX_STRING;

/// The longest argument of a process, without its NUL (execve(2), MAX_ARG_STRLEN).
const MAX_ARGUMENT: usize = 131_071;
/// What all arguments of a process may have together; the limit itself is the stack's (a quarter of 8 MiB), and the
/// environment counts, too.
const MAX_ARGUMENTS: usize = 1_800_000;

/// A command of virsh's, word by word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words(Vec<Vec<u8>>);

impl Words {
    /// These words.
    pub(super) fn new(words: &[&[u8]]) -> Words {
        Words(words.iter().map(|word| word.to_vec()).collect())
    }

    /// A monitor command for the domain of this UUID.
    pub(super) fn monitor_command(uuid: &str, json: &[u8]) -> Words {
        // By their places: a UUID and JSON cannot be taken for options, and every byte costs.
        Words::new(&[b"qemu-monitor-command", uuid.as_bytes(), json])
    }

    /// One line for a session. `None`: a word holds what no line can.
    pub(super) fn line(&self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        for word in &self.0 {
            if word.iter().any(u8::is_ascii_control) {
                return None;
            }
            if !line.is_empty() {
                line.push(b' ');
            }
            // Every byte costs there: readline reads them one by one.
            if is_plain(word) {
                line.extend_from_slice(word);
                continue;
            }
            line.push(b'\'');
            for byte in word {
                // Words side by side are one: out of these quotes, a quote in others, and in again.
                if *byte == b'\'' { line.extend_from_slice(b"'\"'\"'") } else { line.push(*byte) }
            }
            line.push(b'\'');
        }
        Some(line)
    }

    /// The arguments of a process of its own. An error says what is too long.
    pub(super) fn arguments(self) -> Result<Vec<Vec<u8>>> {
        let mut words = self.0;
        if words.iter().any(|word| word.len() > MAX_ARGUMENT) {
            let Some(last) = words.pop() else { return Ok(words) };
            // What follows this is taken as it is, and joined by blanks.
            words.push(b"--".to_vec());
            words.extend(pieces(&last).ok_or_else(|| too_long(last.len()))?);
        }
        let len = words.iter().fold(0usize, |sum, word| sum.saturating_add(word.len()));
        if len > MAX_ARGUMENTS { Err(too_long(len)) } else { Ok(words) }
    }
}

/// The JSON of a request, in printable ASCII without single quotes.
pub(super) fn json_of(request: &Request) -> Result<Vec<u8>> {
    let body = String::from_utf8_lossy(request.body());
    let mut json = Vec::with_capacity(body.len());
    for c in body.chars() {
        let mut units = [0; 2];
        match c {
            '\'' | '\u{7f}'.. => {
                for unit in c.encode_utf16(&mut units) {
                    json.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            }
            _ => json.push(c as u8),
        }
    }
    json.push(b'}');
    if json.len() > MAX_STRING {
        let text = format!(
            "the request has {} bytes in the spelling that virsh takes, libvirt's strings have at most {MAX_STRING}",
            json.len()
        );
        return Err(Error::new(Code::Limit, text));
    }
    Ok(json)
}

/// Does virsh take this word for itself without quotes?
fn is_plain(word: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'=');
    !word.is_empty() && word.iter().all(plain)
}

/// JSON in pieces that virsh joins again by single blanks: cut where a blank is, or where one does no harm.
fn pieces(json: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut pieces = Vec::new();
    let (mut start, mut cut) = (0usize, None);
    let (mut in_string, mut escaped) = (false, false);
    for (at, byte) in json.iter().enumerate() {
        // Where the piece ends, and where the next one begins.
        match byte {
            b' ' => cut = Some((at, at.wrapping_add(1))),
            b',' | b':' if !in_string => cut = Some((at.wrapping_add(1), at.wrapping_add(1))),
            _ => {}
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
        if at.wrapping_sub(start) >= MAX_ARGUMENT.wrapping_sub(1) {
            let (end, next) = cut.take().filter(|(end, _)| *end > start)?;
            pieces.push(json.get(start..end)?.to_vec());
            start = next;
        }
    }
    pieces.push(json.get(start..)?.to_vec());
    Some(pieces)
}

fn too_long(len: usize) -> Error {
    let text = format!(
        "a command of {len} bytes does not fit into the arguments of a process; the option virsh-session=on has no such limit"
    );
    Error::new(Code::Limit, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        Request::parse(text.as_bytes(), usize::MAX).unwrap()
    }

    #[test]
    fn lines_hold_words_unharmed() {
        let words = Words::new(&[b"domuuid", b"--domain", b"a'b\": c;#$\\"]);
        assert_eq!(words.line().unwrap(), b"domuuid --domain 'a'\"'\"'b\": c;#$\\'");
        assert_eq!(Words::new(&[b"", b"#x", b"--help"]).line().unwrap(), b"'' '#x' --help");
        for control in [b"a\nb", b"a\tb", b"a\x7fb"] {
            assert_eq!(Words::new(&[control]).line(), None);
        }
    }

    #[test]
    fn json_becomes_ascii_and_stays_what_it_is() {
        let text = "{\"execute\":\"x\",\"arguments\":{\"é\":\"it's \u{7f}\u{1f600}\\n\\\\\"}}";
        let json = json_of(&request(text)).unwrap();
        assert!(json.iter().all(|byte| (0x20..0x7f).contains(byte) && *byte != b'\''));
        let parsed = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
        assert_eq!(parsed(&json), parsed(text.as_bytes()));
        let long = format!("{{\"execute\":\"{}\"}}", "é".repeat(MAX_STRING / 6));
        assert_eq!(json_of(&request(&long)).unwrap_err().code(), Code::Limit);
    }

    #[test]
    fn long_json_is_cut_where_blanks_do_no_harm() {
        for part in ["word ", "\\\"x\\\" "] {
            let text = format!("{{\"execute\":\"x\",\"arguments\":{{\"a\":\"{}\"}}}}", part.repeat(60_000));
            let arguments = Words::monitor_command("u", text.as_bytes()).arguments().unwrap();
            assert_eq!(arguments[..3], [&b"qemu-monitor-command"[..], b"u", b"--"]);
            assert!(arguments.len() > 5 && arguments.iter().all(|word| word.len() <= MAX_ARGUMENT));
            let joined = arguments[3..].join(&b' ');
            let parsed = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
            assert_eq!(parsed(&joined), parsed(text.as_bytes()));
        }
        let numbers = format!("{{\"execute\":\"x\",\"arguments\":{{\"a\":[{}1]}}}}", "12345,".repeat(60_000));
        let joined = Words::monitor_command("u", numbers.as_bytes()).arguments().unwrap()[3..].join(&b' ');
        assert!(serde_json::from_slice::<serde_json::Value>(&joined).is_ok());
        let whole = format!("{{\"execute\":\"{}\"}}", "x".repeat(MAX_ARGUMENT));
        let refused = Words::monitor_command("u", whole.as_bytes()).arguments().unwrap_err();
        assert!(refused.code() == Code::Limit && refused.to_string().contains("virsh-session"));
        let huge = format!("{{\"execute\":\"{}\"}}", "x ".repeat(1_000_000));
        assert_eq!(Words::monitor_command("u", huge.as_bytes()).arguments().unwrap_err().code(), Code::Limit);
    }
}
