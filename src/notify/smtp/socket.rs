//! The stream under lettre's SMTP connection and under the transactions of ours: a TCP socket with `TCP_NODELAY` that can become a TLS stream in place.
//! Hands lettre one whole line at a time, put right where servers are sloppy, hands us whole replies, and knows how much
//! of what was written has left. Never says anything of its own.
//!
//! One line at a time, because whatever a server (or someone between) sends behind its reply to STARTTLS must not be
//! taken for a reply that came through TLS.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::reply::Reply;

/// RFC 5321 §4.5.3.1.5 allows 512 octets to a reply line; real servers write longer ones.
const LONGEST_LINE: usize = 4000;

/// A reply of many lines may be longer.
const LONGEST_REPLY: usize = 16 * 1024;

/// How much of the opening dialogue is kept for [`Socket::take_heard`].
const LONGEST_HELLO: usize = 32 * 1024;

/// A handle to the stream; lettre has one, the connection another.
#[derive(Clone)]
pub(super) struct Socket(Arc<Mutex<State>>);

struct State {
    stream: Stream,
    peer: SocketAddr,
    /// Bytes that arrived and were not yet handed on; `begin` is where the unread part begins.
    input: Vec<u8>,
    begin: usize,
    heard: Option<Vec<u8>>,
    ended: bool,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// During the handshake, and for ever when it failed.
    Between,
}

impl Socket {
    /// Takes a connected socket. Everything heard from now on is kept until [`Socket::take_heard`].
    pub(super) fn new(tcp: TcpStream) -> io::Result<Self> {
        // Without this the kernel holds back the end of a message until the peer acknowledges its beginning (40 ms).
        tcp.set_nodelay(true)?;
        let peer = tcp.peer_addr()?;
        let (input, heard) = (Vec::with_capacity(1024), Some(Vec::new()));
        let stream = Stream::Plain(tcp);
        Ok(Self(Arc::new(Mutex::new(State { stream, peer, input, begin: 0, heard, ended: false }))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines that the server has said so far; from now on they are no longer kept.
    pub(super) fn take_heard(&self) -> String {
        String::from_utf8_lossy(&self.state().heard.take().unwrap_or_default()).into_owned()
    }

    /// Whether the server has closed its side.
    pub(super) fn ended(&self) -> bool {
        self.state().ended
    }

    /// Writes all of it and flushes. `accepted` counts what the stream has taken, also when this fails or is given up.
    pub(super) async fn write(&self, bytes: &[u8], accepted: &mut usize) -> io::Result<()> {
        poll_fn(|cx| {
            let mut state = self.state();
            while *accepted < bytes.len() {
                match ready!(state.poll_write(cx, &bytes[*accepted..]))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    n => *accepted += n,
                }
            }
            state.poll_flush(cx)
        })
        .await
    }

    /// The next reply, whole.
    pub(super) async fn hear(&self) -> io::Result<Reply> {
        poll_fn(|cx| {
            let mut state = self.state();
            loop {
                if let Some(reply) = state.next_reply()? {
                    return Poll::Ready(Ok(reply));
                }
                match ready!(state.poll_fill(cx)) {
                    Ok(0) => {
                        state.ended = true;
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    Ok(_) => {}
                    Err(e) => {
                        state.ended = true;
                        return Poll::Ready(Err(e));
                    }
                }
            }
        })
        .await
    }

    /// Whether something arrived that nobody asked for.
    pub(super) fn has_unread(&self) -> bool {
        let state = self.state();
        state.begin != state.input.len()
    }

    /// Whether nothing has arrived while nothing was asked. A server that speaks unasked says good-bye.
    pub(super) fn is_quiet(&self) -> bool {
        let state = self.state();
        let tcp = match &state.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
            Stream::Between => return false,
        };
        let nothing = matches!(tcp.try_read(&mut [0]), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        nothing && !state.ended && state.begin == state.input.len()
    }

    /// Turns the stream into a TLS stream.
    pub(super) async fn upgrade(&self, connector: &TlsConnector, host: &str) -> io::Result<()> {
        let name = ServerName::try_from(host.to_owned()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let tcp = {
            let mut state = self.state();
            if state.begin != state.input.len() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the server spoke before the TLS handshake"));
            }
            match std::mem::replace(&mut state.stream, Stream::Between) {
                Stream::Plain(tcp) => tcp,
                Stream::Tls(_) | Stream::Between => return Err(io::ErrorKind::NotConnected.into()),
            }
        };
        let tls = connector.connect(name, tcp).await?;
        let mut state = self.state();
        state.stream = Stream::Tls(Box::new(tls));
        Ok(())
    }

    /// The TLS version in use, if any.
    pub(super) fn tls_version(&self) -> Option<&'static str> {
        match &self.state().stream {
            Stream::Tls(tls) => match tls.get_ref().1.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => Some("TLS 1.3"),
                Some(rustls::ProtocolVersion::TLSv1_2) => Some("TLS 1.2"),
                _ => Some("TLS"),
            },
            Stream::Plain(_) | Stream::Between => None,
        }
    }
}

impl State {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
            Stream::Between => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Stream::Between => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// The next reply, if all of its lines are there (RFC 5321 §4.2.1).
    fn next_reply(&mut self) -> io::Result<Option<Reply>> {
        let unread = &self.input[self.begin..];
        let (mut at, mut text) = (0, Vec::new());
        while let Some(end) = unread[at..].iter().position(|&b| b == b'\n') {
            let line = &unread[at..at + end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            at += end + 1;
            let (code, rest) = line.split_at_checked(3).unwrap_or_default();
            let [class @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] = *code else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "what the relay said is not SMTP"));
            };
            if !text.is_empty() {
                text.push(b' ');
            }
            text.extend_from_slice(rest.get(1..).unwrap_or_default());
            if rest.first() == Some(&b'-') {
                continue;
            }
            self.begin += at;
            if self.begin == self.input.len() {
                self.input.clear();
                self.begin = 0;
            }
            let digits = [class, second, third].map(|digit| u16::from(digit - b'0'));
            let text = String::from_utf8(text)
                .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).replace(char::REPLACEMENT_CHARACTER, "?"));
            return Ok(Some(Reply { code: digits[0] * 100 + digits[1] * 10 + digits[2], text }));
        }
        if unread.len() > LONGEST_REPLY {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a reply is too long"));
        }
        Ok(None)
    }

    /// The next whole line with its line end, made fit for a strict parser.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        let rest = &self.input[self.begin..];
        let end = rest.iter().position(|&b| b == b'\n')? + 1;
        let line = tidy(&rest[..end]);
        self.begin += end;
        if self.begin == self.input.len() {
            self.input.clear();
            self.begin = 0;
        }
        if let Some(heard) = &mut self.heard
            && heard.len() + line.len() <= LONGEST_HELLO
        {
            heard.extend_from_slice(&line);
        }
        Some(line)
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [0_u8; 2048];
        let mut read = ReadBuf::new(&mut bytes);
        ready!(match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, &mut read),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, &mut read),
            Stream::Between => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        })?;
        self.input.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }
}

/// Puts right what RFC 5321 §4.2 tells a client to bear and lettre's parser does not: a bare code without text, text
/// that is not UTF-8, a bare LF, and codes such as 571 whose second digit no standard defines (read as 554).
fn tidy(line: &[u8]) -> Vec<u8> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() + 3);
    out.extend_from_slice(text);
    if std::str::from_utf8(&out).is_err() {
        out.iter_mut().filter(|b| !b.is_ascii()).for_each(|b| *b = b'?');
    }
    if let [b'2'..=b'5', second, third, ..] = out.as_mut_slice()
        && matches!(second, b'6'..=b'9')
    {
        (*second, *third) = (b'5', b'4');
    }
    if out.len() == 3 {
        out.push(b' ');
    }
    out.extend_from_slice(b"\r\n");
    out
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        loop {
            if let Some(line) = state.next_line() {
                if line.len() > buf.remaining() {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a reply line is too long")));
                }
                buf.put_slice(&line);
                return Poll::Ready(Ok(()));
            }
            if state.input.len() - state.begin > LONGEST_LINE {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a reply line is too long")));
            }
            match state.poll_fill(cx) {
                Poll::Ready(Ok(0)) => {
                    state.ended = true;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(e)) => {
                    state.ended = true;
                    return Poll::Ready(Err(e));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.state().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state().stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Stream::Between => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncTokioStream for Socket {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.state().peer)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.state().peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sloppy_reply_lines_are_put_right() {
        for (line, tidied) in [
            (&b"250\r\n"[..], &b"250 \r\n"[..]),
            (b"250 ok\n", b"250 ok\r\n"),
            (b"250-SIZE 10\r\n", b"250-SIZE 10\r\n"),
            (b"571 5.7.1 no\r\n", b"554 5.7.1 no\r\n"),
            (b"550 kh\xF4ng\r\n", b"550 kh?ng\r\n"),
            ("550 không\r\n".as_bytes(), "550 không\r\n".as_bytes()),
        ] {
            assert_eq!(tidy(line), tidied);
        }
    }
}
