//! One connection to a daemon: its opening, the calls on it, its keepalive. It knows no domain.

use std::time::{Duration, Instant};

use crate::error::{Code, Error, Result};
use crate::proto::outbox::{Outbox, Span};
use crate::proto::remote::{self, Auth, Procedure, SaslAnswer};
use crate::proto::rpc::{self, Header, Packets, RemoteError};
use crate::proto::xdr::Writer;

use super::fault;
use super::login::{Login, Way};
use super::sasl::{Exchange, Next};

/// A daemon that works on five calls of a client stops reading (libvirtd.conf, max_client_requests): its pongs and the
/// answers to everybody else's calls would wait as well.
pub const PLACES: usize = 4;

/// How a connection is to be opened and kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The URI for the daemon, without what tells how to reach it.
    pub name: String,
    /// Ask for a connection that can change nothing.
    pub read_only: bool,
    /// A silent daemon is sent a ping after so long; `None`: never.
    pub interval: Option<Duration>,
    /// So many pings may stay without an answer.
    pub count: u32,
    /// The most connections to one daemon.
    pub max_links: usize,
    /// How to log in.
    pub login: Login,
}

/// What a connection goes over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    /// A UNIX socket, which carries descriptors.
    pub is_unix: bool,
    /// Nobody else can read what goes over it.
    pub is_private: bool,
}

/// How far a connection is. What each waits for is told by [`Phase::waits_for`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum Phase {
    Dialling,
    AuthList,
    SaslInit,
    SaslStart,
    SaslStep,
    Polkit,
    Open,
    Feature,
    Lifecycle,
    Ready,
    Closing,
    Closed,
}

impl Phase {
    /// For the message of a connect whose deadline has come.
    pub(super) fn waits_for(self) -> &'static str {
        match self {
            Phase::Dialling => "the connection to the daemon",
            Phase::AuthList => {
                "the daemon's list of authentication methods (AUTH_LIST); is it libvirt that listens there?"
            }
            Phase::SaslInit => "the daemon's list of SASL mechanisms (AUTH_SASL_INIT)",
            Phase::SaslStart => "the daemon's answer to our login (AUTH_SASL_START)",
            Phase::SaslStep => "the daemon's answer to our proof (AUTH_SASL_STEP)",
            Phase::Polkit => "polkit's decision (AUTH_POLKIT)",
            Phase::Open => "the daemon to open the hypervisor (CONNECT_OPEN)",
            Phase::Feature => "the daemon's features (CONNECT_SUPPORTS_FEATURE)",
            Phase::Lifecycle => "the registration for lifecycle events (CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY)",
            Phase::Ready | Phase::Closing | Phase::Closed => "the daemon",
        }
    }
}

/// One connection. `F` is what may go with a call (descriptors), `W` what its answer is for.
#[derive(Debug)]
pub(super) struct Conn<F, W> {
    /// Finds packets in what was read.
    pub packets: Packets,
    /// What is to be written.
    pub out: Outbox<F>,
    /// How far it is.
    pub phase: Phase,
    /// Descriptors can be passed.
    pub fds: bool,
    /// The daemon tells what happens to its domains, under this callback id.
    pub lifecycle: Option<i32>,
    line: Line,
    /// The login by SASL, while it is under way.
    exchange: Option<Exchange>,
    next_serial: u32,
    calls: Vec<Call<W>>,
    /// When to look next whether the daemon has said anything.
    check: Option<Instant>,
    heard: bool,
    pings: u32,
}

/// A call on the wire.
#[derive(Debug)]
struct Call<W> {
    serial: u32,
    procedure: Procedure,
    /// What the answer is for; `None`: a step of the opening, or the end.
    what: Option<W>,
}

/// What a packet means to the owner of a connection.
#[derive(Debug)]
pub(super) enum Incoming<W> {
    /// Nothing.
    Nothing,
    /// The connection has become ready.
    Ready,
    /// The answer to a call: its result, which lies in the packet's payload, or what the daemon says instead.
    Answer(W, std::result::Result<(), RemoteError>),
    /// A message of this procedure.
    Message(Procedure),
}

impl<F, W> Conn<F, W> {
    /// A connection that is not there yet.
    pub(super) fn new() -> Self {
        Conn {
            packets: Packets::default(),
            out: Outbox::new(),
            phase: Phase::Dialling,
            fds: false,
            lifecycle: None,
            line: Line::default(),
            exchange: None,
            next_serial: 0,
            calls: Vec::new(),
            check: None,
            heard: true,
            pings: 0,
        }
    }

    /// The socket is connected: the opening begins. AUTH_LIST comes first, also where nothing is asked for.
    pub(super) fn opened(&mut self, line: Line, settings: &Settings, now: Instant) {
        self.line = line;
        self.check = settings.interval.and_then(|interval| now.checked_add(interval));
        self.step(Phase::AuthList, remote::AUTH_LIST, |_| {});
    }

    /// Is there a place for one more call?
    pub(super) fn has_place(&self) -> bool {
        self.phase == Phase::Ready && self.calls.len() < PLACES
    }

    /// Will it be ready, if the daemon wants to?
    pub(super) fn is_opening(&self) -> bool {
        !matches!(self.phase, Phase::Ready | Phase::Closing | Phase::Closed)
    }

    /// The calls on the wire, by what their answers are for.
    pub(super) fn on_wire(&self) -> impl Iterator<Item = &W> {
        self.calls.iter().filter_map(|call| call.what.as_ref())
    }

    /// Puts a call on the wire. Gives where it lies there.
    pub(super) fn call(&mut self, procedure: Procedure, what: W, arguments: impl FnOnce(&mut Writer<'_>)) -> Span {
        self.send(procedure, rpc::CALL, Some(what), arguments)
    }

    /// The same with a descriptor: it follows the whole packet, with a byte of its own that the length does not count.
    pub(super) fn call_with_fd(
        &mut self,
        procedure: Procedure,
        what: W,
        descriptor: F,
        arguments: impl FnOnce(&mut Writer<'_>),
    ) -> Span {
        let span = self.send(procedure, rpc::CALL_WITH_FDS, Some(what), |writer| {
            arguments(writer.u32(1));
        });
        self.out.push(Some(descriptor), |out| out.push(0));
        Span { start: span.start, len: span.len.saturating_add(1) }
    }

    /// Takes back the last call that has this purpose: nothing of it is written.
    pub(super) fn take_back(&mut self, span: Span, is: impl Fn(&W) -> bool) {
        self.out.take_back(span);
        if let Some(at) = self.calls.iter().rposition(|call| call.what.as_ref().is_some_and(&is)) {
            self.calls.remove(at);
        }
    }

    /// Takes leave of the daemon.
    pub(super) fn close(&mut self) {
        if self.phase == Phase::Ready {
            self.step(Phase::Closing, remote::CONNECT_CLOSE, |_| {});
        } else if self.phase != Phase::Closing {
            self.phase = Phase::Closed;
        }
    }

    /// Bytes came: a long packet takes its time, and the answer to a ping comes behind it.
    pub(super) fn heard(&mut self) {
        self.heard = true;
        self.pings = 0;
    }

    /// A packet came. `first`: it is the connection that tells lifecycle events.
    pub(super) fn incoming(
        &mut self,
        header: Header,
        payload: &[u8],
        settings: &Settings,
        first: bool,
    ) -> Result<Incoming<W>> {
        let procedure = Procedure { program: header.program, number: header.procedure };
        match header.kind {
            rpc::REPLY | rpc::REPLY_WITH_FDS => {}
            rpc::MESSAGE if header.program == rpc::KEEPALIVE => {
                if header.procedure == rpc::PING {
                    self.out.push(None, |out| rpc::keepalive(out, rpc::PONG));
                }
                return Ok(Incoming::Nothing);
            }
            rpc::MESSAGE => return Ok(Incoming::Message(procedure)),
            // Daemons do not call, and we open no streams.
            _ => return Ok(Incoming::Nothing),
        }
        let own = |call: &Call<W>| call.serial == header.serial && call.procedure == procedure;
        let Some(at) = self.calls.iter().position(own) else { return Ok(Incoming::Nothing) };
        let call = self.calls.remove(at);
        let outcome = match header.status {
            rpc::OK => Ok(()),
            rpc::ERROR => Err(RemoteError::read(payload)?),
            other => return Err(Error::new(Code::Protocol, format!("a reply has status {other}, expected 0 or 1"))),
        };
        match call.what {
            Some(what) => Ok(Incoming::Answer(what, outcome)),
            None => self.stepped(payload, outcome, settings, first),
        }
    }

    /// The answer to a step of the opening, or to the end.
    fn stepped(
        &mut self,
        payload: &[u8],
        outcome: std::result::Result<(), RemoteError>,
        settings: &Settings,
        first: bool,
    ) -> Result<Incoming<W>> {
        let refused = |what: &str| outcome.as_ref().map(drop).map_err(|error| fault::of_opening(error, what));
        match self.phase {
            Phase::AuthList => {
                // A daemon so old that it does not know the question asks for nothing (error 3).
                let unknown = outcome.as_ref().is_err_and(|error| error.code == 3);
                let wanted = if unknown {
                    Vec::new()
                } else {
                    refused("to say how to log in").and_then(|()| Auth::read_list(payload))?
                };
                self.authenticate(&wanted, settings)?;
            }
            Phase::SaslInit | Phase::SaslStart | Phase::SaslStep => self.log_in(payload, outcome, settings)?,
            Phase::Polkit => {
                refused("to let us in (polkit)").map_err(|why| why.with_code(Code::Auth))?;
                remote::read_number(payload, "polkit's answer")?;
                self.open(settings);
            }
            Phase::Open => {
                refused(&format!("to open {}", settings.name))?;
                if self.line.is_unix {
                    let feature = |writer: &mut Writer<'_>| {
                        writer.i32(remote::FEATURE_FD_PASSING);
                    };
                    self.step(Phase::Feature, remote::CONNECT_SUPPORTS_FEATURE, feature);
                } else {
                    return Ok(self.features_known(first));
                }
            }
            Phase::Feature => {
                // A daemon that does not know a feature does not have it.
                self.fds = outcome.is_ok() && remote::read_number(payload, "the answer about a feature")? != 0;
                return Ok(self.features_known(first));
            }
            Phase::Lifecycle => {
                // Some may not listen to all domains: they are told less, and that is all.
                self.lifecycle = match outcome {
                    Ok(()) => Some(remote::read_number(payload, "the number of a registration")?),
                    Err(_) => None,
                };
                self.phase = Phase::Ready;
                return Ok(Incoming::Ready);
            }
            Phase::Closing => self.phase = Phase::Closed,
            Phase::Dialling | Phase::Ready | Phase::Closed => {}
        }
        Ok(Incoming::Nothing)
    }

    fn authenticate(&mut self, offered: &[Auth], settings: &Settings) -> Result<()> {
        match settings.login.choose(offered, self.line.is_private)? {
            Way::Open => self.open(settings),
            Way::Polkit => self.step(Phase::Polkit, remote::AUTH_POLKIT, |_| {}),
            Way::Sasl => self.step(Phase::SaslInit, remote::AUTH_SASL_INIT, |_| {}),
        }
        Ok(())
    }

    /// The answer to a step of a login by SASL.
    fn log_in(
        &mut self,
        payload: &[u8],
        outcome: std::result::Result<(), RemoteError>,
        settings: &Settings,
    ) -> Result<()> {
        let Some(exchange) = &mut self.exchange else {
            outcome.map_err(|why| fault::of_login(&why, "SASL"))?;
            let (exchange, first) = Exchange::begin(remote::read_mechanisms(payload)?, &settings.login)?;
            let name = exchange.name;
            self.exchange = Some(exchange);
            self.step(Phase::SaslStart, remote::AUTH_SASL_START, |writer| {
                remote::write_sasl(writer.string(&[name.as_bytes()]), &first);
            });
            return Ok(());
        };
        if let Err(why) = outcome {
            let message = exchange.shown(&why.message, &settings.login);
            return Err(fault::of_login(&RemoteError { message, ..why }, exchange.name));
        }
        match exchange.answer(&SaslAnswer::read(payload)?)? {
            Next::Send(data) => {
                self.step(Phase::SaslStep, remote::AUTH_SASL_STEP, |writer| remote::write_sasl(writer, &data));
            }
            Next::Done => {
                self.exchange = None;
                // Behind SASL libvirt reads ahead (virNetSocketReadSASL), and what comes with a byte of it is lost.
                self.line.is_unix = false;
                self.open(settings);
            }
        }
        Ok(())
    }

    fn open(&mut self, settings: &Settings) {
        let flags = u32::from(settings.read_only);
        self.step(Phase::Open, remote::CONNECT_OPEN, |writer| {
            writer.some_string(settings.name.as_bytes()).u32(flags);
        });
    }

    fn features_known(&mut self, first: bool) -> Incoming<W> {
        if first {
            self.step(Phase::Lifecycle, remote::CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, |writer| {
                writer.i32(remote::EVENT_LIFECYCLE).u32(0);
            });
            return Incoming::Nothing;
        }
        self.phase = Phase::Ready;
        Incoming::Ready
    }

    fn step(&mut self, phase: Phase, procedure: Procedure, arguments: impl FnOnce(&mut Writer<'_>)) {
        self.phase = phase;
        self.send(procedure, rpc::CALL, None, arguments);
    }

    fn send(
        &mut self,
        procedure: Procedure,
        kind: i32,
        what: Option<W>,
        arguments: impl FnOnce(&mut Writer<'_>),
    ) -> Span {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        self.calls.push(Call { serial, procedure, what });
        let Procedure { program, number } = procedure;
        let header = Header { program, procedure: number, kind, serial, status: rpc::OK };
        self.out.push(None, |out| rpc::packet(out, header, arguments))
    }

    /// When [`Conn::keep_alive`] has something to do.
    pub(super) fn check_at(&self) -> Option<Instant> {
        self.check.filter(|_| matches!(self.phase, Phase::Ready))
    }

    /// Sends a ping if the daemon has been silent; an error if it has left too many without an answer.
    ///
    /// Calls that wait for a stopped QEMU do not matter: with at most [`PLACES`] of them the daemon goes on reading.
    pub(super) fn keep_alive(&mut self, now: Instant, settings: &Settings) -> Result<()> {
        let Some(interval) = settings.interval.filter(|_| self.check_at().is_some_and(|at| at <= now)) else {
            return Ok(());
        };
        self.check = now.checked_add(interval);
        if std::mem::take(&mut self.heard) {
            return Ok(());
        }
        if self.pings >= settings.count {
            let text = format!("the daemon left {} keepalive pings without an answer", self.pings);
            return Err(Error::new(Code::Disconnected, text));
        }
        self.pings = self.pings.saturating_add(1);
        self.out.push(None, |out| rpc::keepalive(out, rpc::PING));
        Ok(())
    }
}
