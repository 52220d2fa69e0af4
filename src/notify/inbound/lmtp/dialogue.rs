//! One LMTP connection: commands, recipients, the message, and a reply for each recipient behind it (RFC 2033 §4.2).
//! Everything is bounded: lines, recipients, bytes kept, time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::{Stream, Take};
use crate::domain::verp::Template;
use crate::notify::inbound::LOOKED_AT;

/// A command line with its end (RFC 5321 §4.5.3.1.4 asks for 512, extensions add to it).
const LINE: usize = 2_048;

/// Recipients of one mail.
const RECIPIENTS: usize = 50;

/// Bytes that are read of one mail; only the beginning is kept.
const LARGEST: usize = 64 * 1024 * 1024;

/// How long the other side may be silent (RFC 5321 §4.5.3.2.7).
const SILENCE: Duration = Duration::from_mins(5);

struct Dialogue<'a> {
    stream: BufReader<Box<dyn Stream>>,
    template: &'a Template,
    take: &'a Take,
    greeted: bool,
    mail: bool,
    recipients: Vec<String>,
}

/// Holds the dialogue to its end.
pub(super) async fn hold(stream: Box<dyn Stream>, template: &Template, take: &Take, busy: bool) -> io::Result<()> {
    let stream = BufReader::new(stream);
    let mut dialogue = Dialogue { stream, template, take, greeted: false, mail: false, recipients: Vec::new() };
    if busy {
        return dialogue.say("421 4.3.2 too many connections, come again").await;
    }
    dialogue.say(&format!("220 {} LMTP loa", template.domain())).await?;
    while dialogue.step().await? {}
    Ok(())
}

impl Dialogue<'_> {
    async fn say(&mut self, reply: &str) -> io::Result<()> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    /// Up to a line end or `most` bytes, whichever comes first; empty at the end of the connection.
    async fn piece(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut piece = Vec::new();
        while piece.len() < most && !piece.ends_with(b"\n") {
            let filled = timeout(SILENCE, self.stream.fill_buf()).await;
            let held = filled.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            if held.is_empty() {
                break;
            }
            let room = held.len().min(most - piece.len());
            let used = held[..room].iter().position(|b| *b == b'\n').map_or(room, |at| at + 1);
            piece.extend_from_slice(&held[..used]);
            self.stream.consume(used);
        }
        Ok(piece)
    }

    /// One command; false when the dialogue is over.
    async fn step(&mut self) -> io::Result<bool> {
        let line = self.piece(LINE).await?;
        if line.is_empty() {
            return Ok(false);
        }
        if !line.ends_with(b"\n") {
            self.say("500 5.5.2 the line is too long").await?;
            return Ok(false);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "LHLO" => {
                self.greeted = true;
                self.reset();
                let domain = self.template.domain();
                self.say(&format!("250-{domain}\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME")).await?;
            }
            // RFC 2033 §4.1: LMTP has no HELO and EHLO.
            "HELO" | "EHLO" => self.say("500 5.5.1 this is LMTP: say LHLO").await?,
            "MAIL" if !self.greeted => self.say("503 5.5.1 say LHLO first").await?,
            "MAIL" => {
                self.reset();
                self.mail = true;
                self.say("250 2.1.0 go on").await?;
            }
            "RCPT" if !self.mail => self.say("503 5.5.1 say MAIL first").await?,
            "RCPT" => self.recipient(rest).await?,
            "DATA" if self.recipients.is_empty() => self.say("503 5.5.1 there is no recipient").await?,
            "DATA" => return self.data().await,
            "RSET" => {
                self.reset();
                self.say("250 2.0.0 forgotten").await?;
            }
            "NOOP" => self.say("250 2.0.0 here").await?,
            "VRFY" => self.say("252 2.5.0 not told").await?,
            "QUIT" => {
                self.say("221 2.0.0 good-bye").await?;
                return Ok(false);
            }
            _ => self.say("500 5.5.1 not known here").await?,
        }
        Ok(true)
    }

    fn reset(&mut self) {
        self.mail = false;
        self.recipients.clear();
    }

    async fn recipient(&mut self, rest: &str) -> io::Result<()> {
        let path = rest.split_once(':').map_or("", |(_, path)| path.trim());
        let address = path.strip_prefix('<').and_then(|p| p.split_once('>')).map_or("", |(address, _)| address);
        if !self.template.takes(address) {
            return self.say("550 5.1.1 mail is taken for the return path alone").await;
        }
        if self.recipients.len() == RECIPIENTS {
            return self.say("452 4.5.3 too many recipients").await;
        }
        self.recipients.push(address.to_owned());
        self.say("250 2.1.5 go on").await
    }

    async fn data(&mut self) -> io::Result<bool> {
        self.say("354 send it, a lone dot ends it").await?;
        let mut kept: Vec<u8> = Vec::new();
        let mut read = 0;
        let (mut at_line_start, mut after_cr) = (true, false);
        loop {
            let piece = self.piece(LINE).await?;
            if piece.is_empty() {
                // Cut off: nothing was acknowledged, so it is brought again.
                return Ok(false);
            }
            if at_line_start && piece == b".\r\n" {
                break;
            }
            read += piece.len();
            if read > LARGEST {
                self.say("552 5.3.4 too large").await?;
                return Ok(false);
            }
            let line = if at_line_start { piece.strip_prefix(b".").unwrap_or(&piece) } else { &piece };
            // A line that is longer than a piece may be cut between its two last characters.
            at_line_start = piece.ends_with(b"\r\n") || (after_cr && piece == b"\n");
            after_cr = piece.ends_with(b"\r");
            let room = LOOKED_AT - kept.len();
            kept.extend_from_slice(&line[..line.len().min(room)]);
        }
        let raw: Arc<[u8]> = kept.into();
        for recipient in std::mem::take(&mut self.recipients) {
            let settled = (self.take)(recipient, Arc::clone(&raw)).await;
            self.say(if settled { "250 2.0.0 settled" } else { "451 4.3.0 not now, bring it again" }).await?;
        }
        self.reset();
        Ok(true)
    }
}
