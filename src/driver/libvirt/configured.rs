//! What a name, or none, stands for: an alias, or the default URI (libvirt: docs/uri, "Configuring URI aliases" and
//! "Default URI choice").

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::error::{Code, Error, Result};
use crate::target::conf::Conf;

/// The URI that an alias, or an empty name, stands for. Reads a file: call it with no lock held.
pub fn uri_of(alias: &str) -> Result<String> {
    let file = file();
    let conf = file.as_ref().and_then(|file| fs::read_to_string(file).ok()).map(|text| Conf::read(&text));
    let conf = conf.unwrap_or_default();
    if !alias.is_empty() {
        let found = conf.aliases.into_iter().find(|(name, _)| name == alias).map(|(_, uri)| uri);
        return found.ok_or_else(|| {
            let place = file.map(|file| file.display().to_string()).unwrap_or_default();
            let text = format!("there is no alias \"{alias}\" among the uri_aliases of {place}");
            Error::new(Code::InvalidArgument, text)
        });
    }
    let from_environment = env::var("LIBVIRT_DEFAULT_URI").ok().filter(|uri| !uri.is_empty());
    Ok(from_environment.or(conf.default).unwrap_or_else(|| {
        // libvirt tries what there is; that comes to the same.
        let uri = if crate::sys::is_root() { "qemu:///system" } else { "qemu:///session" };
        uri.to_owned()
    }))
}

/// The client's configuration.
fn file() -> Option<PathBuf> {
    if crate::sys::is_root() {
        return Some("/etc/libvirt/libvirt.conf".into());
    }
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    folder.map(|folder| folder.join("libvirt/libvirt.conf"))
}
