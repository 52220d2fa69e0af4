//! Laws: TLS, signing in, and what the relay is believed.

use std::time::Duration;

use loa::notify::smtp::Pool;
use loa::notify::smtp::settings::Settings;

use crate::support::smtp_server::{Act, Encryption, Options, SmtpServer, Step};

use super::{MAIL, detail, hasty, kind, pool, send};

#[tokio::test]
async fn signing_in_and_encrypting_have_deadlines() {
    let cases = [
        (Encryption::StartTls, Step::StartTls),
        (Encryption::StartTls, Step::Tls),
        (Encryption::Implicit, Step::Tls),
        (Encryption::Implicit, Step::Connect),
        (Encryption::Implicit, Step::Auth),
        (Encryption::Implicit, Step::Body),
    ];
    let cases = cases.map(|(encryption, silent)| {
        tokio::spawn(async move {
            let login = Some(("loa", "secret"));
            let server = SmtpServer::with(Options { login, encryption, ..Options::default() });
            server.always(silent, Act::Silence);
            // An unoptimised build needs a while for a handshake.
            let outcome = send(&hasty(&server, Duration::from_secs(2))).await;
            let meaning = if silent == Step::Body { "retry in_doubt" } else { "retry timeout" };
            assert_eq!(kind(&outcome), meaning, "{silent:?}: {outcome:?}");
        })
    });
    for case in cases {
        case.await.unwrap();
    }
}

#[tokio::test]
async fn a_login_is_used_over_tls_of_both_kinds_and_with_both_mechanisms() {
    for encryption in [Encryption::StartTls, Encryption::Implicit] {
        for login_only in [false, true] {
            let login = Some(("loa", "secret"));
            let server = SmtpServer::with(Options { login, login_only, encryption, ..Options::default() });
            let pool = pool(&server);
            for _ in 0..2 {
                let outcome = send(&pool).await;
                assert_eq!(kind(&outcome), "sent", "{outcome:?}");
            }
            let message = server.messages().remove(1);
            assert_eq!((message.encrypted, message.user.as_deref(), message.grouped), (true, Some("loa"), true));
            assert_eq!((message.data, server.connections()), (MAIL.as_bytes().to_vec(), 1));
            assert_eq!(server.violations(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn a_wrong_password_costs_no_mail_and_is_not_told() {
    let login = Some(("loa", "secret"));
    let server = SmtpServer::with(Options { encryption: Encryption::Implicit, login, ..Options::default() });
    let url = server.url().replace("secret", "hunter2");
    let pool = Pool::new(Settings::parse(&url, "loa.example.vn").unwrap());
    let outcome = send(&pool).await;
    assert_eq!(kind(&outcome), "retry refused");
    assert!(detail(&outcome).contains("535"), "{outcome:?}");
    let shown = format!("{outcome:?} {pool:?} {:?}", pool.check().await);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn a_certificate_for_another_host_or_by_an_unknown_authority_is_refused() {
    for encryption in [Encryption::StartTls, Encryption::Implicit] {
        let impostor = SmtpServer::with(Options { encryption, certified: "relay.example.vn", ..Options::default() });
        let outcome = send(&pool(&impostor)).await;
        assert_eq!(kind(&outcome), "retry refused", "{outcome:?}");
        assert!(detail(&outcome).contains("TLS"), "{outcome:?}");

        let unknown = SmtpServer::with(Options { encryption, ..Options::default() });
        let url = unknown.url();
        let url = url.split_once('?').unwrap().0.to_owned();
        let url = if encryption == Encryption::StartTls { url + "?tls=required" } else { url };
        let outcome = send(&Pool::new(Settings::parse(&url, "loa.example.vn").unwrap())).await;
        assert_eq!(kind(&outcome), "retry refused", "{outcome:?}");
        assert_eq!((impostor.count("MAIL"), unknown.count("MAIL")), (0, 0));
    }
}

#[tokio::test]
async fn encryption_by_opportunity_takes_any_certificate_and_needs_none() {
    let server = SmtpServer::with(Options {
        encryption: Encryption::StartTls,
        certified: "other.example.vn",
        ..Options::default()
    });
    let url = format!("smtp://{}", server.address());
    assert_eq!(kind(&send(&Pool::new(Settings::parse(&url, "loa.example.vn").unwrap())).await), "sent");
    assert!(server.messages()[0].encrypted);

    let plain = SmtpServer::start().await;
    let url = format!("smtp://{}", plain.address());
    assert_eq!(kind(&send(&Pool::new(Settings::parse(&url, "loa.example.vn").unwrap())).await), "sent");
    assert!(!plain.messages()[0].encrypted);
}

#[tokio::test]
async fn a_relay_without_starttls_gets_nothing_when_tls_is_required() {
    let server = SmtpServer::start().await;
    let url = format!("smtp://loa:secret@{}", server.address());
    let outcome = send(&Pool::new(Settings::parse(&url, "loa.example.vn").unwrap())).await;
    assert_eq!(kind(&outcome), "retry refused");
    assert!(detail(&outcome).contains("STARTTLS"), "{outcome:?}");
    assert_eq!((server.count("AUTH"), server.count("MAIL")), (0, 0));
}

#[tokio::test]
async fn what_is_slipped_in_behind_the_reply_to_starttls_is_not_believed() {
    let server = SmtpServer::with(Options { encryption: Encryption::StartTls, ..Options::default() });
    server.script(Step::StartTls, Act::reply("220 2.0.0 go ahead\r\n250-slipped in\r\n250 AUTH PLAIN"));
    let outcome = send(&pool(&server)).await;
    assert_eq!(kind(&outcome), "retry refused", "{outcome:?}");
    assert_eq!(server.messages(), []);
}

#[tokio::test]
async fn a_check_says_what_the_relay_offers_or_why_it_is_unfit() {
    let login = Some(("loa", "secret"));
    let server = SmtpServer::with(Options { encryption: Encryption::Implicit, login, ..Options::default() });
    let said = pool(&server).check().await.unwrap();
    let address = server.address();
    assert_eq!(
        said,
        format!(
            "{address} answers as test.example.vn: TLS 1.3, certificate good, signed in, PIPELINING, 8BITMIME, \
             SIZE 10000000"
        )
    );
    assert_eq!(server.messages(), []);
    let closed = SmtpServer::start().await;
    closed.always(Step::Connect, Act::reply_then_close("554 5.7.1 not you"));
    assert!(pool(&closed).check().await.unwrap_err().to_string().contains("554 5.7.1 not you"));
}
