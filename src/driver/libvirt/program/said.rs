//! What a program has said on its standard error, and what that means.

use crate::error::Code;

/// So much is kept of what a program says: the last of it.
const KEPT: usize = 16 * 1024;
/// So many of its last lines are told, and so many characters of each.
const LINES: usize = 4;
const LONGEST_LINE: usize = 400;

/// ssh's own words for not being let in, or for a host that is not who it should be (OpenSSH: sshconnect.c,
/// sshconnect2.c, packet.c). Its exit status is 255 whatever it was, and its texts are not translated.
const NOT_LET_IN: [&str; 3] =
    ["Permission denied (", "Host key verification failed", "Too many authentication failures"];

/// The end of what a program has said.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<u8>);

impl Said {
    /// It says more.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let room = KEPT.saturating_sub(bytes.len());
        self.0.drain(..self.0.len().saturating_sub(room));
        self.0.extend_from_slice(bytes);
    }

    /// Its last words in one line, or nothing.
    pub(super) fn words(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.0);
        let lines: Vec<String> = text.split(['\n', '\r']).map(printable).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        Some(last.join(" ")).filter(|words| !words.is_empty())
    }

    /// What kind of failure it is about, if the daemon was not reached.
    pub(super) fn code(&self) -> Code {
        let words = self.words().unwrap_or_default();
        if NOT_LET_IN.iter().any(|part| words.contains(part)) { Code::Auth } else { Code::Connect }
    }
}

/// Text of the other side as part of a message: it may hold what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(LONGEST_LINE).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let mut said = Said::default();
        assert_eq!((said.words(), said.code()), (None, Code::Connect));
        said.hear(b"one\ntwo\r\n\n  three\nfo");
        said.hear(b"ur \x1b[31mred\0\nfive");
        assert_eq!(said.words().unwrap(), "two three four  [31mred five");
        for chunk in [1, 1000, KEPT - 1, KEPT, KEPT + 1, 10 * KEPT] {
            said.hear(&vec![b'x'; chunk]);
            assert!(said.0.len() <= KEPT && said.words().unwrap().len() < 5 * LONGEST_LINE, "{chunk}");
        }
        said.hear(b"\nend");
        assert!(said.0.len() == KEPT && said.words().unwrap().ends_with(" end"));
        said.hear(&[0xff, 0xfe, b'\n']);
        assert!(said.words().unwrap().ends_with("end\u{fffd}\u{fffd}"));
    }

    #[test]
    fn what_ssh_says_tells_the_code() {
        let table = [
            ("u@h: Permission denied (publickey,password).", Code::Auth),
            ("No ED25519 host key is known for h.\r\nHost key verification failed.", Code::Auth),
            ("Received disconnect from ::1 port 22:2: Too many authentication failures", Code::Auth),
            ("ssh: connect to host h port 22: Connection refused", Code::Connect),
            ("ssh: Could not resolve hostname h: Name or service not known", Code::Connect),
            // That is netcat, which may not open the daemon's socket.
            ("nc: unix connect failed: Permission denied", Code::Connect),
            ("sh: 1: virt-ssh-helper: not found", Code::Connect),
        ];
        for (text, code) in table {
            let mut said = Said::default();
            said.hear(text.as_bytes());
            assert_eq!(said.code(), code, "{text}");
        }
    }
}
