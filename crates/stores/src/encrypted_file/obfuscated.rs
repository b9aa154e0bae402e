//! Files that look encrypted and are not: read once, to be moved elsewhere.

use std::path::Path;

use modelmesh_secrets::{Error, ErrorKind, Result, SecretValue, printable};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    KeySource,
    document::{OBFUSCATION, Wrapper},
};
use crate::disk::{MAX_BYTES, read_bounded};

/// The bytes that the obfuscation mixes into its key.
const NONCE: usize = 16;

/// Reads a file of the algorithm `xor-obfuscation`, which existing packages write where they have no
/// cryptography at hand, and warns: whoever has the file has the secrets.
///
/// - Returns the names and values, sorted by name.
/// - Fails with `NotFound` if there is no file, with `Malformed` if it is not such a file, with `Locked` if
///   the key is wrong, and with `Io`.
pub fn import_obfuscated(path: &Path, key: &KeySource) -> Result<Vec<(String, SecretValue)>> {
    let contents = read_bounded(path, MAX_BYTES)?
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no file '{}'", path.display())))?;
    let malformed = |what: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Malformed, format!("'{}' {what}", path.display()))
    };
    let wrapper = Wrapper::parse_as(&contents.bytes, OBFUSCATION).map_err(|what| malformed(&what))?;
    let Some((nonce, mixed)) = wrapper.data.split_at_checked(NONCE) else {
        return Err(malformed(&"was cut short"));
    };
    let key = key.derive(&wrapper.salt, path, false)?;
    let pad: Zeroizing<[u8; 32]> =
        Zeroizing::new(Sha256::new().chain_update(key.as_slice()).chain_update(nonce).finalize().into());
    let plaintext: Zeroizing<Vec<u8>> =
        Zeroizing::new(mixed.iter().zip(pad.iter().cycle()).map(|(byte, pad)| byte ^ pad).collect());
    // The format has no checksum: a wrong key shows in what comes out alone.
    let document = wrapper.document(&plaintext).map_err(|_| {
        Error::new(ErrorKind::Locked, format!("the key does not open '{}'", path.display()))
            .with_help("check the key and 'pbkdf2_iterations'; a damaged file looks the same")
    })?;
    tracing::warn!(
        path = %printable(&path.to_string_lossy()),
        "this file is obfuscated, not encrypted: whoever has seen it can read it, so replace its secrets"
    );
    Ok(document.into_secrets().collect())
}
