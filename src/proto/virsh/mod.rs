//! virsh as a proxy for QEMU's monitor, without I/O: one monitor, the processes that serve it, and what they print.
//!
//! Three processes at the most ([`Slot`]): a *session* that reads one command after the other, a *single* one for what a
//! session cannot take, and the one that prints *events*. The owner starts and ends them as [`Proxy::action`] says, hands
//! in what they print, and writes to the session what stands in [`Proxy::outbox`].

mod fault;
mod lines;
mod listing;
mod opening;
mod proxy;
mod running;
mod session;
mod watch;
mod words;

#[cfg(test)]
mod proxy_tests;
#[cfg(test)]
mod watch_tests;

pub use proxy::{Action, Proxy, Settings, Slot};
pub use running::End;
