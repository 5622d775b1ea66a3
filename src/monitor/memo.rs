//! The last checked request: programs ask the same thing over and over, of one machine or of thousands.

use std::sync::Arc;

use crate::proto::request::Request;

/// Longer requests are not remembered: checking them is cheap beside sending them.
const LONGEST: usize = 512;

/// Remembers one request and what came of checking it.
#[derive(Debug, Default)]
pub struct Memo {
    text: Vec<u8>,
    /// Where the arguments begin, if it was a command with arguments rather than a whole request.
    split: Option<usize>,
    request: Option<Arc<Request>>,
}

/// A request as the application gives it.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// A whole QMP command.
    Whole(&'a [u8]),
    /// The name of a command and its arguments.
    Command(&'a str, Option<&'a [u8]>),
}

impl Memo {
    /// The checked request, if it is the one remembered.
    pub fn get(&self, text: Text<'_>) -> Option<Arc<Request>> {
        let same = match (text, self.split) {
            (Text::Whole(text), None) => self.text == text,
            (Text::Command(command, arguments), Some(split)) => {
                let (own_command, own_arguments) = self.text.split_at_checked(split)?;
                // Empty arguments are not the same as none: they are never valid.
                own_command == command.as_bytes()
                    && own_arguments == arguments.unwrap_or_default()
                    && arguments.is_none_or(|arguments| !arguments.is_empty())
            }
            _ => false,
        };
        self.request.as_ref().filter(|_| same).map(Arc::clone)
    }

    /// Remembers this one instead.
    pub fn put(&mut self, text: Text<'_>, request: &Arc<Request>) {
        let (head, tail, split) = match text {
            Text::Whole(text) => (text, &[][..], None),
            Text::Command(command, arguments) => {
                (command.as_bytes(), arguments.unwrap_or_default(), Some(command.len()))
            }
        };
        if head.len() + tail.len() <= LONGEST {
            self.text.clear();
            self.text.extend_from_slice(head);
            self.text.extend_from_slice(tail);
            self.split = split;
            self.request = Some(Arc::clone(request));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_otherwise_is_not_the_same() {
        let mut memo = Memo::default();
        let request = Arc::new(Request::execute("x", None, 100).unwrap());
        memo.put(Text::Command("x", None), &request);
        assert!(memo.get(Text::Command("x", None)).is_some());
        let others = [Text::Command("x", Some(b"")), Text::Command("", Some(b"x")), Text::Whole(b"x")];
        assert!(others.into_iter().all(|other| memo.get(other).is_none()));
        let request = Arc::new(Request::execute("x", Some(b"{}"), 100).unwrap());
        memo.put(Text::Command("x", Some(b"{}")), &request);
        assert!(memo.get(Text::Command("x", Some(b"{}"))).is_some());
        assert!(memo.get(Text::Command("x", None)).is_none());
    }
}
