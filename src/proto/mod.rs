//! The protocols without I/O: bytes, instants and requests in; bytes, events and answers out.
//!
//! Nothing here reads a socket, a clock or the environment, and nothing here panics on input.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod answer;
mod domains;
mod event;
pub mod frame;
pub mod greeting;
pub mod json;
pub mod libvirt;
pub mod outbox;
pub mod qmp;
mod queue;
pub mod remote;
pub mod reply;
pub mod request;
pub mod rpc;
pub mod slots;
pub mod tell;
mod token;
pub mod virsh;
pub mod xdr;

#[cfg(test)]
mod frame_tests;
#[cfg(test)]
mod json_tests;
#[cfg(test)]
mod qmp_tests;
#[cfg(test)]
mod request_tests;
