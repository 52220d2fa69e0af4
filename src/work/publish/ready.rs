//! Bytes that are ready to be sent, in every coding: each is made once, by whoever asks first, off the threads that answer.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

/// Documents shorter than this gain nothing that counts from brotli or zstd over gzip.
const SMALL: usize = 4_096;

/// Chosen by measuring (`benches/README.md`): the next steps cost ten times the time for a few percent.
const GZIP: u32 = 6;
const BROTLI: i32 = 6;
const ZSTD: i32 = 9;

/// Content codings (RFC 9110 §8.4.1, RFC 7932, RFC 8878).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// `gzip`
    Gzip,
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
}

impl Coding {
    /// The compressed ones, the densest first: what is sent to those who take all alike.
    pub const DENSEST: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// The word in `Content-Encoding`; nothing for identity.
    #[must_use]
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// What a file's name ends in when it holds this coding; nothing for identity.
    #[must_use]
    pub const fn ending(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gz"),
            Self::Brotli => Some("br"),
            Self::Zstd => Some("zst"),
        }
    }
}

/// One document, ready to be sent.
#[derive(Debug)]
pub struct Ready {
    /// Media type with its charset.
    pub content_type: &'static str,
    /// Weak entity tag: one for a version, whatever the coding (RFC 9110 §8.8.1).
    pub etag: String,
    /// The bytes as they are.
    pub identity: Bytes,
    /// The same, compressed by gzip; empty if that came to nothing.
    pub gzip: Bytes,
    brotli: OnceCell<Bytes>,
    zstd: OnceCell<Bytes>,
}

impl Ready {
    /// Makes bytes ready: hashed and compressed by gzip. Takes milliseconds; never call it on a thread that answers.
    #[must_use]
    pub fn new(content_type: &'static str, bytes: Vec<u8>) -> Self {
        let etag = etag(&bytes);
        Self::tagged(content_type, etag, bytes)
    }

    /// As [`Ready::new`], under a tag that is not the hash of these bytes: a delta carries the tag of the whole.
    #[must_use]
    pub fn tagged(content_type: &'static str, etag: String, bytes: Vec<u8>) -> Self {
        let gzip = compress(Coding::Gzip, &bytes);
        Self { content_type, etag, gzip, identity: bytes.into(), brotli: OnceCell::new(), zstd: OnceCell::new() }
    }

    /// The bytes in a coding, compressed now if nobody asked before. Where a coding would not make them shorter than
    /// gzip, the best that is there; the coding that it came to stands beside the bytes.
    pub async fn coded(&self, coding: Coding) -> (Coding, Bytes) {
        let cell = match coding {
            Coding::Brotli if self.identity.len() >= SMALL => &self.brotli,
            Coding::Zstd if self.identity.len() >= SMALL => &self.zstd,
            _ => return self.coded_now(coding),
        };
        let plain = self.identity.clone();
        let made = cell
            .get_or_init(|| async move {
                tokio::task::spawn_blocking(move || compress(coding, &plain)).await.unwrap_or_default()
            })
            .await;
        if made.is_empty() { (Coding::Identity, self.identity.clone()) } else { (coding, made.clone()) }
    }

    /// The same, if it is there already.
    #[must_use]
    pub fn coded_before(&self, coding: Coding) -> Option<(Coding, Bytes)> {
        let cell = match coding {
            Coding::Brotli if self.identity.len() >= SMALL => &self.brotli,
            Coding::Zstd if self.identity.len() >= SMALL => &self.zstd,
            _ => return Some(self.coded_now(coding)),
        };
        cell.get().filter(|made| !made.is_empty()).map(|made| (coding, made.clone()))
    }

    fn coded_now(&self, coding: Coding) -> (Coding, Bytes) {
        if coding == Coding::Gzip && !self.gzip.is_empty() {
            (Coding::Gzip, self.gzip.clone())
        } else {
            (Coding::Identity, self.identity.clone())
        }
    }

    /// Codings that small documents have: a coding that is not kept for them is answered by identity, so it is better not
    /// to choose it.
    #[must_use]
    pub fn offers(&self, coding: Coding) -> bool {
        match coding {
            Coding::Identity => true,
            Coding::Gzip => !self.gzip.is_empty(),
            Coding::Brotli | Coding::Zstd => self.identity.len() >= SMALL,
        }
    }

    /// Compresses in the codings that readers of the version before this asked for, so that none of them waits. Takes
    /// tens of milliseconds; never call it on a thread that answers.
    pub fn prepare_as(&self, before: &Self) {
        for (own, theirs, coding) in
            [(&self.brotli, &before.brotli, Coding::Brotli), (&self.zstd, &before.zstd, Coding::Zstd)]
        {
            if theirs.initialized() && self.offers(coding) {
                // Somebody was faster: the same bytes.
                let _ = own.set(compress(coding, &self.identity));
            }
        }
    }

    /// Bytes of memory that it takes, with the codings that may yet be made.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.identity.len() + if self.identity.len() >= SMALL { 3 } else { 1 } * self.gzip.len() + 256
    }
}

/// The weak entity tag of bytes: a hash of them.
#[must_use]
pub fn etag(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let hash = Sha256::digest(bytes).iter().take(12).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("W/\"{hash}\"")
}

/// The bytes in a coding; empty where it makes them no shorter.
#[must_use]
pub fn compress(coding: Coding, bytes: &[u8]) -> Bytes {
    // Writing into memory does not fail; were it to, readers would get the plain bytes.
    let packed = match coding {
        Coding::Identity => return Bytes::copy_from_slice(bytes),
        Coding::Gzip => {
            let mut gzip = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::new(GZIP));
            gzip.write_all(bytes).and_then(|()| gzip.finish()).unwrap_or_default()
        }
        Coding::Brotli => {
            let parameters = brotli::enc::BrotliEncoderParams {
                quality: BROTLI,
                lgwin: 22,
                size_hint: bytes.len(),
                ..Default::default()
            };
            let mut packed = Vec::with_capacity(bytes.len() / 3);
            let mut source = bytes;
            match brotli::BrotliCompress(&mut source, &mut packed, &parameters) {
                Ok(_) => packed,
                Err(_) => Vec::new(),
            }
        }
        Coding::Zstd => zstd::bulk::compress(bytes, ZSTD).unwrap_or_default(),
    };
    if packed.len() < bytes.len() { Bytes::from(packed.into_boxed_slice()) } else { Bytes::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_coding_unpacks_to_the_same_bytes() {
        use std::io::Read;
        let plain = "<p>Đại hội Đảng bộ tỉnh</p>".repeat(400).into_bytes();
        let ready = Ready::new("text/plain", plain.clone());
        for coding in Coding::DENSEST {
            let (got, packed) = ready.coded(coding).await;
            assert_eq!(got, coding);
            assert!(packed.len() * 10 < plain.len());
            let mut unpacked = Vec::new();
            match coding {
                Coding::Gzip => drop(flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked)),
                Coding::Brotli => drop(brotli::BrotliDecompress(&mut &packed[..], &mut unpacked)),
                Coding::Zstd => unpacked = zstd::stream::decode_all(&packed[..]).expect("zstd"),
                Coding::Identity => {}
            }
            assert_eq!(unpacked, plain, "{coding:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_made_shorter_is_sent_as_it_is() {
        let ready = Ready::new("text/plain", b"loa".to_vec());
        for coding in Coding::DENSEST {
            assert_eq!(ready.coded(coding).await, (Coding::Identity, Bytes::from_static(b"loa")));
        }
    }
}
