//! What a peer says and reads, in XDR (RFC 4506).

/// A domain as libvirt tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    pub name: String,
    pub uuid: [u8; 16],
    /// -1 while it is shut off.
    pub id: i32,
}

impl Domain {
    /// Its UUID is made of its name, so that different names have different ones.
    pub fn new(name: &str, id: i32) -> Domain {
        let mut uuid = [0x5a_u8; 16];
        for (at, byte) in name.bytes().enumerate() {
            uuid[at % 16] = uuid[at % 16].wrapping_mul(31).wrapping_add(byte);
        }
        Domain { name: name.to_owned(), uuid, id }
    }

    pub fn uuid_text(&self) -> String {
        let hex: Vec<_> = self.uuid.iter().map(|byte| format!("{byte:02x}")).collect();
        [&hex[..4], &hex[4..6], &hex[6..8], &hex[8..10], &hex[10..]].map(<[String]>::concat).join("-")
    }
}

/// Grows by what is put in.
#[derive(Clone, Default)]
pub struct Xdr(pub Vec<u8>);

impl Xdr {
    pub fn new() -> Xdr {
        Xdr::default()
    }

    pub fn u32(mut self, value: u32) -> Xdr {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn i32(self, value: i32) -> Xdr {
        self.u32(value as u32)
    }

    pub fn i64(mut self, value: i64) -> Xdr {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn string(self, text: &str) -> Xdr {
        self.bytes(text.as_bytes())
    }

    pub fn bytes(self, bytes: &[u8]) -> Xdr {
        let mut xdr = self.u32(bytes.len() as u32);
        xdr.0.extend(bytes);
        xdr.0.resize(xdr.0.len().next_multiple_of(4), 0);
        xdr
    }

    /// A string that may be missing.
    pub fn optional(self, text: Option<&str>) -> Xdr {
        match text {
            Some(text) => self.u32(1).string(text),
            None => self.u32(0),
        }
    }

    pub fn domain(self, domain: &Domain) -> Xdr {
        let mut xdr = self.string(&domain.name);
        xdr.0.extend(domain.uuid);
        xdr.i32(domain.id)
    }

    /// Code, domain, message, level, no domain, three texts, two numbers, no network.
    pub fn error(self, code: i32, message: &str) -> Xdr {
        let xdr = self.i32(code).i32(10).optional(Some(message)).i32(2).u32(0);
        let xdr = xdr.optional(Some("%s")).optional(Some(message)).optional(None);
        xdr.i32(-1).i32(-1).u32(0)
    }

    /// At 1 second and 2 microseconds; without data where it is empty.
    pub fn monitor_event(self, callback: u32, domain: &Domain, name: &str, data: &str) -> Xdr {
        let data = Some(data).filter(|data| !data.is_empty());
        self.u32(callback).domain(domain).string(name).i64(1).u32(2).optional(data)
    }
}

/// Shrinks by what is taken out.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    fn take(&mut self, len: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at_checked(len).expect("the payload is shorter than what it says");
        self.0 = rest;
        taken.to_vec()
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    pub fn string(&mut self) -> String {
        let len = self.u32() as usize;
        let bytes = self.take(len);
        assert!(self.take(len.next_multiple_of(4) - len).iter().all(|byte| *byte == 0), "padding that is not zero");
        String::from_utf8(bytes).unwrap()
    }

    pub fn uuid(&mut self) -> [u8; 16] {
        self.take(16).try_into().unwrap()
    }

    pub fn domain(&mut self) -> Domain {
        Domain { name: self.string(), uuid: self.uuid(), id: self.u32() as i32 }
    }
}
