//! How many personal mails a second one core splices: `cargo bench --bench splice`. Prints; asserts nothing.

use std::hint::black_box;
use std::time::Instant;

use loa::clock::Timestamp;
use loa::domain::link::{KeyRing, Link};
use loa::domain::public_id::PublicId;
use loa::domain::subscriber::{EmailAddress, Frequency, Locale};
use loa::notify::email::{Personal, Prepared, Purpose};
use loa::notify::message::{Templates, sample};

fn main() {
    let templates = Templates::load(None).expect("the built-in templates load");
    let site = sample::site(Locale::Vi);
    let sender = "Bản tin Tỉnh ủy <bantin@example.gov.vn>".parse().expect("a sender");
    let keys = KeyRing::new(vec![(1, [7; 32])]).expect("a key");
    let to = EmailAddress::parse("an@so.example.gov.vn").expect("an address");
    let (manage, unsubscribe) =
        (keys.sign(Link::Manage(PublicId(1))), keys.sign(Link::Unsubscribe(PublicId(1), Frequency::Daily)));
    let personal = Personal {
        to: &to,
        message_id: "a.1.1.0123456789abcdef0123",
        follows: None,
        manage_token: &manage,
        unsubscribe_token: &unsubscribe,
        unsubscribe_mail: None,
    };
    for sample in sample::samples(Locale::Vi).into_iter().filter(|s| s.mail.is_bulk()) {
        let content = templates.render(&site, Locale::Vi, &sample.mail).expect("renders");
        let purpose = Purpose::Bulk { frequency: Frequency::Daily, archive: site.base_url.as_str() };
        let prepared = Prepared::new(&site, &sender, purpose, Timestamp::from_millis(0), &content).expect("builds");
        let mut out = Vec::new();
        let rounds = 200_000_u32;
        let begin = Instant::now();
        for _ in 0..rounds {
            out.clear();
            prepared.write(black_box(&personal), &mut out);
            black_box(&out);
        }
        let seconds = begin.elapsed().as_secs_f64();
        println!("{:<18} {:>7} bytes {:>10.0} mails/s", sample.name, out.len(), f64::from(rounds) / seconds);
    }
}
