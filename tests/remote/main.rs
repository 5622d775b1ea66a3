//! Daemons on other machines: over TLS, and many of them at once. Played on loopback, and real.

#![cfg(feature = "tls")]

mod daemon;
mod fleet;
#[path = "../libvirtd/mod.rs"]
mod libvirtd;
mod pki;
mod real;
#[path = "../scenario/mod.rs"]
mod scenario;
mod tls;
