//! Laws of output that nobody reads to its end: `loa check | head` ends as other tools do.

use super::{place, polled};

#[test]
fn a_command_whose_reader_went_away_ends_quietly_and_not_as_if_all_were_well() {
    let place = polled();
    place.run(&["token", "create", "may"]).well();
    for command in [
        &["check"][..],
        &["check", "--offline"],
        &["check", "--feeds"],
        &["poll"],
        &["source", "try", "portal"],
        &["token", "list"],
        &["token", "create", "khac"],
        &["subscribers", "export"],
        &["feeds", "export", "out"],
    ] {
        let ended = place.run_unread(command);
        assert_eq!((ended.code, ended.err.as_str()), (141, ""), "{command:?}");
    }
}

#[test]
fn output_that_has_no_room_is_a_fault_that_is_told() {
    let ended = place().run_into(
        &["check", "--offline"],
        std::fs::File::options().write(true).open("/dev/full").expect("Linux has it"),
    );
    assert_eq!(ended.code, 1);
    assert!(ended.err.starts_with("loa: cannot write to standard output: "), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
}
