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
                own_command == command.as_bytes() && own_arguments == arguments.unwrap_or_default()
            }
            _ => false,
        };
        self.request.as_ref().filter(|_| same).map(Arc::clone)
    }

    /// Remembers this one instead.
    pub fn put(&mut self, text: Text<'_>, request: &Arc<Request>) {
        let (head, tail, split) = match text {
            Text::Whole(text) => (text, &[][..], None),
            // Without arguments and with empty arguments are not the same: the latter are never valid.
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
