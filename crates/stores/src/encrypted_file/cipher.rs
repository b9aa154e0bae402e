//! AES-256-GCM as the format uses it: nonce, ciphertext, tag; no associated data.

use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _, Nonce, aead::consts::U12};
use modelmesh_secrets::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// A key, wiped when dropped.
pub(super) type Key = Zeroizing<[u8; 32]>;

pub(super) const NONCE: usize = 12;
pub(super) const TAG: usize = 16;

/// The plaintext of `data`; none if it was sealed with another key, or changed since.
pub(super) fn open(key: &Key, mut data: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let nonce: Nonce<U12> = data.get(..NONCE)?.try_into().ok()?;
    data.drain(..NONCE);
    Aes256Gcm::new((&**key).into()).decrypt_in_place(&nonce, b"", &mut *data).ok()?;
    Some(data)
}

/// `plaintext` sealed under a fresh nonce.
pub(super) fn seal(key: &Key, plaintext: &[u8]) -> Result<Vec<u8>> {
    let nonce = random::<NONCE>()?;
    // Sealed in place: the buffer never grows while it holds plaintext.
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + TAG));
    buffer.extend_from_slice(plaintext);
    Aes256Gcm::new((&**key).into())
        .encrypt_in_place(&nonce.into(), b"", &mut *buffer)
        .map_err(|_| Error::new(ErrorKind::Unsupported, "the secrets are too many for one file"))?;
    Ok([&nonce, buffer.as_slice()].concat())
}

/// Bytes from the system's generator.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| {
        Error::new(ErrorKind::Io, "the system gives no random numbers, so nothing can be encrypted")
    })?;
    Ok(bytes)
}
