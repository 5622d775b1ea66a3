//! The list of a hypervisor's domains, as JSON.

use super::libvirt::Uuid;
use super::tell::Answer;
use crate::error::{Code, Delivery, Error, Result};

/// A JSON array of objects, sorted by name: name, UUID, id (-1 while it is shut off) and state of each.
pub(super) fn json<'a>(domains: impl Iterator<Item = (&'a [u8], Uuid, i32, &'static str)>) -> Vec<u8> {
    let mut sorted: Vec<_> = domains.collect();
    sorted.sort();
    let mut out = b"[".to_vec();
    for (i, (name, uuid, id, state)) in sorted.into_iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let name = serde_json::Value::from(String::from_utf8_lossy(name));
        let object = format!("{comma}{{\"name\":{name},\"uuid\":\"{uuid}\",\"id\":{id},\"state\":\"{state}\"}}");
        out.extend_from_slice(object.as_bytes());
    }
    out.push(b']');
    out
}

/// The list as an answer, if it is not over the limit.
pub(super) fn answer(json: &[u8], limit: usize) -> Result<Answer<'_>> {
    if json.len() > limit {
        let text = format!("the list has {} bytes, the option max-message allows {limit}", json.len());
        return Err(Error::new(Code::Limit, text).with_delivery(Delivery::Answered));
    }
    Ok([json, b"", b"", b""])
}
