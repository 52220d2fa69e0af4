//! Laws of leases.

use std::time::Duration;

use futures_util::future::join_all;

use super::given::t;
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    a_lease_has_one_holder_until_it_ends_or_is_given_back,
    of_many_who_want_a_lease_at_once_one_gets_it,
    a_database_that_can_only_be_read_is_told_from_one_that_can_be_written,
}

const MINUTE: Duration = Duration::from_mins(1);

async fn a_lease_has_one_holder_until_it_ends_or_is_given_back(base: Base) {
    let take = async |holder: &str, second: i64| {
        base.store.take_lease("poll:cong", holder, t(second), MINUTE).await.expect("asked")
    };
    assert!(take("a", 0).await);
    assert!(!take("b", 59).await, "it is held");
    assert!(take("a", 30).await, "its holder may extend it");
    assert!(!take("b", 89).await, "and did");
    assert!(take("b", 90).await, "who died is replaced");
    assert!(!take("a", 91).await);
    base.store.drop_lease("poll:cong", "a").await.expect("done");
    assert!(!take("a", 92).await, "nobody gives back what another holds");
    base.store.drop_lease("poll:cong", "b").await.expect("done");
    assert!(take("a", 93).await);
    assert!(base.store.take_lease("poll:khac", "b", t(93), MINUTE).await.expect("asked"), "names are apart");
}

async fn a_database_that_can_only_be_read_is_told_from_one_that_can_be_written(base: Base) {
    let write = async |second: i64| base.store.write_something("a", t(second)).await;
    let [full, room] = if base.store.is_shared() {
        [
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no room''; END';
             CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON lease FOR EACH ROW EXECUTE FUNCTION no_room()",
            "DROP TRIGGER no_room ON lease",
        ]
    } else {
        [
            "CREATE TRIGGER no_room BEFORE INSERT ON lease BEGIN SELECT RAISE(ROLLBACK, 'no room'); END",
            "DROP TRIGGER no_room",
        ]
    };
    base.rows(full).await;
    assert!(write(0).await.is_err());
    base.store.ping().await.expect("it answers all the same");
    base.rows(room).await;
    write(1).await.expect("written");
    write(1).await.expect("written again");
    assert_eq!(base.number("SELECT count(*) FROM lease").await, 1, "one row for all times");
    assert!(base.store.workers().await.expect("read").is_empty(), "it is nobody's presence");
}

async fn of_many_who_want_a_lease_at_once_one_gets_it(base: Base) {
    let other = base.another().await;
    for round in 0..5 {
        let name = format!("l{round}");
        let wants = (0..8).map(async |n| {
            let store = if n % 2 == 0 { &base.store } else { &other };
            store.take_lease(&name, &format!("h{n}"), t(0), MINUTE).await.expect("asked")
        });
        assert_eq!(join_all(wants).await.into_iter().filter(|got| *got).count(), 1);
    }
}
