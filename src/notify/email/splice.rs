//! Which base64 lines of a body hold a reader's tokens, and how such a line is made anew. A line of 76 characters holds
//! 57 bytes, and tokens have one length: all other lines are the same for everyone. Never allocates while splicing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::link::TOKEN_LEN;
use crate::notify::email::{Personal, token};
use crate::notify::message::{MANAGE_MARK, UNSUBSCRIBE_MARK};

/// Bytes that one full line encodes (RFC 2045 §6.8: at most 76 characters a line).
const RAW: usize = 57;
/// Characters of a full line, and its line end.
const ENCODED: usize = 76;
const STEP: usize = ENCODED + 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Manage,
    Unsubscribe,
}

/// A piece of a token inside one line.
#[derive(Clone, Copy, Debug)]
struct Piece {
    slot: Slot,
    /// First byte in the line.
    at: usize,
    /// First and last byte in the token.
    from: usize,
    to: usize,
}

/// One line that differs by reader.
#[derive(Clone, Debug)]
pub struct Patch {
    /// First byte of the encoded line in the message.
    at: usize,
    raw: [u8; RAW],
    len: usize,
    /// At most three: a token is longer than half a line.
    pieces: Vec<Piece>,
}

impl Patch {
    /// Where the line begins in the message.
    pub const fn place(&self) -> usize {
        self.at
    }

    /// Writes the line with a reader's tokens over the one with marks.
    pub fn apply(&self, personal: &Personal<'_>, message: &mut [u8]) {
        let mut raw = self.raw;
        for piece in &self.pieces {
            let token = token(match piece.slot {
                Slot::Manage => personal.manage_token,
                Slot::Unsubscribe => personal.unsubscribe_token,
            });
            raw[piece.at..piece.at + piece.to - piece.from].copy_from_slice(&token[piece.from..piece.to]);
        }
        STANDARD.encode_slice(&raw[..self.len], &mut message[self.at..]).expect("the line is in the message");
    }
}

/// The lines of a body (CRLF line ends, not yet encoded) that hold marks; `start` is where the encoded body begins in
/// the message.
pub fn patches(body: &str, start: usize) -> Vec<Patch> {
    let mut marks: Vec<(usize, Slot)> = [(MANAGE_MARK, Slot::Manage), (UNSUBSCRIBE_MARK, Slot::Unsubscribe)]
        .into_iter()
        .flat_map(|(mark, slot)| body.match_indices(mark).map(move |(at, _)| (at, slot)))
        .collect();
    marks.sort_by_key(|(at, _)| *at);
    let mut patches: Vec<Patch> = Vec::new();
    for (at, slot) in marks {
        for line in at / RAW..=(at + TOKEN_LEN - 1) / RAW {
            let (first, end) = (line * RAW, (line * RAW + RAW).min(body.len()));
            let (from, to) = (at.max(first), (at + TOKEN_LEN).min(end));
            let piece = Piece { slot, at: from - first, from: from - at, to: to - at };
            let place = start + line * STEP;
            if let Some(patch) = patches.last_mut().filter(|p| p.at == place) {
                patch.pieces.push(piece);
            } else {
                let mut raw = [0; RAW];
                raw[..end - first].copy_from_slice(&body.as_bytes()[first..end]);
                patches.push(Patch { at: place, raw, len: end - first, pieces: vec![piece] });
            }
        }
    }
    patches
}
