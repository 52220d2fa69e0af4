//! What stands for a person or a request outside of the database: in links and in message ids. Never a row's number.

use std::fmt;

use sha2::{Digest, Sha256};

/// Set in every drawn id, so that none meets a row's number: those stand for whoever came before ids were drawn.
const DRAWN: i64 = 1 << 62;

/// A number drawn by chance. A database that was restored from a backup counts its rows anew from there, and would give
/// a row's number to a second person whose mailbox is not the first one's; this it does not give twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicId(pub i64);

impl PublicId {
    /// An id from 128 bits of chance. What it is for is mixed in, so that the ids of one request differ.
    ///
    /// # Panics
    /// Never: a hash is long enough.
    #[must_use]
    pub fn drawn(chance: [u8; 16], of: &str) -> Self {
        let hash = Sha256::new().chain_update(chance).chain_update(of).finalize();
        let bytes: [u8; 8] = hash[..8].try_into().expect("a hash has more than eight bytes");
        Self((i64::from_be_bytes(bytes) & (DRAWN - 1)) | DRAWN)
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_drawn_id_is_a_rows_number_or_another_drawn_one() {
        let all: std::collections::HashSet<i64> = (0..10_000_u128)
            .flat_map(|n| ["person", "request"].map(|of| PublicId::drawn(n.to_be_bytes(), of).0))
            .collect();
        assert_eq!(all.len(), 20_000);
        assert!(all.iter().all(|id| *id >= DRAWN));
    }
}
