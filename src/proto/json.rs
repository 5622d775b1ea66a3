//! An exact JSON scanner (RFC 8259) that can stop at any byte and go on when more has come.
//!
//! It reads one object, without recursion and without looking at a byte twice, and remembers where the interesting
//! members of the outermost object lie. UTF-8 is the caller's to check, on the whole text.

use std::fmt;
use std::ops::Range;

use super::token::{decoded, is_bare, is_number, plain_number, skip_plain};

/// How deep brackets may nest: QEMU's own limit for what it reads, and far beyond what it writes.
pub const MAX_DEPTH: usize = 1024;
/// The longest number; the longest that QEMU writes has 24 characters.
const MAX_NUMBER: usize = 4096;
/// Longer keys are not looked at: the longest that is looked for, all of it escaped, is shorter.
const LONG_KEY: usize = 64;
/// No offset.
const NONE: usize = usize::MAX;
/// The most keys that a scanner looks for.
const MAX_KEYS: usize = 5;

/// How strict the scanner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Requests: exactly JSON, and surrogate escapes in pairs. QEMU answers anything else by an error without id.
    Strict,
    /// What QEMU sends: besides JSON `nan` and `inf`, as it prints doubles that are not finite.
    Peer,
}

/// What is wrong with a text, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The offset of the byte.
    pub at: usize,
    /// What was expected, or found.
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// A member of the outermost object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The value.
    pub value: Range<usize>,
    /// What to cut to leave valid JSON without this member: the member and one comma.
    pub cut: Range<usize>,
}

/// Reads one JSON object in a growing buffer.
#[derive(Debug)]
pub struct Scanner {
    keys: &'static [&'static str],
    mode: Mode,
    state: State,
    /// The next byte to look at.
    pos: usize,
    /// Where the string or number begins that is being read.
    token: usize,
    depth: usize,
    /// One bit a level: set for an object.
    levels: [u64; MAX_DEPTH / 64],
    /// The member of the outermost object that is being read, as an index into `keys`.
    current: usize,
    key_start: usize,
    value_start: usize,
    /// Where the last value of the outermost object ended.
    last_end: usize,
    /// The first member, while what follows it is not known yet.
    first: usize,
    members: [Option<Member>; MAX_KEYS],
    seen: [bool; MAX_KEYS],
    /// The value of the last key in `keys`, if it is a plain number that fits.
    number: Option<u64>,
    tokens: usize,
    /// Every key with the number of its object, for whoever must find duplicates.
    log: Option<KeyLog>,
}

/// Every key of a text.
#[derive(Debug, Default)]
pub struct KeyLog {
    /// The object's number and where its key lies, without the quotes.
    pub keys: Vec<(u32, Range<usize>)>,
    open: Vec<u32>,
    objects: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Value,
    FirstKey,
    Key,
    Colon,
    FirstItem,
    After,
    String { key: bool },
    Bare,
    Done,
}

impl Scanner {
    /// A scanner that looks for these keys (at most five) in the outermost object. The number in the last one is kept.
    pub fn new(keys: &'static [&'static str], mode: Mode) -> Self {
        Scanner {
            keys,
            mode,
            state: State::Start,
            pos: 0,
            token: 0,
            depth: 0,
            levels: [0; MAX_DEPTH / 64],
            current: NONE,
            key_start: NONE,
            value_start: NONE,
            last_end: NONE,
            first: NONE,
            members: [const { None }; MAX_KEYS],
            seen: [false; MAX_KEYS],
            number: None,
            tokens: 0,
            log: None,
        }
    }

    /// Keeps every key, for [`Scanner::log`].
    pub fn with_log(mut self) -> Self {
        self.log = Some(KeyLog::default());
        self
    }

    /// Begins with a new object at this offset.
    pub fn restart(&mut self, at: usize) {
        self.state = State::Start;
        self.pos = at;
        self.depth = 0;
        self.current = NONE;
        self.key_start = NONE;
        self.last_end = NONE;
        self.first = NONE;
        self.members = [const { None }; MAX_KEYS];
        self.seen = [false; MAX_KEYS];
        self.number = None;
        self.tokens = 0;
    }

    /// Reads on. True when the object is complete: [`Scanner::position`] is its end.
    pub fn scan(&mut self, buf: &[u8]) -> Result<bool, Fault> {
        loop {
            let more = match self.state {
                State::Done => return Ok(true),
                State::String { key } => self.string(buf, key)?,
                State::Bare => self.bare(buf)?,
                _ => self.punctuation(buf)?,
            };
            if !more {
                return Ok(false);
            }
        }
    }

    /// The next byte to look at; the end of the object when it is complete.
    pub fn position(&self) -> usize {
        self.pos
    }

    /// The member with this key, by its index, if it was read.
    pub fn member(&self, index: usize) -> Option<&Member> {
        self.members.get(index).and_then(Option::as_ref)
    }

    /// Was this key met, its value read or not?
    pub fn seen(&self, index: usize) -> bool {
        self.seen.get(index).copied().unwrap_or(false)
    }

    /// The value of the last key, if it is a plain number that fits.
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// How many tokens the text has so far, counted as QEMU does.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The keys that were kept.
    pub fn log(&self) -> Option<&KeyLog> {
        self.log.as_ref()
    }

    /// The earliest byte that is still needed when the text itself is not.
    pub fn keep_from(&self) -> usize {
        // A number is bounded; a key longer than this is none that anybody looks for.
        let wanted = match self.state {
            State::String { key: true } => self.depth == 1 && self.pos.saturating_sub(self.token) <= LONG_KEY,
            State::Bare => true,
            _ => false,
        };
        if wanted { self.token } else { self.pos }
    }

    /// The owner dropped `n` bytes from the front of the buffer.
    pub fn shift(&mut self, n: usize) {
        for at in [&mut self.pos, &mut self.token, &mut self.key_start, &mut self.value_start, &mut self.last_end] {
            if *at != NONE {
                *at = at.saturating_sub(n);
            }
        }
        for member in self.members.iter_mut().flatten() {
            for range in [&mut member.value, &mut member.cut] {
                *range = range.start.saturating_sub(n)..range.end.saturating_sub(n);
            }
        }
    }

    fn is_number_key(&self) -> bool {
        self.current != NONE && self.current == self.keys.len().wrapping_sub(1)
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault { at: self.pos, what })
    }

    /// White space, then one byte that is not inside a string or a bare token. False: the buffer is at its end.
    fn punctuation(&mut self, buf: &[u8]) -> Result<bool, Fault> {
        let byte = loop {
            match buf.get(self.pos) {
                None => return Ok(false),
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.pos = self.pos.wrapping_add(1),
                Some(byte) => break *byte,
            }
        };
        match (self.state, byte) {
            (State::Start, b'{') => self.open(true)?,
            (State::Start, _) => return self.fault("expected '{'"),
            (State::FirstKey | State::Key, b'"') => self.begin_key(),
            (State::FirstKey, b'}') | (State::FirstItem, b']') => self.close(buf),
            (State::FirstKey, _) => return self.fault("expected a member or '}'"),
            (State::Key, _) => return self.fault("expected a member"),
            (State::Colon, b':') => {
                self.advance();
                self.state = State::Value;
            }
            (State::Colon, _) => return self.fault("expected ':'"),
            (State::Value | State::FirstItem, _) => return self.begin_value(byte).map(|()| true),
            (State::After, b',') => {
                self.advance();
                self.state = if self.in_object() { State::Key } else { State::Value };
            }
            (State::After, b'}') if self.in_object() => self.close(buf),
            (State::After, b']') if !self.in_object() => self.close(buf),
            (State::After, _) if self.in_object() => return self.fault("expected ',' or '}'"),
            (State::After, _) => return self.fault("expected ',' or ']'"),
            (State::String { .. } | State::Bare | State::Done, _) => {}
        }
        Ok(true)
    }

    fn advance(&mut self) {
        self.pos = self.pos.wrapping_add(1);
        self.tokens = self.tokens.wrapping_add(1);
    }

    fn begin_key(&mut self) {
        if self.depth == 1 {
            if let Some(member) = self.members.get_mut(self.first).and_then(Option::as_mut) {
                // The first member is cut together with the comma behind it.
                member.cut.end = self.pos;
            }
            self.first = NONE;
            self.key_start = self.pos;
        }
        self.token = self.pos;
        self.state = State::String { key: true };
        self.advance();
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), Fault> {
        if self.depth == 1 {
            self.value_start = self.pos;
        }
        match byte {
            b'{' => self.open(true),
            b'[' => self.open(false),
            b'"' => {
                self.token = self.pos;
                self.state = State::String { key: false };
                self.advance();
                Ok(())
            }
            _ if is_bare(byte) => {
                self.token = self.pos;
                self.state = State::Bare;
                self.advance();
                Ok(())
            }
            _ => self.fault("expected a value"),
        }
    }

    fn open(&mut self, object: bool) -> Result<(), Fault> {
        let (word, bit) = (self.depth / 64, 1u64 << (self.depth % 64));
        let Some(levels) = self.levels.get_mut(word) else { return self.fault("brackets nest too deep") };
        *levels = if object { *levels | bit } else { *levels & !bit };
        self.depth = self.depth.wrapping_add(1);
        self.state = if object { State::FirstKey } else { State::FirstItem };
        self.advance();
        if let Some(log) = self.log.as_mut().filter(|_| object) {
            log.objects = log.objects.wrapping_add(1);
            log.open.push(log.objects);
        }
        Ok(())
    }

    fn close(&mut self, buf: &[u8]) {
        if self.in_object() {
            if let Some(log) = &mut self.log {
                log.open.pop();
            }
        }
        self.advance();
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 { self.state = State::Done } else { self.value_ended(buf) }
    }

    fn in_object(&self) -> bool {
        let level = self.depth.wrapping_sub(1);
        self.levels.get(level / 64).is_some_and(|word| word >> (level % 64) & 1 == 1)
    }

    fn value_ended(&mut self, buf: &[u8]) {
        self.state = State::After;
        if self.depth != 1 {
            return;
        }
        let end = self.pos;
        if self.is_number_key() {
            self.number = buf.get(self.value_start..end).and_then(plain_number);
        }
        let is_first = self.last_end == NONE;
        if let Some(place) = self.members.get_mut(self.current) {
            let start = if is_first { self.key_start } else { self.last_end };
            *place = Some(Member { value: self.value_start..end, cut: start..end });
            if is_first {
                self.first = self.current;
            }
        }
        self.last_end = end;
        self.current = NONE;
    }

    /// Inside a string: on to its end. False: the buffer ends first.
    fn string(&mut self, buf: &[u8], key: bool) -> Result<bool, Fault> {
        loop {
            self.pos = skip_plain(buf, self.pos);
            match buf.get(self.pos) {
                None => return Ok(false),
                Some(b'"') => {
                    self.pos = self.pos.wrapping_add(1);
                    if key {
                        self.key_ended(buf)?
                    } else {
                        self.value_ended(buf)
                    }
                    return Ok(true);
                }
                Some(b'\\') => {
                    if !self.escape(buf)? {
                        return Ok(false);
                    }
                }
                Some(_) => return self.fault("a control character in a string"),
            }
        }
    }

    /// An escape sequence. False: the buffer ends inside it, and it is read again from its start.
    fn escape(&mut self, buf: &[u8]) -> Result<bool, Fault> {
        let at = self.pos;
        let rest = buf.get(at..).unwrap_or_default();
        match rest.get(1) {
            None => return Ok(false),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.pos = at.wrapping_add(2);
                return Ok(true);
            }
            Some(b'u') => {}
            Some(_) => return self.fault("an unknown escape in a string"),
        }
        let Some(unit) = self.hex(rest, 2)? else { return Ok(false) };
        self.pos = at.wrapping_add(6);
        if self.mode == Mode::Peer || !(0xd800..0xe000).contains(&unit) {
            return Ok(true);
        }
        self.pos = at;
        if unit >= 0xdc00 {
            return self.fault("a lone surrogate escape");
        }
        for (index, wanted) in [(6, b'\\'), (7, b'u')] {
            match rest.get(index) {
                None => return Ok(false),
                Some(byte) if *byte == wanted => {}
                Some(_) => return self.fault("a lone surrogate escape"),
            }
        }
        let Some(low) = self.hex(rest, 8)? else { return Ok(false) };
        if !(0xdc00..0xe000).contains(&low) {
            return self.fault("a lone surrogate escape");
        }
        self.pos = at.wrapping_add(12);
        Ok(true)
    }

    /// Four hexadecimal digits. `None`: the buffer ends inside them.
    fn hex(&self, rest: &[u8], from: usize) -> Result<Option<u32>, Fault> {
        let mut unit = 0u32;
        for index in from..from.wrapping_add(4) {
            let Some(byte) = rest.get(index) else { return Ok(None) };
            let Some(digit) = char::from(*byte).to_digit(16) else { return self.fault("expected four hex digits") };
            unit = unit << 4 | digit;
        }
        Ok(Some(unit))
    }

    fn key_ended(&mut self, buf: &[u8]) -> Result<(), Fault> {
        self.state = State::Colon;
        let span = self.token.saturating_add(1)..self.pos.saturating_sub(1);
        if let Some(log) = &mut self.log {
            let object = log.open.last().copied().unwrap_or(0);
            log.keys.push((object, span.clone()));
        }
        if self.depth != 1 {
            return Ok(());
        }
        let key = buf.get(span).unwrap_or_default();
        let found = if key.contains(&b'\\') {
            let key = decoded(key);
            self.keys.iter().position(|known| known.as_bytes() == key)
        } else {
            self.keys.iter().position(|known| known.as_bytes() == key)
        };
        self.current = found.unwrap_or(NONE);
        if let Some(seen) = self.seen.get_mut(self.current) {
            if std::mem::replace(seen, true) {
                return self.fault("a second member of the same name");
            }
        }
        Ok(())
    }

    /// A number or a literal: on to its end. False: it may go on behind the buffer.
    fn bare(&mut self, buf: &[u8]) -> Result<bool, Fault> {
        let rest = buf.get(self.pos..).unwrap_or_default();
        let more = rest.iter().position(|byte| !is_bare(*byte));
        self.pos = self.pos.wrapping_add(more.unwrap_or(rest.len()));
        if self.pos.wrapping_sub(self.token) > MAX_NUMBER {
            return self.fault("a number is too long");
        }
        if more.is_none() {
            return Ok(false);
        }
        let text = buf.get(self.token..self.pos).unwrap_or_default();
        let literal = matches!(text, b"true" | b"false" | b"null");
        let special = self.mode == Mode::Peer && matches!(text, b"nan" | b"-nan" | b"inf" | b"-inf");
        if !literal && !special && !is_number(text) {
            return Err(Fault { at: self.token, what: "expected a value" });
        }
        self.value_ended(buf);
        Ok(true)
    }
}
