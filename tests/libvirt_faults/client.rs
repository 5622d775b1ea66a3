//! A monitor whose reactor turns on a thread of its own, so that the test can play the peer.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use qmp::error::{Code, Error, Result};
use qmp::monitor::stream::Events;
use qmp::monitor::{Monitor, Reactor, Timeout};
use qmp::sys::buffer::Buffer;
use qmp::sys::text::Text;
use serde_json::Value;

use super::rpc_peer::{Daemon, Peer};

pub const SOON: Timeout = Timeout::Millis(20_000);
pub const STATUS: &str = r#"{"execute":"query-status"}"#;
/// What a peer answers to it, as libvirt writes it.
pub const ANSWER: &str = r#"{"return":{"running":true},"id":"libvirt-12"}"#;

/// What will come of something that was started.
pub struct Outcome<T>(Receiver<Result<T>>);

impl<T> Outcome<T> {
    pub fn wait(&self) -> Result<T> {
        self.0.recv_timeout(Duration::from_secs(30)).expect("no outcome in time")
    }

    pub fn is_open(&self) -> bool {
        self.0.try_recv().is_err()
    }
}

impl Outcome<Buffer> {
    /// The reply, parsed.
    pub fn reply(&self) -> Value {
        let reply = self.wait().unwrap_or_else(|why| panic!("{why}"));
        serde_json::from_slice(reply.as_bytes()).unwrap()
    }
}

impl<T: std::fmt::Debug> Outcome<T> {
    pub fn error(&self, code: Code) -> Error {
        let error = self.wait().expect_err("it went well");
        assert_eq!(error.code(), code, "{error}");
        error
    }
}

pub struct Client {
    pub monitor: Arc<Monitor>,
    pub events: Arc<Events>,
    reactor: Arc<Reactor>,
}

impl Client {
    /// For the peer's domain `vm`.
    pub fn new(peer: &Peer) -> Client {
        Client::of(&peer.target("vm"))
    }

    pub fn of(target: &str) -> Client {
        let reactor = Reactor::new().unwrap();
        reactor.start().unwrap();
        Client::made(reactor, target)
    }

    /// Another one on the same reactor.
    pub fn beside(&self, target: &str) -> Client {
        Client::made(Arc::clone(&self.reactor), target)
    }

    fn made(reactor: Arc<Reactor>, target: &str) -> Client {
        let monitor = Monitor::new(Some(&reactor), target).unwrap();
        let events = monitor.events(None).unwrap();
        Client { monitor, events, reactor }
    }

    pub fn set(&self, option: &str, value: &str) {
        self.monitor.set(option, value).unwrap();
    }

    pub fn connect(&self) -> Outcome<()> {
        self.connect_within(SOON)
    }

    pub fn connect_within(&self, timeout: Timeout) -> Outcome<()> {
        let (sender, outcome) = channel();
        let done = Box::new(move |_: &Arc<Monitor>, result| drop(sender.send(result)));
        self.monitor.connect_start(timeout, done).unwrap();
        Outcome(outcome)
    }

    pub fn start(&self, request: &str) -> Outcome<Buffer> {
        self.start_within(request, SOON)
    }

    pub fn start_within(&self, request: &str, timeout: Timeout) -> Outcome<Buffer> {
        let (sender, outcome) = channel();
        let done =
            Box::new(move |_: &Arc<Monitor>, result: Result<Text<'_>>| drop(sender.send(result.map(Buffer::from))));
        self.monitor.start(request.as_bytes(), &[], timeout, done).unwrap();
        Outcome(outcome)
    }

    /// The next event.
    pub fn event(&self) -> Value {
        serde_json::from_slice(self.events.next(SOON).unwrap_or_else(|why| panic!("{why}")).as_bytes()).unwrap()
    }

    /// The next event has this name.
    pub fn expect_event(&self, name: &str) -> Value {
        let event = self.event();
        assert_eq!(event["event"].as_str(), Some(name), "{event}");
        event
    }

    /// A command goes there and back: the link is well.
    pub fn works(&self, daemon: &mut Daemon) {
        let outcome = self.start(STATUS);
        let call = daemon.next_command();
        assert_eq!(call.command(), STATUS);
        daemon.answer(&call, ANSWER);
        assert_eq!(outcome.reply()["return"]["running"], true);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        Arc::clone(&self.monitor).free();
    }
}

/// A monitor that is connected, its daemon, and the ids of the callbacks that are registered: for lifecycle events, and
/// for QEMU's.
pub struct Connected {
    pub client: Client,
    pub daemon: Daemon,
    pub lifecycle: u32,
    pub qemu: u32,
}

pub fn connected(peer: &Peer) -> Connected {
    connected_with(peer, &[])
}

pub fn connected_with(peer: &Peer, options: &[(&str, &str)]) -> Connected {
    let client = Client::new(peer);
    options.iter().for_each(|(name, value)| client.set(name, value));
    let connecting = client.connect();
    let mut daemon = peer.accept();
    let (lifecycle, qemu) = daemon.open();
    connecting.wait().unwrap_or_else(|why| panic!("{why}"));
    client.expect_event("LIBQMP_CONNECTED");
    Connected { client, daemon, lifecycle, qemu }
}
