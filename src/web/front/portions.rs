//! A document's bytes as the body of an answer, handed out in portions: the server copies what it sends into the
//! connection's buffer, which should neither grow to the size of a document nor be made anew for each.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

/// Bytes of a portion, at most. With the head of an answer and what may still wait before it, it is below what the server
/// keeps as a connection's buffer (128 KiB), and most documents go out compressed in one.
const PORTION: usize = 88 * 1024;

/// The bytes that are still to be sent.
#[derive(Clone, Debug, Default)]
pub struct Portions(Bytes);

impl Portions {
    /// A body of these bytes.
    #[must_use]
    pub const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl MessageBody for Portions {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let next = self.0.len().min(PORTION);
        Poll::Ready((next > 0).then(|| Ok(self.0.split_to(next))))
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_put_together_are_the_document() {
        for length in [0, 1, PORTION - 1, PORTION, PORTION + 1, 3 * PORTION + 7] {
            let document: Bytes = (0..length).map(|n| u8::try_from(n % 251).expect("below 251")).collect();
            let mut body = Portions::new(document.clone());
            assert_eq!(body.size(), BodySize::Sized(length as u64));
            let mut context = Context::from_waker(std::task::Waker::noop());
            let mut sent = Vec::new();
            while let Poll::Ready(Some(Ok(portion))) = Pin::new(&mut body).poll_next(&mut context) {
                assert!(!portion.is_empty() && portion.len() <= PORTION);
                sent.extend_from_slice(&portion);
            }
            assert_eq!(sent, document);
        }
    }
}
