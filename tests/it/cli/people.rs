//! Laws of subscribers as CSV: bad rows are named by line, the rest is in, and no address is printed.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{has, polled};
use crate::support::binary::Place;

const HEAD: &str = "email,feeds,frequency,locale\n";

/// Imports this text as a file.
fn import(place: &Place, csv: impl AsRef<[u8]>) -> crate::support::binary::Ended {
    place.write("people.csv", csv);
    place.run(&["subscribers", "import", "people.csv"])
}

/// Who follows what by the export, in order.
fn exported(place: &Place) -> Vec<String> {
    let out = place.run(&["subscribers", "export"]).well();
    let mut rows: Vec<String> = out.lines().map(|line| line.split(',').take(4).collect::<Vec<_>>().join(",")).collect();
    rows.sort();
    rows
}

#[test]
fn of_five_thousand_rows_the_seven_bad_ones_are_named_by_line_and_the_rest_is_in() {
    let place = polled();
    let mut csv = HEAD.to_owned();
    for n in 2..=5_001 {
        let _ = match n {
            100 => writeln!(csv, "nobody,tat-ca,daily,vi"),
            700 => writeln!(csv, "nguoi-700@so.example.vn,khong-co,daily,vi"),
            1_500 => writeln!(csv, "nguoi-1500@so.example.vn,tat-ca,hourly,vi"),
            2_222 => writeln!(csv, "nguoi-2222@so.example.vn,tat-ca,daily,fr"),
            3_000 => writeln!(csv, "nguoi-2999@so.example.vn,tat-ca,weekly,vi"),
            4_000 => writeln!(csv, "\"nguoi-4000@so.example.vn,tat-ca,daily,vi"),
            5_000 => writeln!(csv, "nguoi-5000@so.example.vn,,daily,vi"),
            _ => writeln!(csv, "nguoi-{n}@so.example.vn,tat-ca,immediate,vi"),
        };
    }
    let dry = {
        place.write("people.csv", &csv);
        place.run(&["subscribers", "import", "--dry-run", "people.csv"]).refused()
    };
    has(&dry, &["4993 rows", "nothing was written"]);
    assert_eq!(exported(&place).len(), 1, "only the head");

    let ended = import(&place, &csv);
    let told = ended.refused();
    has(
        &told,
        &[
            "people.csv:100: email: ",
            "people.csv:700: feeds: there is no feed named \"khong-co\"",
            "people.csv:1500: frequency: \"hourly\" is none of immediate, daily, weekly",
            "people.csv:2222: locale: \"fr\" is none of vi, en",
            "people.csv:3000: feeds: this address follows \"tat-ca\" on an earlier line already",
            "people.csv:4000: a quote is opened and not closed",
            "people.csv:5000: feeds: names no feed",
            "4993 rows taken, 4993 new subscriptions, 7 bad rows left out",
        ],
    );
    assert_eq!(told.lines().count(), 8, "{told}");
    assert!(!told.contains("example.vn"), "no address is printed:\n{told}");

    // Once more: nothing new.
    has(&import(&place, &csv).refused(), &["4993 rows taken, 0 new subscriptions, 7 bad rows left out"]);
    assert_eq!(exported(&place).len(), 4_994);
}

#[test]
fn what_is_exported_can_be_imported_elsewhere_and_is_the_same() {
    let place = polled();
    let csv = "email,feeds,frequency,locale\nan@so.example.vn,tat-ca tin-tuc,daily,vi\n\
               Binh.Le@So.Example.VN,tat-ca,immediate,en\nchi+tin@so.example.vn,tin-tuc,weekly,\n";
    has(&import(&place, csv).well(), &["3 rows taken, 4 new subscriptions, 0 bad"]);
    let other = polled();
    has(&import(&other, place.run(&["subscribers", "export"]).well()).well(), &["4 new subscriptions"]);
    assert_eq!(exported(&other), exported(&place));
    assert_eq!(exported(&place).len(), 5);
}

#[test]
fn a_file_of_addresses_is_for_its_owner_alone_even_if_it_was_open_before() {
    let place = polled();
    import(&place, format!("{HEAD}an@so.example.vn,tat-ca,daily,vi\n")).well();
    place.write("out.csv", "old");
    fs::set_permissions(place.path("out.csv"), fs::Permissions::from_mode(0o644)).expect("a mode");
    for name in ["out.csv", "new.csv"] {
        place.run(&["subscribers", "export", name]).well();
        let mode = fs::metadata(place.path(name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        assert!(place.read(name).contains("an@so.example.vn"));
    }
}

#[test]
fn tables_of_any_desk_are_read_and_a_file_without_its_head_is_refused_without_showing_an_address() {
    let place = polled();
    let marked = format!("\u{FEFF}{HEAD}an@so.example.vn,tat-ca,daily,vi\r\n\r\n");
    has(&import(&place, marked).well(), &["1 rows taken, 1 new"]);
    has(&import(&place, "Email;Feeds;Frequency\nbinh@so.example.vn;tat-ca;daily\n").well(), &["1 new"]);
    has(&import(&place, "locale\temail\tfeeds\tfrequency\nen\tchi@so.example.vn\ttat-ca\tdaily\n").well(), &["1 new"]);
    has(
        &import(&place, "\"email\",\"feeds\",\"frequency\"\n\"dung@so.example.vn\",\"tat-ca\",\"daily\"").well(),
        &["1 new"],
    );

    let told = import(&place, "an@so.example.vn,tat-ca,daily,vi\n").refused();
    has(&told, &["people.csv:1: ", "must name the columns email, feeds, frequency", "\"tat-ca\""]);
    assert!(!told.contains("an@so"), "{told}");
    let told = import(&place, "mail,feed\nan@so.example.vn,tat-ca\n").refused();
    has(&told, &["must name the columns", "it has: \"mail\", \"feed\""]);
    let told = import(&place, format!("{HEAD}giang@so.example.vn,daily,hoa@so.example.vn\n")).refused();
    assert!(!told.contains("hoa@"), "{told}");
    let told = import(&place, [HEAD.as_bytes(), b"an\xff@so.example.vn,tat-ca,daily,vi\n"].concat()).refused();
    has(&told, &["people.csv:2: is not UTF-8"]);
    has(&import(&place, "").refused(), &["people.csv is empty"]);
    has(&place.run(&["subscribers", "import", "nowhere.csv"]).refused(), &["cannot read nowhere.csv"]);
}

#[test]
fn without_a_feed_an_import_says_what_to_do_first() {
    let place = super::place();
    has(&import(&place, HEAD).refused(), &["there is no feed yet", "loa poll"]);
}

#[test]
fn consent_hours_and_pauses_come_along_and_go_along() {
    let place = polled();
    let csv = "email,feeds,frequency,locale,hour,paused_until,consent_at,consent_method,consent_text,evidence\n\
               an@so.example.vn,tat-ca,daily,vi,06:30,2099-01-01,2025-03-04,phiếu giấy,v3,\"hồ sơ 12, tờ 4\"\n\
               binh@so.example.vn,tat-ca,daily,vi,,,,,,\n";
    has(&import(&place, csv).well(), &["2 rows taken, 2 new subscriptions, 0 bad"]);
    let out = place.run(&["subscribers", "export"]).well();
    let line = out.lines().find(|l| l.starts_with("an@")).expect("there");
    has(line, &["06:30,2099-01-01T00:00:00+07:00,2025-03-04T00:00:00+07:00,import phiếu giấy,v3,,\"hồ sơ 12, tờ 4\""]);
    let other = polled();
    import(&other, &out).well();
    let again = other.run(&["subscribers", "export"]).well();
    let evidence = |out: &str| -> Vec<String> {
        let mut rows: Vec<String> =
            out.lines().map(|line| line.rsplit_once(',').expect("columns").0.to_owned()).collect();
        rows.sort();
        rows
    };
    assert_eq!(evidence(&again), evidence(&out), "by way of another house, nothing of it is lost or changed");
    let bad = format!(
        "{}an2@so.example.vn,tat-ca,daily,vi,7h,,,,,\nan3@so.example.vn,tat-ca,daily,vi,,mai,,,,\n",
        csv.split_once('\n').expect("a head").0.to_owned() + "\n"
    );
    has(&import(&place, bad).refused(), &["people.csv:2: hour: ", "people.csv:3: paused_until: \"mai\" is no day"]);
}

#[test]
fn who_was_erased_or_left_is_not_brought_back_by_a_list() {
    let place = polled();
    let csv = format!("{HEAD}an@so.example.vn,tat-ca,daily,vi\nbinh@so.example.vn,tat-ca,daily,vi\n");
    import(&place, &csv).well();
    let told = place.run(&["subscribers", "erase", "An@so.example.vn"]).well();
    has(&told, &["erased", "Backups"]);
    assert!(!told.contains("so.example.vn"), "{told}");
    has(&place.run(&["subscribers", "erase", "chua@so.example.vn"]).well(), &["nobody with this address"]);
    has(&place.run(&["subscribers", "erase", "khong-phai"]).refused(), &["it has no single @"]);
    let more = format!("{csv}chua@so.example.vn,tat-ca,daily,vi\n");
    place.write("people.csv", &more);
    let dry = place.run(&["subscribers", "import", "--dry-run", "people.csv"]).well();
    has(&dry, &["3 rows would be taken, 0 new subscriptions", "1 rows bring nothing new", "2 rows would be left out"]);
    has(&dry, &["nothing was written, nobody is mailed"]);
    has(&import(&place, &more).well(), &["0 new subscriptions", "2 rows left out: these people left or were erased"]);
    assert_eq!(exported(&place).len(), 2, "the head, and who stayed");
    let file = fs::read(place.path("loa.db")).or_else(|_| fs::read(place.path("var/loa.db"))).expect("the database");
    assert!(!file.windows(5).any(|w| w.eq_ignore_ascii_case(b"an@so")), "nothing of the address is in the file");
}

#[test]
fn a_token_is_made_for_what_it_is_to_do() {
    let place = polled();
    place.run(&["token", "create", "web", "--scope", "read", "--scope", "subscribers"]).well();
    place.run(&["token", "create", "bàn điều hành"]).well();
    has(&place.run(&["token", "list"]).well(), &["web  (read subscribers)", "bàn điều hành  (all)"]);
    let wrong = place.run(&["token", "create", "x", "--scope", "write"]);
    has(&wrong.err, &["read, poll, subscribers, endpoints or all"]);
    has(&place.run(&["token", "rotate-links"]).well(), &["Key 2 signs", "Old links go on working"]);
    has(&place.run(&["token", "rotate-links"]).well(), &["Key 3 signs"]);
}
