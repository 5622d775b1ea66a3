//! Domains that can be taken for one another: numbers, UUIDs and `id:` as names.

use std::sync::Arc;

use super::{Domain, Libvirtd};

pub struct LookAlikes {
    first: Domain,
    number: String,
    named_like_number: Domain,
    named_like_id: Domain,
    named_like_uuid: Domain,
}

impl LookAlikes {
    pub fn running(daemon: &Arc<Libvirtd>) -> LookAlikes {
        let first = Domain::running(daemon, "first");
        let number = first.id();
        let named_like_number = Domain::running(daemon, &number);
        let named_like_id = Domain::running(daemon, &format!("id:{number}"));
        let named_like_uuid = Domain::running(daemon, first.uuid());
        let others = [&named_like_number, &named_like_id, &named_like_uuid];
        assert!(others.iter().all(|domain| domain.id() != number));
        LookAlikes { first, number, named_like_number, named_like_id, named_like_uuid }
    }

    /// Fragments of targets, and the one domain that each stands for.
    pub fn cases(&self) -> [(String, &Domain); 8] {
        let (first, number) = (&self.first, &self.number);
        [
            (format!("id:{number}"), first),
            (number.clone(), &self.named_like_number),
            (format!("id%3A{number}"), &self.named_like_id),
            (format!("id%3a{number}"), &self.named_like_id),
            (first.uuid().to_owned(), first),
            (first.uuid().to_uppercase(), first),
            (self.named_like_uuid.uuid().to_owned(), &self.named_like_uuid),
            ("f%69rst".to_owned(), first),
        ]
    }
}
