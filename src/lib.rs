//! Talk to running QEMU virtual machines over the QEMU Machine Protocol (QMP), from C and whatever can call C.
//!
//! The modules stand in layer order: each uses those above it, never those below (kept by `tests/tidy.rs`).
//! The C API, `include/libqmp.h`, is the product; the Rust API underneath is what it is made of.

pub mod error;
pub mod proto;
pub mod target;

pub mod sys;

pub mod reactor;

pub mod driver;

pub mod events;
pub mod monitor;

pub mod ffi;
