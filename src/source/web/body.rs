//! From the bytes on the wire to those of the page: gzip and deflate undone, under a limit that holds for what comes out.
//! Never unpacks more than it was allowed, whatever is promised.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The first bytes of a gzip member (RFC 1952 §2.3.1).
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// The page's bytes, at most `max` of them. Says what is wrong in words that follow "the address …".
pub(super) fn unpack(bytes: Vec<u8>, codings: &str, max: usize) -> Result<Vec<u8>, String> {
    let mut named = codings.split(',').map(|coding| coding.trim().to_ascii_lowercase());
    let coding = named.by_ref().find(|coding| !coding.is_empty() && coding != "identity");
    if let Some(second) = named.find(|coding| !coding.is_empty() && coding != "identity") {
        return Err(format!("packs its answer twice (the second time as \"{second}\"), which nobody asked for"));
    }
    match coding.as_deref() {
        // A file that is gzip by itself (`sitemap.xml.gz`), or one whose server forgot to say so.
        None if bytes.starts_with(&GZIP) => read(MultiGzDecoder::new(&bytes[..]), max),
        None => Ok(bytes),
        // Some servers say that they pack and do not.
        Some("gzip" | "x-gzip") if !bytes.starts_with(&GZIP) => Ok(bytes),
        Some("gzip" | "x-gzip") => read(MultiGzDecoder::new(&bytes[..]), max),
        // The name means zlib (RFC 9110 §8.4.1.2); bare deflate is as common.
        Some("deflate") if is_zlib(&bytes) => read(ZlibDecoder::new(&bytes[..]), max),
        Some("deflate") => read(DeflateDecoder::new(&bytes[..]), max),
        Some(other) => Err(format!("packs its answer as \"{other}\", which was not asked for")),
    }
}

/// Two bytes that are a zlib header (RFC 1950 §2.2).
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [first, second, ..]
        if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0)
}

fn read(packed: impl Read, max: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let result = packed.take(max as u64 + 1).read_to_end(&mut bytes);
    if bytes.len() > max {
        return Err(format!("unpacks to more than {}", size(max)));
    }
    match result {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err("packs its answer and breaks off in the middle of it".to_owned())
        }
        Err(_) => Err("says that its answer is packed, and it cannot be unpacked".to_owned()),
    }
}

/// A number of bytes in words.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = "Hội nghị cán bộ".as_bytes();

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).expect("memory");
        packer.finish().expect("memory")
    }

    #[test]
    fn each_coding_is_undone_even_where_the_server_names_it_wrongly() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(TEXT).expect("memory");
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(TEXT).expect("memory");
        for (bytes, codings) in [
            (gzip(TEXT), "gzip"),
            (gzip(TEXT), "X-GZIP, identity"),
            (gzip(TEXT), ""),
            (TEXT.to_vec(), "gzip"),
            (TEXT.to_vec(), "identity"),
            (zlib.finish().expect("memory"), "deflate"),
            (bare.finish().expect("memory"), "Deflate"),
        ] {
            assert_eq!(unpack(bytes, codings, 100).as_deref(), Ok(TEXT), "{codings}");
        }
    }

    #[test]
    fn a_bomb_is_given_up_at_the_limit() {
        let bomb = gzip(&vec![b' '; 8 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(unpack(bomb, "gzip", 1 << 20), Err("unpacks to more than 1 MiB".to_owned()));
        let exact = gzip(&[b' '; 1000]);
        assert_eq!(unpack(exact.clone(), "gzip", 1000).map(|b| b.len()), Ok(1000));
        assert!(unpack(exact, "gzip", 999).is_err());
    }

    #[test]
    fn what_is_cut_spoiled_packed_twice_or_packed_unasked_is_no_page() {
        let whole = gzip(&TEXT.repeat(100));
        for (bytes, codings, said) in [
            (whole[..whole.len() / 2].to_vec(), "gzip", "breaks off"),
            ([&GZIP[..], &[0xff; 40]].concat(), "gzip", "unpacked"),
            (whole.clone(), "gzip, gzip", "twice"),
            (whole, "br", "\"br\""),
        ] {
            let fault = unpack(bytes, codings, 1 << 20).expect_err(codings);
            assert!(fault.contains(said), "{fault}");
        }
    }
}
