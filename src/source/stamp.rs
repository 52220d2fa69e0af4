//! Fingerprints: one short hash over many parts. Not for secrets and never shown to a reader.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Collects parts; two different lists of parts never give the same bytes to the hash.
#[derive(Default)]
pub(super) struct Stamp(Sha256);

impl Stamp {
    /// Adds a part. Its length goes before it, so that no part can pose as two.
    pub(super) fn part(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds a part that may be absent; absent and empty differ.
    pub(super) fn maybe(&mut self, part: Option<&str>) {
        match part {
            Some(part) => self.part(part),
            None => self.0.update(u64::MAX.to_le_bytes()),
        }
    }

    /// Hex of the first 128 bits of SHA-256.
    pub(super) fn hex(self) -> String {
        self.0.finalize().iter().take(16).fold(String::with_capacity(32), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[Option<&str>]) -> String {
        let mut stamp = Stamp::default();
        for part in parts {
            stamp.maybe(*part);
        }
        stamp.hex()
    }

    #[test]
    fn parts_cannot_flow_into_each_other() {
        assert_eq!(of(&[Some("ab"), Some("c")]), of(&[Some("ab"), Some("c")]));
        assert_ne!(of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")]));
        assert_ne!(of(&[Some("ab"), None]), of(&[Some("ab"), Some("")]));
        assert_eq!(of(&[]).len(), 32);
    }
}
