//! Debian's Postfix, started privately: it takes loa's mails, is refused by the next server, writes its own report, and
//! brings that back by its own LMTP client or into a Maildir.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loa::domain::subscriber::Frequency::Immediate;
use loa::notify::inbound::lmtp::{Address, Lmtp};
use loa::notify::inbound::maildir::Maildir;
use loa::notify::smtp::{Pool, settings::Settings};
use loa::work::compose::Composer;
use loa::work::deliver_mail::Transport;
use tokio::sync::watch;

use crate::support::binary::free_port;
use crate::support::house::{House, LONG, ORGANISATION};
use crate::support::skip::skip;
use crate::support::smtp_server::Act;

/// A Postfix of one test. Stopped with this value.
struct Postfix {
    dir: tempfile::TempDir,
    master: Child,
    port: u16,
}

impl Postfix {
    /// Starts it, or nothing (and a word about it) where it cannot be had. Mail for `so.example.vn` goes to `next`, mail
    /// for `bantin.example.vn` by `home` (a transport, or nothing for a Maildir named `bounces`).
    fn start(test: &str, next: u16, home: Option<&str>) -> Option<Self> {
        let program = std::env::var("LOA_TEST_POSTFIX_PROGRAM").ok().filter(|p| !p.is_empty());
        let Some(program) = program else {
            skip(test, "LOA_TEST_POSTFIX_PROGRAM names no Postfix; tests/run, as root, does");
            return None;
        };
        let daemons = "/usr/lib/postfix/sbin";
        let dir = tempfile::Builder::new().prefix("loa-postfix-").tempdir_in("/tmp").expect("a folder");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("open to its daemons");
        let (here, port) = (dir.path().display(), free_port());
        for folder in ["etc", "queue", "data", "mail"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        owned(&dir.path().join("data"), "postfix");
        owned(&dir.path().join("mail"), "nobody");
        let mut main = format!(
            "compatibility_level = 3.6\nqueue_directory = {here}/queue\ndata_directory = {here}/data\n\
             daemon_directory = {daemons}\nmail_owner = postfix\nsetgid_group = postdrop\n\
             maillog_file = {here}/mail.log\nmaillog_file_prefixes = {here}\n\
             myhostname = relay.test.example\nmydestination =\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
             mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
             smtp_dns_support_level = disabled\nalias_maps =\nalias_database =\nrecipient_delimiter = +\n\
             smtpd_tls_security_level = none\nsmtp_tls_security_level = none\n\
             default_process_limit = 5\nlocal_recipient_maps =\n"
        );
        let table = |pairs: &[(&str, String)]| {
            let pairs: String = pairs.iter().fold(String::new(), |mut all, (key, value)| {
                let _ = write!(all, " {{ {key} = {value} }}");
                all
            });
            format!("inline:{{{pairs} }}")
        };
        let mut transports = vec![("so.example.vn", format!("smtp:[127.0.0.1]:{next}"))];
        match home {
            Some(home) => transports.push(("bantin.example.vn", home.to_owned())),
            None => {
                let _ = write!(
                    main,
                    "virtual_mailbox_domains = bantin.example.vn\nvirtual_mailbox_base = {here}/mail\n\
                     virtual_mailbox_maps = {}\nvirtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\n",
                    table(&[("bounces@bantin.example.vn", "bounces/".to_owned())])
                );
            }
        }
        let _ = writeln!(main, "transport_maps = {}", table(&transports));
        fs::write(dir.path().join("etc/main.cf"), main).expect("written");
        let mut services = format!("127.0.0.1:{port} inet n - n - - smtpd\npostlog unix-dgram n - n - 1 postlogd\n");
        for (name, private, limit, command) in [
            ("cleanup", "n", "0", "cleanup"),
            ("qmgr", "n", "1", "qmgr"),
            ("rewrite", "-", "-", "trivial-rewrite"),
            ("bounce", "-", "0", "bounce"),
            ("defer", "-", "0", "bounce"),
            ("trace", "-", "0", "bounce"),
            ("verify", "-", "1", "verify"),
            ("flush", "n", "0", "flush"),
            ("proxymap", "-", "-", "proxymap"),
            ("smtp", "-", "-", "smtp"),
            ("lmtp", "-", "-", "lmtp"),
            ("virtual", "-", "-", "virtual"),
            ("error", "-", "-", "error"),
            ("retry", "-", "-", "error"),
            ("anvil", "-", "1", "anvil"),
            ("scache", "-", "1", "scache"),
        ] {
            let unprivileged = if name == "virtual" { "n" } else { "-" };
            let _ = writeln!(services, "{name} unix {private} {unprivileged} n - {limit} {command}");
        }
        fs::write(dir.path().join("etc/master.cf"), services).expect("written");
        let etc = dir.path().join("etc");
        // Makes the folders of the queue.
        let checked = Command::new(&program).arg("-c").arg(&etc).arg("check").output().expect("postfix runs");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let master = Command::new(format!("{daemons}/master"))
            .arg("-c")
            .arg(&etc)
            .arg("-d")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("master starts");
        let postfix = Self { dir, master, port };
        let until = Instant::now() + LONG;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "Postfix does not listen:\n{}", postfix.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(postfix)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("mail.log")).unwrap_or_default()
    }

    fn transport(&self) -> Transport {
        let url = format!("smtp://127.0.0.1:{}?tls=none", self.port);
        Transport::Smtp(Pool::new(Settings::parse(&url, "bantin.example.vn").expect("an address")).into())
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // SIGTERM: master ends its daemons with itself.
        let _ = Command::new("kill").arg("-TERM").arg(self.master.id().to_string()).status();
        let _ = self.master.wait();
        if std::thread::panicking() {
            eprintln!("── the log of Postfix:\n{}", self.log());
        }
    }
}

fn owned(path: &Path, account: &str) {
    let done = Command::new("chown").arg(account).arg(path).status().expect("there is a chown");
    assert!(done.success());
}

/// The port of the server that Postfix hands mails to.
fn next(house: &House) -> u16 {
    url::Url::parse(&house.relay.url()).expect("an address").port().expect("a port")
}

async fn with_news() -> House {
    let house = House::sqlite().await;
    for email in ["la@so.example.vn", "day@so.example.vn", "tot@so.example.vn"] {
        house.follow(email, &[("tat-ca", Immediate)]).await;
    }
    house.relay.recipient("la@so.example.vn", Act::reply("550 5.1.1 <la@so.example.vn>: no such mailbox"));
    house.relay.recipient("day@so.example.vn", Act::reply("552 5.2.2 the mailbox is full"));
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    house
}

fn composer(house: &House) -> Composer {
    house.composer().returning(Some(house.returns()))
}

const KEPT: &str =
    "SELECT b.kind, b.cause, p.email_key, b.detail FROM bounce b JOIN subscriber p ON p.id = b.subscriber_id
                    ORDER BY p.email_key";

async fn judged(house: &House) {
    house.base.until("two reports", "SELECT count(*) FROM bounce", 2).await;
    let kept = house.base.lines(KEPT).await;
    assert!(kept[0].starts_with("report mailbox_full day@so.example.vn 552 5.2.2"), "{kept:?}");
    assert!(kept[1].starts_with("report no_such_user la@so.example.vn 550 5.1.1"), "{kept:?}");
    assert!(!kept[1].split_once("550").expect("a reply").1.contains("la@so"), "{kept:?}");
    assert_eq!(house.relay.messages().len(), 1, "the third arrived");
    house.judge().run().await.expect("judged");
    assert_eq!(house.base.number("SELECT count(*) FROM suppression").await, 0, "once is not enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_of_a_real_postfix_come_home_by_its_lmtp_client() {
    let house = with_news().await;
    let address: Address = "127.0.0.1:0".parse().expect("an address");
    let lmtp =
        Lmtp::bind(&address, house.returns().template().clone(), house.bounces().taker()).await.expect("listens");
    let home = format!("lmtp:inet:127.0.0.1:{}", lmtp.port().expect("a port"));
    let name = concat!(module_path!(), "::reports_of_a_real_postfix_come_home_by_its_lmtp_client");
    let Some(postfix) = Postfix::start(name, next(&house), Some(&home)) else { return };
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(lmtp.run(stopped));
    let mailer = house.mailer_by(composer(&house), postfix.transport());
    house.quiet("email").await;
    judged(&house).await;
    mailer.stop().await;
    drop(postfix);
    stop.send_replace(true);
    serving.await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_of_a_real_postfix_come_home_through_a_maildir() {
    let house = with_news().await;
    let name = concat!(module_path!(), "::reports_of_a_real_postfix_come_home_through_a_maildir");
    let Some(postfix) = Postfix::start(name, next(&house), None) else { return };
    let maildir = Maildir::new(postfix.dir.path().join("mail/bounces"));
    let mailer = house.mailer_by(composer(&house), postfix.transport());
    house.quiet("email").await;
    let until = Instant::now() + LONG;
    let mut taken = 0;
    while taken < 2 {
        assert!(Instant::now() < until, "no reports:\n{}", postfix.log());
        // Postfix makes the folders when the first report comes.
        if maildir.path().join("new").is_dir() && maildir.path().join("cur").is_dir() {
            taken += house.bounces().look_into(&maildir).await.expect("taken");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    judged(&house).await;
    mailer.stop().await;
}
