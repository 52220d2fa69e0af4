//! Laws of a digest run that is cut off.

use super::{MOST_REPEATED, PEOPLE, Stage};

#[test]
fn a_digest_cut_off_in_the_middle_is_finished_and_each_person_has_one() {
    let mut stage = Stage::set(None, &[], "daily");
    let title = stage.publish();
    stage.place.run(&["poll"]).well();
    let told = stage.place.run(&["digest", "--run", "daily"]).well();
    assert!(told.contains(&format!("{PEOPLE} mails")), "{told}");
    let mut kills = 0;
    for n in [1, 1 + stage.chance.below(PEOPLE / 3), 40] {
        let before = stage.relay.taken();
        let running = stage.place.serve("loa.toml");
        stage.wait_for_mails(before + n);
        running.kill();
        kills += 1;
    }
    let running = stage.place.serve("loa.toml");
    loop {
        stage.ledger.read(&stage.relay);
        if stage.ledger.people_with("") == PEOPLE {
            break;
        }
        stage.wait_for_mails(stage.ledger.taken() + 1);
    }
    running.terminate();
    stage.ledger.read(&stage.relay);
    let repeated = stage.ledger.repeated_mails(PEOPLE);
    assert!(repeated <= kills * MOST_REPEATED, "{repeated} digests came again after {kills} kills");
    for message in stage.relay.messages() {
        let mail = mail_parser::MessageParser::default().parse(&message.data).expect("a mail");
        let text = mail.body_text(0).expect("a mail has text");
        assert_eq!(
            text.matches(&format!("Nội dung của {title}")).count(),
            1,
            "each digest has the article, once: {text}"
        );
    }
    eprintln!("{kills} kills: {repeated} digests came again, each under its id");
}
