//! The crate's only error type: a code, a sentence, and what QEMU or the system said.
//!
//! An [`Error`] is one boxed word, so that `Result`s on the hot path stay small. The message is put together from
//! *who* (target and command, added on the way up by [`Error::about`]) and *what* (the text that [`Error::new`] took).

use std::fmt;

/// What kind of failure it was. The numbers are part of the ABI (`QMP_CODE_*`): never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// The caller passed something that cannot be right.
    InvalidArgument = 1,
    /// No link came about.
    Connect = 2,
    /// The other side did not let us in, or is not who it should be.
    Auth = 3,
    /// No such domain.
    NotFound = 4,
    /// The domain is shut off.
    NotRunning = 5,
    /// The right call at the wrong moment.
    State = 6,
    /// The deadline passed.
    Timeout = 7,
    /// The link is lost.
    Disconnected = 8,
    /// The request was cancelled, or its monitor freed.
    Canceled = 9,
    /// The other side broke the protocol.
    Protocol = 10,
    /// A message or a request is over its size limit.
    Limit = 11,
    /// QEMU answered with an error.
    Command = 12,
    /// This driver, or this other side, cannot do it.
    Unsupported = 13,
    /// The operating system refused.
    System = 14,
    /// A bug in this library.
    Internal = 15,
}

/// How far a request got before it failed (`QMP_DELIVERY_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Delivery {
    /// Nothing of it was written.
    NotSent = 0,
    /// Some or all of it was written; whether it was carried out is not known.
    Unknown = 1,
    /// The other side answered.
    Answered = 2,
}

/// Any failure of this library.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(Box<Detail>);

/// What an [`Error`] is made of; see [`Error::detail`].
#[derive(Clone, Debug)]
pub struct Detail {
    /// The kind of failure.
    pub code: Code,
    /// Target and command, `unix:/run/vm.qmp: query-status`, or empty.
    pub about: String,
    /// What went wrong.
    pub text: String,
    /// QEMU's or the daemon's text alone.
    pub desc: Option<String>,
    /// The QMP error class, `CommandNotFound`.
    pub class: Option<String>,
    /// The raw error reply, the caller's id in it.
    pub reply: Option<Vec<u8>>,
    /// The operating system's error number, or 0.
    pub errno: i32,
    /// libvirt's error number, or 0.
    pub libvirt: i32,
    /// How far the request got.
    pub delivery: Delivery,
}

/// `std::result::Result` with our [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of this code that says `text`; the request, if there was one, was not sent.
    #[cold]
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Error(Box::new(Detail {
            code,
            about: String::new(),
            text: text.into(),
            desc: None,
            class: None,
            reply: None,
            errno: 0,
            libvirt: 0,
            delivery: Delivery::NotSent,
        }))
    }

    /// `text: what the system says (errno N)`.
    #[cold]
    pub fn from_io(code: Code, text: impl fmt::Display, error: &std::io::Error) -> Self {
        // C programmers know the number by another name.
        let reason = error.to_string().replace("(os error ", "(errno ");
        Error::new(code, format!("{text}: {reason}")).with_errno(error.raw_os_error().unwrap_or(0))
    }

    /// QEMU's own error answer: class, text and the raw reply.
    #[cold]
    pub fn command(class: String, desc: String, reply: Vec<u8>) -> Self {
        let mut error = Error::new(Code::Command, format!("{class}: {desc}"));
        error.0.class = Some(class);
        error.0.desc = Some(desc);
        error.0.reply = Some(reply);
        error.0.delivery = Delivery::Answered;
        error
    }

    /// The same with the operating system's error number.
    #[must_use]
    pub fn with_errno(mut self, errno: i32) -> Self {
        self.0.errno = errno;
        self
    }

    /// The same, of another kind.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.0.code = code;
        self
    }

    /// The same with the text of the other side alone.
    #[must_use]
    pub fn with_desc(mut self, text: String) -> Self {
        self.0.desc = Some(text);
        self
    }

    /// The same with libvirt's error number.
    #[must_use]
    pub fn with_libvirt(mut self, number: i32) -> Self {
        self.0.libvirt = number;
        self
    }

    /// The same with how far the request got.
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }

    /// The same, naming the target and (if it is not empty) the command; an error that names them already stays as it is.
    #[must_use]
    pub fn about(mut self, target: &str, command: &str) -> Self {
        if self.0.about.is_empty() {
            self.0.about = if command.is_empty() { target.to_owned() } else { format!("{target}: {command}") };
        }
        self
    }

    /// Does it name a target already?
    pub fn is_named(&self) -> bool {
        !self.0.about.is_empty()
    }

    /// The kind of failure.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// How far the request got.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// Everything that is known.
    pub fn detail(&self) -> &Detail {
        &self.0
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.about.is_empty() {
            write!(f, "{}: ", self.about)?;
        }
        f.write_str(&self.text)
    }
}
