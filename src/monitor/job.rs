//! What is queued to be run: callbacks, and the texts that they are lent.

use super::DoneHandler;
use super::receiver::Receiver;
use crate::driver::Reply;
use crate::error::Result;
use crate::sys::buffer::Buffer;
use crate::sys::text::Text;
use crate::sys::texts::Texts;

/// The text of an answer that waits for its callback.
pub enum Kept {
    /// It lies there in the texts.
    There(usize),
    /// It is one of its own.
    Whole(Buffer),
}

impl Kept {
    /// An answer longer than this has a text of its own.
    const LONGEST: usize = 32 * 1024;

    pub(super) fn of(reply: Reply<'_>, texts: &mut Texts) -> Kept {
        match reply {
            Reply::Pieces(pieces) => match texts.push(b"", pieces, Kept::LONGEST) {
                Some(at) => Kept::There(at),
                None => Kept::Whole(Buffer::concat(&pieces)),
            },
            Reply::Whole(buffer) => Kept::Whole(buffer),
        }
    }

    /// The text itself.
    pub fn text<'a>(&'a self, texts: &'a Texts) -> Text<'a> {
        match self {
            Kept::There(at) => texts.get(*at).map_or(Text::new(b"\0"), |entry| entry.json),
            Kept::Whole(buffer) => buffer.as_text(),
        }
    }

    /// Makes it independent of these texts.
    fn take_out(&mut self, texts: &Texts) {
        if let Kept::There(_) = self {
            *self = Kept::Whole(self.text(texts).into());
        }
    }
}

/// A callback that is to run; `mon` is the monitor it belongs to.
#[allow(missing_docs)]
pub enum Job {
    /// So many events from `at` to `end` in the texts. `counts`: against the bounds of their subscription.
    Events { mon: usize, sub: u64, counts: bool, at: usize, end: usize, count: usize },
    /// Events were lost in this place.
    Lost { mon: usize, sub: u64 },
    /// A request is answered.
    Reply { mon: usize, receiver: Receiver, outcome: Result<Kept> },
    /// A connect has ended.
    Done { mon: usize, handler: DoneHandler, outcome: Result<()> },
    /// The last thing of a monitor that was freed in a callback.
    Farewell { mon: usize },
}

impl Job {
    /// The monitor that it belongs to.
    pub fn mon(&self) -> usize {
        match self {
            Job::Events { mon, .. }
            | Job::Lost { mon, .. }
            | Job::Reply { mon, .. }
            | Job::Done { mon, .. }
            | Job::Farewell { mon } => *mon,
        }
    }

    /// Makes it independent of these texts, if it is an answer.
    pub(super) fn take_out(&mut self, texts: &Texts) {
        if let Job::Reply { outcome: Ok(kept), .. } = self {
            kept.take_out(texts);
        }
    }

    /// Is it an answer, which must come?
    pub fn is_answer(&self) -> bool {
        matches!(self, Job::Reply { .. } | Job::Done { .. })
    }
}
