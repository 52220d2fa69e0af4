//! One client's dialogue with the server.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_rustls::TlsAcceptor;

use super::{Act, Behind, Encryption, Message, Shared, Step};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Takes connections until the runtime ends.
pub async fn accept(listener: TcpListener, shared: Arc<Shared>, acceptor: Option<TlsAcceptor>) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        // A socket without it is only slower.
        let _ = tcp.set_nodelay(true);
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        let mut number = 0;
        shared.update(|seen| {
            seen.accepted += 1;
            seen.open += 1;
            seen.most_open = seen.most_open.max(seen.open);
            number = seen.accepted;
        });
        tokio::spawn(async move {
            let kicked = shared.kick.subscribe();
            let mut session = Session {
                stream: Box::new(tcp),
                buffer: Vec::new(),
                kicked,
                shared: Arc::clone(&shared),
                acceptor,
                number,
                encrypted: false,
                user: None,
                transaction: Transaction::default(),
                chained: false,
            };
            // However it ends, it ends.
            let _ = session.run().await;
            drop(session);
            shared.update(|seen| seen.open -= 1);
        });
    }
}

#[derive(Default)]
struct Transaction {
    from: Option<String>,
    parameters: Vec<String>,
    to: Vec<String>,
    grouped: bool,
}

struct Session {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    kicked: broadcast::Receiver<Option<String>>,
    shared: Arc<Shared>,
    acceptor: Option<TlsAcceptor>,
    number: usize,
    encrypted: bool,
    user: Option<String>,
    transaction: Transaction,
    /// Whether what is read now stood behind a final dot.
    chained: bool,
}

/// The session is over.
fn over<T>() -> io::Result<T> {
    Err(io::ErrorKind::ConnectionAborted.into())
}

impl Session {
    async fn run(&mut self) -> io::Result<()> {
        if self.shared.options.encryption == Encryption::Implicit {
            self.act(Step::Tls, None, "").await?;
            self.encrypt().await?;
        }
        self.act(Step::Connect, None, "220 test.example.vn ESMTP ready").await?;
        loop {
            let line = self.command().await?;
            self.shared.update(|seen| seen.lines.push((self.number, line.clone())));
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" => self.hello(&verb).await?,
                "STARTTLS" => self.start_tls().await?,
                "AUTH" => self.auth(&line).await?,
                "MAIL" => self.mail(&line).await?,
                "RCPT" => self.rcpt(&line).await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    self.transaction = Transaction::default();
                    self.act(Step::Rset, None, "250 2.0.0 forgotten").await?;
                }
                "NOOP" => drop(self.act(Step::Noop, None, "250 2.0.0 nothing done").await?),
                "QUIT" => {
                    self.act(Step::Quit, None, "221 2.0.0 good-bye").await?;
                    return Ok(());
                }
                _ => self.say("500 5.5.2 no such command").await?,
            }
        }
    }

    /// Does what was scripted, or says `usual`. Says whether the reply was positive.
    async fn act(&mut self, step: Step, recipient: Option<&str>, usual: &str) -> io::Result<bool> {
        let act = self.shared.act(step, recipient);
        self.perform(act, usual).await
    }

    async fn perform(&mut self, act: Option<Act>, usual: &str) -> io::Result<bool> {
        let reply = match act {
            None => usual.to_owned(),
            Some(Act::Reply(reply)) => reply,
            Some(Act::ReplyThenClose(reply)) => {
                self.say(&reply).await?;
                return over();
            }
            Some(Act::Close | Act::CloseAfterAccepting) => return over(),
            Some(Act::Half(half)) => {
                self.stream.write_all(half.as_bytes()).await?;
                self.stream.flush().await?;
                return self.silence().await;
            }
            Some(Act::HalfThenClose(half)) => {
                self.stream.write_all(half.as_bytes()).await?;
                self.stream.flush().await?;
                return over();
            }
            Some(Act::Delay(time)) => {
                tokio::time::sleep(time).await;
                usual.to_owned()
            }
            Some(Act::Hold) => {
                let mut released = self.shared.released.subscribe();
                if released.wait_for(|released| *released).await.is_err() {
                    return over();
                }
                usual.to_owned()
            }
            Some(Act::Silence) => return self.silence().await,
            Some(Act::Drip(pause)) => {
                for byte in format!("{usual}\r\n").bytes() {
                    self.stream.write_all(&[byte]).await?;
                    self.stream.flush().await?;
                    tokio::time::sleep(pause).await;
                }
                return Ok(usual.starts_with(['2', '3']));
            }
        };
        if reply.is_empty() {
            return Ok(true);
        }
        self.say(&reply).await?;
        Ok(reply.starts_with(['2', '3']))
    }

    /// Waits until the client goes away.
    async fn silence<T>(&mut self) -> io::Result<T> {
        let mut ignored = [0; 1024];
        while self.stream.read(&mut ignored).await? > 0 {}
        over()
    }

    async fn say(&mut self, reply: &str) -> io::Result<()> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    fn violation(&self, what: &str) {
        self.shared.update(|seen| seen.violations.push(format!("connection {}: {what}", self.number)));
    }

    async fn fill(&mut self) -> io::Result<()> {
        let mut bytes = vec![0; self.shared.options.bite];
        let n = self.stream.read(&mut bytes).await?;
        self.buffer.extend_from_slice(&bytes[..n]);
        if n == 0 { over() } else { Ok(()) }
    }

    /// The next line, without its line end.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let Some(line) = line.strip_suffix(b"\r\n") else {
                    self.violation("a command line ends with a bare LF");
                    return over();
                };
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            self.fill().await?;
        }
    }

    /// The next command; while none is there, the connection may be ended from the test.
    async fn command(&mut self) -> io::Result<String> {
        if self.buffer.is_empty() {
            let mut bytes = vec![0; 16 * 1024];
            let n = tokio::select! {
                n = self.stream.read(&mut bytes) => n?,
                farewell = self.kicked.recv() => {
                    if let Ok(Some(farewell)) = farewell {
                        self.say(&farewell).await?;
                    }
                    return over();
                }
            };
            if n == 0 {
                return over();
            }
            self.buffer.extend_from_slice(&bytes[..n]);
        }
        let line = self.line().await?;
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let last_of_a_group = matches!(verb.as_str(), "EHLO" | "HELO" | "STARTTLS" | "AUTH" | "DATA" | "QUIT" | "NOOP");
        if !self.buffer.is_empty() && (last_of_a_group || !self.shared.options.pipelining) {
            self.violation(&format!("something was sent behind {verb} without waiting for the reply"));
        }
        Ok(line)
    }

    async fn hello(&mut self, verb: &str) -> io::Result<()> {
        self.transaction = Transaction::default();
        if verb == "HELO" {
            return self.act(Step::Ehlo, None, "250 test.example.vn").await.map(drop);
        }
        let options = self.shared.options.clone();
        let mut lines = vec!["test.example.vn at your service".to_owned()];
        lines.extend(options.pipelining.then(|| "PIPELINING".into()));
        lines.extend(options.eight_bit.then(|| "8BITMIME".into()));
        lines.extend(options.international.then(|| "SMTPUTF8".into()));
        lines.extend(options.size.map(|most| format!("SIZE {most}")));
        let can_encrypt = options.encryption == Encryption::StartTls && !self.encrypted;
        lines.extend(can_encrypt.then(|| "STARTTLS".into()));
        let mechanisms = if options.login_only { "LOGIN" } else { "PLAIN LOGIN" };
        lines.extend((options.login.is_some() && !can_encrypt).then(|| format!("AUTH {mechanisms}")));
        lines.push("ENHANCEDSTATUSCODES".into());
        let last = lines.len() - 1;
        let marked = lines.iter().enumerate().map(|(n, l)| format!("250{}{l}", if n == last { ' ' } else { '-' }));
        let reply = marked.collect::<Vec<_>>().join("\r\n");
        self.act(Step::Ehlo, None, &reply).await.map(drop)
    }

    async fn start_tls(&mut self) -> io::Result<()> {
        if self.shared.options.encryption != Encryption::StartTls || self.encrypted {
            return self.say("503 5.5.1 not offered").await;
        }
        if self.act(Step::StartTls, None, "220 2.0.0 go ahead").await? {
            self.act(Step::Tls, None, "").await?;
            self.encrypt().await?;
        }
        Ok(())
    }

    async fn encrypt(&mut self) -> io::Result<()> {
        let Some(acceptor) = &self.acceptor else { return over() };
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        self.stream = Box::new(acceptor.accept(plain).await?);
        self.buffer.clear();
        self.encrypted = true;
        self.transaction = Transaction::default();
        Ok(())
    }

    async fn auth(&mut self, line: &str) -> io::Result<()> {
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let decode = |text: &str| {
            let bytes = STANDARD.decode(text).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (user, password) = match (mechanism.as_str(), words.next()) {
            ("PLAIN", Some(initial)) => {
                let all = decode(initial);
                let mut parts = all.split('\0').skip(1);
                (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned())
            }
            ("LOGIN", None) => {
                self.say("334 VXNlcm5hbWU6").await?;
                let user = self.line().await?;
                self.say("334 UGFzc3dvcmQ6").await?;
                (decode(&user), decode(&self.line().await?))
            }
            _ => return self.say("504 5.5.4 no such mechanism").await,
        };
        let good = self.shared.options.login == Some((user.as_str(), password.as_str()));
        let usual = if good { "235 2.7.0 welcome" } else { "535 5.7.8 wrong user or password" };
        if self.act(Step::Auth, None, usual).await? && good {
            self.user = Some(user);
        }
        Ok(())
    }

    async fn mail(&mut self, line: &str) -> io::Result<()> {
        let chained = std::mem::take(&mut self.chained);
        if chained && self.shared.options.behind_the_dot == Behind::Refused {
            self.transaction = Transaction::default();
            return self.say("503 5.5.1 too early").await;
        }
        if self.shared.options.login.is_some() && self.user.is_none() {
            return self.say("530 5.7.0 sign in first").await;
        }
        if self.transaction.from.is_some() {
            return self.say("503 5.5.1 one sender is enough").await;
        }
        let Some((from, parameters)) = path(line, "MAIL FROM:") else {
            return self.say("501 5.5.4 MAIL FROM:<address> is expected").await;
        };
        let grouped = self.buffer.windows(6).any(|w| w == b"DATA\r\n");
        if self.act(Step::Mail, None, "250 2.1.0 sender is fine").await? {
            self.transaction = Transaction { from: Some(from), parameters, to: Vec::new(), grouped };
        }
        Ok(())
    }

    async fn rcpt(&mut self, line: &str) -> io::Result<()> {
        let Some((to, _)) = path(line, "RCPT TO:").filter(|(to, _)| !to.is_empty()) else {
            return self.say("501 5.5.4 RCPT TO:<address> is expected").await;
        };
        if self.transaction.from.is_none() {
            return self.say("503 5.5.1 MAIL comes first").await;
        }
        if self.act(Step::Rcpt, Some(&to), "250 2.1.5 receiver is fine").await? {
            self.transaction.to.push(to);
        }
        Ok(())
    }

    async fn data(&mut self) -> io::Result<()> {
        // Like several real servers, it takes DATA without a receiver only when told to by a script.
        let usual = match (&self.transaction.from, self.transaction.to.is_empty()) {
            (None, _) => "503 5.5.1 MAIL comes first",
            (_, true) => "554 5.5.1 no valid receivers",
            _ => "354 end with a dot",
        };
        if !self.act(Step::Data, None, usual).await? {
            return Ok(());
        }
        let data = self.message().await?;
        let Transaction { from, parameters, to, grouped } = std::mem::take(&mut self.transaction);
        let usual = if to.is_empty() { "554 5.5.1 nobody to bring it to" } else { "250 2.0.0 taken" };
        let scripted = self.shared.act(Step::Body, None);
        let kept = match &scripted {
            Some(Act::Reply(reply) | Act::ReplyThenClose(reply)) => reply.starts_with('2'),
            Some(Act::Close | Act::Half(_) | Act::HalfThenClose(_) | Act::Silence) => false,
            None | Some(Act::CloseAfterAccepting | Act::Delay(_) | Act::Drip(_) | Act::Hold) => true,
        };
        let from = from.unwrap_or_default();
        let (connection, encrypted, user) = (self.number, self.encrypted, self.user.clone());
        let message = Message { from, to, parameters, data, connection, grouped, encrypted, user };
        let waits = matches!(scripted, Some(Act::Delay(_) | Act::Hold));
        let keep = kept && !message.to.is_empty();
        let shared = Arc::clone(&self.shared);
        if keep && !waits {
            shared.update(|seen| seen.messages.push(message.clone()));
        }
        self.perform(scripted, usual).await?;
        if keep && waits {
            shared.update(|seen| seen.messages.push(message));
        }
        Ok(())
    }

    /// The message up to the final dot, with dots undoubled (RFC 5321 §4.5.2).
    async fn message(&mut self) -> io::Result<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            while let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if line == b".\r\n" {
                    // RFC 2920 §3.1: the next envelope may stand there, if PIPELINING was offered.
                    if !self.buffer.is_empty() && !self.shared.options.pipelining {
                        self.violation("something was sent behind the final dot without waiting for the reply");
                    }
                    self.chained = !self.buffer.is_empty();
                    if self.chained {
                        self.shared.update(|seen| seen.chained += 1);
                        if self.shared.options.behind_the_dot == Behind::Dropped {
                            self.buffer.clear();
                        }
                    }
                    return Ok(message);
                }
                if line[..end].iter().any(|b| matches!(b, b'\r' | b'\n')) {
                    self.violation("the message has a bare CR or LF");
                }
                message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
            self.fill().await?;
        }
    }
}

/// The address between the brackets, and the parameters behind them.
fn path(line: &str, begin: &str) -> Option<(String, Vec<String>)> {
    let rest = line.get(..begin.len()).filter(|b| b.eq_ignore_ascii_case(begin)).map(|_| &line[begin.len()..])?;
    let (address, rest) = rest.strip_prefix('<')?.split_once('>')?;
    if !address.is_empty() && !address.contains('@') {
        return None;
    }
    Some((address.to_owned(), rest.split_whitespace().map(str::to_owned).collect()))
}
