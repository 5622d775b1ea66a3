//! From what machines tell to what sinks take.

use super::{Reply, Sink};
use crate::error::{Error, Result};
use crate::proto::tell::{Answer, Tell};

/// Hands on to the sink what a machine tells.
pub(super) struct Told<'a, S>(pub(super) &'a mut S);

impl<S: Sink> Tell for Told<'_, S> {
    fn connected(&mut self, port: usize) {
        self.0.connected(port);
    }

    fn answered(&mut self, call: u32, answer: Result<Answer<'_>>) {
        self.0.answered(call, answer.map(Reply::Pieces));
    }

    fn event(&mut self, port: usize, name: &[u8], json: &[u8]) {
        self.0.event(port, name, json);
    }

    fn events_lost(&mut self, port: usize) {
        self.0.events_lost(port, None);
    }

    fn domain(&mut self, port: usize, started: bool, reason: &'static str) {
        self.0.domain(port, started, reason);
    }

    fn closed(&mut self, port: usize, why: Error) {
        self.0.closed(port, why);
    }
}
