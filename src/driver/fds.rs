//! Descriptors that go with a request.

use std::ops::Deref;
use std::os::fd::OwnedFd;

use crate::error::{Code, Error, Result};

/// Descriptors that go with a request, one at least: duplicates that belong to it. Behind one pointer, because hardly any
/// request has them.
#[derive(Debug)]
pub struct Fds(Box<Box<[OwnedFd]>>);

impl From<Vec<OwnedFd>> for Fds {
    fn from(fds: Vec<OwnedFd>) -> Self {
        Fds(Box::new(fds.into()))
    }
}

impl Deref for Fds {
    type Target = [OwnedFd];

    fn deref(&self) -> &[OwnedFd] {
        &self.0
    }
}

/// libvirt passes one descriptor on.
pub(super) fn expect_one(fds: Option<&Fds>) -> Result<()> {
    match fds.map_or(0, |fds| fds.len()) {
        0 | 1 => Ok(()),
        count => {
            let text = format!("{count} descriptors with one request: libvirt passes on one");
            Err(Error::new(Code::Unsupported, text))
        }
    }
}
