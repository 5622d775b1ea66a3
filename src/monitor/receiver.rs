//! Who is called with the answer to a request.

use std::sync::Arc;

use super::{Monitor, ReplyHandler};
use crate::error::Result;
use crate::sys::text::Text;
use crate::sys::user_data::UserData;

/// A closure, or a function of another language.
pub enum Receiver {
    /// Of this language.
    Closure(ReplyHandler),
    /// Of another one.
    Foreign(Foreign),
}

/// A callback as it came over the C boundary, kept as it is: a request costs no allocation. Only the boundary makes one.
pub struct Foreign {
    /// Calls it; only what has made this knows the function's type.
    pub(crate) call: fn(&Foreign, &Arc<Monitor>, Result<Text<'_>>),
    /// The function.
    pub(crate) function: Function,
    /// What it is called with.
    pub(crate) user: UserData,
}

/// A C function of any type.
pub type Function = unsafe extern "C" fn();

impl Receiver {
    /// Calls it, and drops it.
    #[inline]
    pub fn receive(self, monitor: &Arc<Monitor>, outcome: Result<Text<'_>>) {
        match self {
            Receiver::Closure(handler) => handler(monitor, outcome),
            Receiver::Foreign(foreign) => (foreign.call)(&foreign, monitor, outcome),
        }
    }
}
