//! What the machines of this layer tell whoever owns them, where one of them serves more than a byte stream.

use crate::error::{Error, Result};

/// The pieces of what a caller gets.
pub type Answer<'a> = [&'a [u8]; 4];

/// Takes what a machine tells, in the order in which the other side brought it. A *port* is a monitor, a *call* whatever
/// waits for an answer: numbers of the owner's.
pub trait Tell {
    /// This port is ready for commands.
    fn connected(&mut self, port: usize);
    /// A call is answered, or cannot be any more.
    fn answered(&mut self, call: u32, answer: Result<Answer<'_>>);
    /// An event of the port's domain.
    fn event(&mut self, port: usize, name: &[u8], json: &[u8]);
    /// Events of the port's domain may have been lost here; nobody knows how many.
    fn events_lost(&mut self, port: usize);
    /// The port's domain was started, or has stopped.
    fn domain(&mut self, port: usize, started: bool, reason: &'static str);
    /// The port has no link any more. Its calls have been answered.
    fn closed(&mut self, port: usize, why: Error);
}
