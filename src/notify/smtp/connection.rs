//! One connection to the relay: opened, greeted, encrypted, signed in. Every exchange has a deadline. Knows what the
//! relay offers; never decides what becomes of a mail.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Auth, Ehlo, Starttls};
use lettre::transport::smtp::response::Response;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::reply::{Fault, Reply, Step};
use super::settings::{Deadlines, Settings, Tls};
use super::socket::Socket;

/// What the relay said to EHLO, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword of its own that a relay offers or not")]
pub(super) struct Offers {
    /// RFC 2920.
    pub(super) pipelining: bool,
    /// RFC 6152.
    pub(super) eight_bit: bool,
    /// RFC 6531.
    pub(super) smtputf8: bool,
    /// RFC 3207.
    pub(super) starttls: bool,
    /// RFC 1870: offered, and the most octets it takes (0 when it does not say).
    pub(super) size: Option<usize>,
    /// RFC 4954: the mechanisms that we can use, the better first.
    pub(super) auth: Vec<Mechanism>,
}

impl Offers {
    /// From the lines of the reply. Keywords are compared without regard to case (RFC 5321 §2.4).
    fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut offers = Self::default();
        for line in lines {
            let mut words = line.split([' ', '=']).filter(|w| !w.is_empty()).map(str::to_ascii_uppercase);
            match words.next().as_deref() {
                Some("PIPELINING") => offers.pipelining = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("SMTPUTF8") => offers.smtputf8 = true,
                Some("STARTTLS") => offers.starttls = true,
                Some("SIZE") => offers.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
                Some("AUTH") => {
                    let offered: Vec<String> = words.collect();
                    for (name, mechanism) in [("PLAIN", Mechanism::Plain), ("LOGIN", Mechanism::Login)] {
                        if offered.iter().any(|o| o == name) && !offers.auth.contains(&mechanism) {
                            offers.auth.push(mechanism);
                        }
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

/// Counts a connection as open for as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An open connection. Dropping it closes the socket; nothing is said to the server then.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    socket: Socket,
    deadlines: Deadlines,
    /// What the relay offers.
    pub(super) offers: Offers,
    /// What it calls itself.
    pub(super) greeting: String,
    /// Whether a mail transaction was begun and not ended: RSET must come first.
    pub(super) dirty: bool,
    /// Messages offered so far.
    pub(super) used: u32,
    /// When it was last used.
    pub(super) since: Instant,
    _counted: Counted,
}

impl Connection {
    /// Opens a connection and makes it ready for MAIL.
    pub(super) async fn open(settings: &Settings, open: &Arc<AtomicUsize>) -> Result<Self, Fault> {
        let counted = Counted::new(open);
        let (relay, deadlines) = (&settings.relay, settings.deadlines);
        let tcp = dial(&relay.host, relay.port, deadlines.connect).await?;
        let socket = Socket::new(tcp).map_err(|e| Fault::Unreachable(e.to_string()))?;
        if relay.tls == Tls::Implicit {
            encrypt(&socket, settings).await?;
        }
        let stream = Box::new(socket.clone());
        let greeted =
            timeout(deadlines.hello, AsyncSmtpConnection::connect_with_transport(stream, &settings.hello)).await;
        let smtp = match greeted {
            Err(_) => return Err(Fault::Timeout(Step::Hello, deadlines.hello)),
            Ok(Err(e)) => return Err(fault(Step::Hello, &e, &socket)),
            Ok(Ok(smtp)) => smtp,
        };
        // lettre keeps only some of what EHLO says, so the lines are read once more from what the socket heard.
        let heard = socket.take_heard();
        let said = |code: &'static str| heard.lines().filter_map(move |l| l.strip_prefix(code)?.get(1..));
        let offers = Offers::parse(said("250").skip(1));
        let greeting = said("220").next().unwrap_or_default().to_owned();
        let since = Instant::now();
        let mut conn =
            Self { smtp, socket, deadlines, offers, greeting, dirty: false, used: 0, since, _counted: counted };
        conn.start_tls(settings).await?;
        conn.sign_in(settings).await?;
        Ok(conn)
    }

    async fn start_tls(&mut self, settings: &Settings) -> Result<(), Fault> {
        match (settings.relay.tls, self.offers.starttls) {
            (Tls::None | Tls::Implicit, _) | (Tls::Opportunistic, false) => return Ok(()),
            (Tls::Required, false) => {
                return Err(Fault::Unfit(format!(
                    "{} does not offer STARTTLS, which is required: use smtps:// or another port; ?tls=none only for \
                     a relay that is trusted with plain text",
                    settings.relay
                )));
            }
            (Tls::Required | Tls::Opportunistic, true) => {}
        }
        let within = self.deadlines.starttls;
        let heard = timeout(within, self.smtp.command(Starttls)).await;
        self.response(Step::Starttls, within, heard)?;
        encrypt(&self.socket, settings).await?;
        // What was said before TLS no longer counts (RFC 3207 §4.2).
        let within = self.deadlines.hello;
        let heard = timeout(within, self.smtp.command(Ehlo::new(settings.hello.clone()))).await;
        let response = self.response(Step::Hello, within, heard)?;
        self.offers = Offers::parse(response.message().skip(1));
        Ok(())
    }

    async fn sign_in(&mut self, settings: &Settings) -> Result<(), Fault> {
        let Some(login) = &settings.relay.login else { return Ok(()) };
        let Some(&mechanism) = self.offers.auth.first() else {
            return Err(Fault::Unfit(format!("{} does not offer AUTH PLAIN or AUTH LOGIN", settings.relay)));
        };
        let within = self.deadlines.auth;
        let unfit = |e: lettre::transport::smtp::Error| Fault::Lost(Step::Auth, e.to_string());
        let mut command = Auth::new(mechanism, login.clone(), None).map_err(unfit)?;
        // LOGIN asks twice, PLAIN not at all.
        for _ in 0..3 {
            let heard = timeout(within, self.smtp.command(command)).await;
            let response = self.response(Step::Auth, within, heard)?;
            if !response.has_code(334) {
                return Ok(());
            }
            command = Auth::new_from_response(mechanism, login.clone(), &response).map_err(unfit)?;
        }
        Err(Fault::Lost(Step::Auth, "the relay asks again and again".into()))
    }

    /// Writes a command, or a group of them, in one write. `accepted` counts the bytes that have left, as far as the
    /// stream can tell: more may not have, fewer cannot have.
    pub(super) async fn write(&mut self, step: Step, bytes: &[u8], accepted: &mut usize) -> Result<(), Fault> {
        if self.is_out_of_step() {
            return Err(Fault::Lost(step, "the relay said more than it was asked".into()));
        }
        let within = step.deadline(&self.deadlines);
        match timeout(within, self.socket.write(bytes, accepted)).await {
            Err(_) => Err(Fault::Timeout(step, within)),
            Ok(Err(e)) => Err(Fault::Lost(step, e.to_string())),
            Ok(Ok(())) => Ok(()),
        }
    }

    /// Reads the next reply.
    pub(super) async fn hear(&mut self, step: Step) -> Result<Reply, Fault> {
        let within = step.deadline(&self.deadlines);
        match timeout(within, self.socket.hear()).await {
            Err(_) => Err(Fault::Timeout(step, within)),
            Ok(Err(_)) if self.socket.ended() => Err(Fault::Lost(step, "the relay closed the connection".into())),
            Ok(Err(e)) => Err(Fault::Lost(step, e.to_string())),
            Ok(Ok(reply)) => Ok(reply),
        }
    }

    /// Writes one command and reads its reply.
    pub(super) async fn ask(&mut self, step: Step, command: &[u8]) -> Result<Reply, Fault> {
        self.write(step, command, &mut 0).await?;
        self.hear(step).await
    }

    /// Whether the relay said more than it was asked for: then no reply can be matched to its mail any more.
    pub(super) fn is_out_of_step(&self) -> bool {
        self.socket.has_unread()
    }

    fn response(&self, step: Step, within: Duration, heard: Heard) -> Result<Response, Fault> {
        match heard {
            Err(_) => Err(Fault::Timeout(step, within)),
            Ok(Err(e)) => Err(fault(step, &e, &self.socket)),
            Ok(Ok(response)) => Ok(response),
        }
    }

    /// The TLS version in use, if any.
    pub(super) fn tls_version(&self) -> Option<&'static str> {
        self.socket.tls_version()
    }

    /// Whether the server has neither closed it nor said good-bye, as far as can be told without asking.
    pub(super) fn is_alive(&self) -> bool {
        self.socket.is_quiet()
    }

    /// Says good-bye and waits for the answer, though not long.
    pub(super) async fn quit(mut self) {
        // Whatever comes back, the connection ends here.
        let _ = self.ask(Step::Quit, b"QUIT\r\n").await;
    }
}

type Heard = Result<Result<Response, lettre::transport::smtp::Error>, tokio::time::error::Elapsed>;

fn fault(step: Step, error: &lettre::transport::smtp::Error, socket: &Socket) -> Fault {
    match Reply::negative(error) {
        Some(reply) => Fault::Reply(step, reply),
        None if socket.ended() => Fault::Lost(step, "the relay closed the connection".into()),
        None => Fault::Lost(step, error.to_string()),
    }
}

/// Tries the host's addresses one after the other, each with its share of the time.
async fn dial(host: &str, port: u16, within: Duration) -> Result<TcpStream, Fault> {
    let unreachable = |why: &dyn Display| Fault::Unreachable(format!("{host}:{port} cannot be reached: {why}"));
    let until = Instant::now() + within;
    let found: Vec<SocketAddr> = match timeout(within, tokio::net::lookup_host((host, port))).await {
        Err(_) => return Err(Fault::Timeout(Step::Connect, within)),
        Ok(Err(e)) => return Err(unreachable(&e)),
        Ok(Ok(found)) => found.collect(),
    };
    let mut last = unreachable(&"the name has no address");
    for (nth, address) in found.iter().enumerate() {
        let left = u32::try_from(found.len() - nth).unwrap_or(u32::MAX);
        let share = until.saturating_duration_since(Instant::now()) / left;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(e)) => last = unreachable(&e),
            Err(_) => last = Fault::Timeout(Step::Connect, within),
        }
    }
    Err(last)
}

async fn encrypt(socket: &Socket, settings: &Settings) -> Result<(), Fault> {
    let Some(connector) = &settings.relay.connector else {
        return Err(Fault::Unfit("TLS is not set up".into()));
    };
    let within = settings.deadlines.tls;
    match timeout(within, socket.upgrade(connector, &settings.relay.host)).await {
        Err(_) => Err(Fault::Timeout(Step::Tls, within)),
        Ok(Ok(())) => Ok(()),
        // rustls speaks through InvalidData: the certificate, or no TLS at all. Only an operator can put that right.
        Ok(Err(e)) if matches!(e.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput) => {
            Err(Fault::Unfit(format!("TLS with {} failed: {e}", settings.relay)))
        }
        Ok(Err(e)) => Err(Fault::Lost(Step::Tls, e.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_whatever_their_case() {
        let lines =
            ["PIPELINING", "size 10240000", "8BitMime", "SmtpUtf8", "AUTH=LOGIN", "AUTH GSSAPI LOGIN PLAIN", "HELP"];
        assert_eq!(
            Offers::parse(lines.into_iter()),
            Offers {
                smtputf8: true,
                pipelining: true,
                eight_bit: true,
                starttls: false,
                size: Some(10_240_000),
                auth: vec![Mechanism::Login, Mechanism::Plain],
            }
        );
    }
}
