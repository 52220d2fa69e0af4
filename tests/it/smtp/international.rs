//! Laws of addresses of any script (RFC 6531): mailed where the relay takes them, never offered where it does not.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loa::domain::subscriber::EmailAddress;
use loa::notify::smtp::{Envelope, Pool, settings::Settings};

use crate::support::smtp_server::{Options, SmtpServer};

use super::{SENDER, detail, kind};

#[tokio::test]
async fn an_address_of_another_script_is_mailed_where_the_relay_takes_it_and_the_form_is_told() {
    let to = EmailAddress::parse_international("nguyễn.ân@so.example.vn").expect("an address");
    for takes in [true, false] {
        let server = SmtpServer::with(Options { international: takes, ..Options::default() });
        let settings = Settings::parse(&server.url(), "bantin.example.vn").expect("an address");
        let told = Arc::clone(&settings.international);
        let pool = Pool::new(settings);
        assert!(!told.load(Ordering::Relaxed), "nobody was asked yet");
        pool.check().await.expect("it answers");
        assert_eq!(told.load(Ordering::Relaxed), takes);
        let outcome = pool.send(&Envelope { from: SENDER, to: &to }, "Subject: a\r\n\r\nb\r\n".as_bytes()).await;
        assert_eq!(kind(&outcome), if takes { "sent" } else { "dead refused" });
        if takes {
            let message = server.messages().remove(0);
            assert_eq!(message.to, ["nguyễn.ân@so.example.vn"]);
            assert!(message.parameters.iter().any(|p| p == "SMTPUTF8"), "{:?}", message.parameters);
        } else {
            assert!(detail(&outcome).contains("SMTPUTF8"));
            assert_eq!(server.count("MAIL"), 0, "it was not even offered");
        }
        assert_eq!(server.violations(), Vec::<String>::new());
    }
}
