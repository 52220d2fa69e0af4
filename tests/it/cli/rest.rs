//! Laws of the other commands.

use super::{has, place, polled};
use crate::support::binary::LONG;

#[test]
fn a_poll_prints_numbers_and_names_what_it_left_out_while_the_rest_goes_on() {
    let place = polled();
    place.article("bai-1", "Bai 001");
    place.article("bai-0", "Bai 000, sửa");
    let head = "---\nid: to\ntitle: Bài quá lớn\npublished: 2026-01-01 08:00\n---\n";
    place.write("articles/to.md", format!("{head}{}", "chữ ".repeat(10 * 1024 * 1024 / 5)));
    place.write("articles/hong.md", "---\ntitle Không có dấu hai chấm\n---\nx\n");
    place.write("articles/khong-ngay.md", "---\ntitle: Không có ngày\n---\nx\n");
    let ended = place.run(&["poll", "portal"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    has(&ended.out, &["portal: 1 published, 1 revised, 0 withdrawn, 0 taken over silently"]);
    has(&ended.err, &["to.md", "larger than 5 MB", "hong.md", "line 2", "khong-ngay.md", "published"]);
    for file in ["to.md", "hong.md", "khong-ngay.md"] {
        assert_eq!(ended.err.matches(file).count(), 1, "each is told once:\n{}", ended.err);
    }
    let gone = |file: &str| std::fs::remove_file(place.path(&format!("articles/{file}"))).expect("a file");
    gone("bai-1.md");
    let told = place.run(&["poll"]).well();
    has(&told, &["portal: 0 published, 0 revised, 1 withdrawn"]);
    // Without its id, a file that cannot be read may be any article: nothing is taken for gone then, and that is said.
    place.write("articles/to.md", "chữ ".repeat(10 * 1024 * 1024 / 5));
    gone("bai-0.md");
    let told = place.run(&["poll"]).well();
    has(&told, &["0 withdrawn", "no article is taken for withdrawn"]);
    gone("to.md");
    let told = place.run(&["poll"]).well();
    has(&told, &["portal: 0 published, 0 revised, 1 withdrawn"]);
    assert!(!told.contains("no article is taken"), "{told}");
}

#[test]
fn an_unknown_source_is_answered_with_the_names_that_there_are() {
    let place = place();
    for arguments in [&["poll", "portall"][..], &["poll", "portall", "--release"]] {
        has(
            &place.run(arguments).refused(),
            &["there is no source named \"portall\"", "the configuration has: portal"],
        );
    }
    place.write("loa.toml", "");
    has(&place.run(&["poll"]).refused(), &["no [[source]] is configured"]);
}

#[test]
fn a_source_that_cannot_be_read_is_told_and_nothing_is_concluded() {
    let place = polled();
    std::fs::rename(place.path("articles"), place.path("moved")).expect("a folder");
    let told = place.run(&["poll"]).refused();
    has(&told, &["source `portal`: there is no folder", "not polled, nothing was concluded: portal"]);
    std::fs::rename(place.path("moved"), place.path("articles")).expect("a folder");
    has(&place.run(&["poll"]).well(), &["0 published, 0 revised, 0 withdrawn, 0 taken"]);
}

#[test]
fn explain_tells_why_somebody_did_or_did_not_get_an_article() {
    let place = polled();
    let csv = "email,feeds,frequency\nan@so.example.vn,tat-ca,immediate\nbinh@so.example.vn,tat-ca,daily\n";
    place.write("people.csv", csv);
    place.run(&["subscribers", "import", "people.csv"]).well();
    place.article("bai-1", "Bai 001");
    place.run(&["poll"]).well();
    let explain = |address: &str, article: &str| place.run(&["explain", address, article]);

    has(
        &explain("an@so.example.vn", "bai-1").well(),
        &["waits for its first try", "because the feed takes every article"],
    );
    let running = place.serve("loa.toml");
    let mail = running.count("ERROR");
    assert_eq!(mail, 0, "{}", running.log());
    let until = std::time::Instant::now() + LONG;
    while std::fs::read_dir(place.path("mail")).map_or(0, Iterator::count) == 0 {
        assert!(std::time::Instant::now() < until, "no mail came:\n{}", running.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    running.terminate();

    let sent = explain("an@so.example.vn", "bai-1").well();
    has(&sent, &["Article ", "\"Bai 001\"", "Follows tat-ca (immediate)", "Verdict: mail ", "was sent "]);
    has(&explain("An@So.Example.vn", "bai-1").well(), &["was sent"]);
    has(
        &explain("an@so.example.vn", "bai-0").well(),
        &["at first sight of the source (baseline)", "Verdict: not sent"],
    );
    has(&explain("binh@so.example.vn", "bai-1").well(), &["(daily)", "the next digest will bring it"]);
    has(&explain("chi@so.example.vn", "bai-1").well(), &["Nobody with this address is known", "Verdict: not sent"]);
    has(&explain("an@so.example.vn", "bai-9").refused(), &["there is no article \"bai-9\"", "its id in the source"]);
    let told = explain("an(at)so", "bai-1").refused();
    has(&told, &["not a mail address", "loa explain ADDRESS ARTICLE"]);
    // A digest brings it, and explain knows.
    has(&place.run(&["digest", "--run", "daily"]).well(), &["1 mail waits in the outbox"]);
    has(&explain("binh@so.example.vn", "bai-1").well(), &["digest ", "waits for its first try"]);
    has(&place.run(&["digest", "--run", "daily"]).refused(), &["today's daily digest was begun before"]);
    has(&place.run(&["digest", "--run", "hourly"]).refused(), &["write daily or weekly, not \"hourly\""]);
    std::fs::remove_file(place.path("articles/bai-1.md")).expect("a file");
    place.run(&["poll"]).well();
    has(&explain("chi@so.example.vn", "bai-1").well(), &["withdrawn"]);
}

#[test]
fn a_token_is_shown_once_listed_by_name_and_revoked() {
    let place = place();
    let ended = place.run(&["token", "create", "bàn biên tập"]);
    has(&ended.err, &["the only time", "Authorization: Bearer"]);
    let token = ended.well();
    assert!(token.starts_with("loa_") && token.lines().count() == 1, "{token}");
    let listed = place.run(&["token", "list"]).well();
    has(&listed, &["live", "bàn biên tập"]);
    assert!(!listed.contains(token.trim()), "{listed}");
    has(&place.run(&["token", "revoke", "bàn biên tập"]).well(), &["1 revoked"]);
    has(&place.run(&["token", "list"]).well(), &["revoked"]);
    has(&place.run(&["token", "revoke", "bàn biên tập"]).refused(), &["no live token named", "loa token list"]);
    has(&place.run(&["token", "create", " "]).refused(), &["give the token a name"]);
}

#[test]
fn help_is_for_strangers_and_wrong_usage_ends_with_two() {
    let place = place();
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["demo", "--help"],
        &["check", "--help"],
        &["poll", "--help"],
        &["digest", "--help"],
        &["explain", "--help"],
        &["token", "--help"],
        &["subscribers", "--help"],
        &["subscribers", "import", "--help"],
    ] {
        let help = place.bare(arguments).well();
        has(&help, &["Usage: loa", "--config <FILE>"]);
        for inner in [env!("CARGO_MANIFEST_DIR"), "/root", "/work", "src/", "crate::", "target/", "::"] {
            assert!(!help.contains(inner), "{arguments:?} shows {inner}:\n{help}");
        }
    }
    for arguments in [&["poll", "a", "b"][..], &["nonsense"], &["digest"], &[]] {
        assert_eq!(place.bare(arguments).code, 2, "{arguments:?}");
    }
    has(&place.bare(&["--version"]).well(), &["loa 0."]);
}
