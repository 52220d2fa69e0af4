//! How what is kept for every feed and seldom looked at is packed: documents that say the same three times, articles for a
//! page. Knows nothing of what it packs.

use bytes::Bytes;

/// Together with matches over any distance this is both faster and denser than the levels above it without them: the three
/// documents of a version repeat each other farther back than a level of this kind looks (`benches/README.md`).
const LEVEL: i32 = 3;

/// Bytes, packed.
#[derive(Clone, Debug, Default)]
pub struct Pack {
    bytes: Bytes,
    length: usize,
}

impl Pack {
    /// Packs bytes. Takes milliseconds for a megabyte; never call it on a thread that answers.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn of(bytes: &[u8]) -> std::io::Result<Self> {
        let mut packer = zstd::bulk::Compressor::new(LEVEL)?;
        packer.long_distance_matching(true)?;
        let packed = packer.compress(bytes)?;
        Ok(Self { bytes: Bytes::from(packed.into_boxed_slice()), length: bytes.len() })
    }

    /// The bytes as they were.
    #[must_use]
    pub fn unpack(&self) -> Vec<u8> {
        if self.length == 0 {
            return Vec::new();
        }
        // Made by `of`, so there is nothing in it that could not be read.
        zstd::bulk::decompress(&self.bytes, self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_out_as_it_was() {
        for bytes in [Vec::new(), b"loa".to_vec(), b"tin ".repeat(100_000)] {
            assert_eq!(Pack::of(&bytes).expect("packed").unpack(), bytes);
        }
        assert!(Pack::default().unpack().is_empty());
    }

    #[test]
    fn a_document_that_comes_thrice_takes_little_more_room_than_once() {
        // Words without an order, so that nothing repeats but the whole.
        let mut seed = 7_u64;
        let one: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            b'a' + u8::try_from((seed >> 33) % 26).expect("below 26")
        })
        .take(300_000)
        .collect();
        let room = |bytes: &[u8]| Pack::of(bytes).expect("packed").bytes.len();
        assert!(room(&one.repeat(3)) * 10 < room(&one) * 11);
    }
}
