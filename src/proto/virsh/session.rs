//! A virsh that reads commands from its standard input: where in its output the answer to a command lies.
//!
//! Each line goes out as `echo 'B'K;COMMAND;echo 'E'K`, with a K that was never there before. Whatever virsh echoes,
//! it never holds `BK` or `EK` in one piece: those are printed by the commands alone.

use std::ops::Range;

use memchr::memmem;

use crate::error::{Code, Error, Result};

/// The marks around the answer to one command.
#[derive(Debug)]
pub(super) struct Marks {
    key: String,
    /// Where the answer begins, once that has come.
    begin: Option<usize>,
    /// How far the end was looked for.
    searched: usize,
    /// A line end came before the beginning: what was written is echoed.
    echoed: bool,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Not all of it has come; so many bytes at the front are of no use.
    More(usize),
    /// The answer, and where it and its marks end.
    Answer(Range<usize>, usize),
    /// virsh refused the line as a whole.
    Refused(usize),
}

impl Marks {
    /// Marks with this key, which no other command of the session has.
    pub(super) fn new(key: String) -> Marks {
        Marks { key, begin: None, searched: 0, echoed: false }
    }

    /// The line that has the command between the marks. `proven`: virsh is known to take such commands; otherwise a
    /// second line shows if it refused the first.
    pub(super) fn line(&self, command: &[u8], proven: bool) -> Vec<u8> {
        let key = &self.key;
        let mut line = format!("echo 'B'{key};").into_bytes();
        line.extend_from_slice(command);
        if !command.is_empty() {
            line.push(b';');
        }
        line.extend_from_slice(format!("echo 'E'{key}\n").as_bytes());
        if !proven {
            line.extend_from_slice(format!("echo 'F'{key}\n").as_bytes());
        }
        line
    }

    /// Was something echoed before the answer? A virsh that does so uses readline, and takes lines of any length.
    pub(super) fn echoed(&self) -> bool {
        self.echoed
    }

    /// Looks for the answer in what has come. The owner drops what is said to be of no use, and calls again with more.
    pub(super) fn find(&mut self, buf: &[u8], limit: usize) -> Result<Found> {
        let key = self.key.as_bytes();
        let mark = |letter: u8| [&[letter], key].concat();
        let Some(begin) = self.begin else {
            let first = mark(b'B');
            if let Some(at) = memmem::find(buf, &first) {
                self.echoed |= buf.get(..at).unwrap_or_default().contains(&b'\n');
                self.begin = Some(at.saturating_add(first.len()));
                return self.find(buf, limit);
            }
            if let Some(at) = memmem::find(buf, &mark(b'F')) {
                self.echoed |= buf.get(..at).unwrap_or_default().contains(&b'\n');
                return Ok(Found::Refused(at.saturating_add(first.len())));
            }
            // The mark may have begun at the very end.
            let useless = buf.len().saturating_sub(first.len());
            self.echoed |= buf.get(..useless).unwrap_or_default().contains(&b'\n');
            return Ok(Found::More(useless));
        };
        let end = mark(b'E');
        let mut from = self.searched.max(begin);
        while let Some(at) = buf.get(from..).and_then(|rest| memmem::find(rest, &end)).map(|at| at.saturating_add(from))
        {
            // A reply is one line: what stands inside it is none.
            if at == begin || buf.get(at.saturating_sub(1)) == Some(&b'\n') {
                return Ok(Found::Answer(begin..at, at.saturating_add(end.len())));
            }
            from = at.saturating_add(1);
        }
        self.searched = buf.len().saturating_sub(end.len()).max(begin);
        if buf.len().saturating_sub(begin) > limit {
            let text = format!("virsh prints more than the option max-message allows ({limit} bytes)");
            return Err(Error::new(Code::Limit, text));
        }
        // What precedes the beginning goes.
        self.begin = Some(0);
        self.searched = self.searched.saturating_sub(begin);
        Ok(Found::More(begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the output in pieces; gives the answer and what is left.
    fn answer(output: &[u8], piece: usize) -> Option<(String, bool, Vec<u8>)> {
        let mut marks = Marks::new("k1".to_owned());
        let mut buf = Vec::new();
        for (i, part) in output.chunks(piece).enumerate() {
            buf.extend_from_slice(part);
            match marks.find(&buf, 1000).unwrap() {
                Found::More(useless) => drop(buf.drain(..useless)),
                Found::Answer(range, end) => {
                    let answer = String::from_utf8(buf[range].to_vec()).unwrap();
                    let rest = [&buf[end..], &output.chunks(piece).skip(i + 1).collect::<Vec<_>>().concat()].concat();
                    return Some((answer, marks.echoed(), rest));
                }
                Found::Refused(end) => return Some(("refused".to_owned(), marks.echoed(), buf[end..].to_vec())),
            }
        }
        None
    }

    #[test]
    fn answers_are_found_at_every_split() {
        let table: [(&str, &str, bool); 5] = [
            ("virsh # echo 'B'k1;x;echo 'E'k1\nBk1{\"return\":{}}\nEk1virsh # ", "{\"return\":{}}\n", true),
            ("virsh # <y 'E'k1\r\nFk0virsh # Bk1{\"a\":\"Ek1\"}\nEk1virsh # ", "{\"a\":\"Ek1\"}\n", true),
            ("Bk1Ek1", "", false),
            ("virsh # Bk1a\nEk1", "a\n", false),
            ("echo 'B'k1;nonsense\nvirsh # echo 'F'k1\nFk1", "refused", true),
        ];
        for (output, expected, echoed) in table {
            for piece in 1..=output.len() {
                let (found, saw_echo, _) =
                    answer(output.as_bytes(), piece).unwrap_or_else(|| panic!("{output} by {piece}"));
                assert_eq!((found.as_str(), saw_echo), (expected, echoed), "{output} by {piece}");
            }
        }
    }

    #[test]
    fn what_never_ends_is_an_error() {
        let mut marks = Marks::new("k1".to_owned());
        let long = format!("Bk1{}", "x".repeat(1001));
        assert_eq!(marks.find(long.as_bytes(), 1000).unwrap_err().code(), Code::Limit);
        // Before its beginning nothing is kept.
        let mut marks = Marks::new("k1".to_owned());
        assert_eq!(marks.find(&[b'x'; 5000], 1000).unwrap(), Found::More(4997));
    }

    #[test]
    fn lines_have_marks_that_no_echo_shows() {
        let line = Marks::new("k1".to_owned()).line(b"'list'", false);
        assert_eq!(line, b"echo 'B'k1;'list';echo 'E'k1\necho 'F'k1\n");
        assert!(!line.windows(3).any(|w| w == b"Bk1" || w == b"Ek1" || w == b"Fk1"));
        assert_eq!(Marks::new("k1".to_owned()).line(b"", true), b"echo 'B'k1;echo 'E'k1\n");
    }
}
