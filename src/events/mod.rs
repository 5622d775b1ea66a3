//! Events on their way to the application: what a subscription or a stream holds, and the bounds on it.

pub mod own;
pub mod queue;

pub use crate::monitor::stream::Events;
