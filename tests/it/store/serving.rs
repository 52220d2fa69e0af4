//! Laws of one process alone on a SQLite file, and of any number on PostgreSQL.

use loa::domain::scope::Scopes;
use loa::domain::subscriber::Frequency::Immediate;
use loa::store::engine::StoreError;

use super::given::{claim, fan_out, feeds, person, publish, t};
use crate::support::house::base::Base;

#[tokio::test]
async fn a_second_process_may_not_serve_from_the_same_file() {
    let base = Base::sqlite().await;
    base.store.take_for_serving().await.expect("the first");
    let other = base.another().await;
    let refused = other.take_for_serving().await.expect_err("the second");
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("PostgreSQL"), "{refused} says what to do");
    // Commands beside it may still read and write.
    other.ping().await.expect("it answers");
    let Base { store, .. } = base;
    drop(store);
    other.take_for_serving().await.expect("when the first is gone");
}

#[tokio::test]
async fn what_a_killed_predecessor_had_claimed_is_due_at_once() {
    let base = Base::sqlite().await;
    let [a] = feeds(&base.store, ["a"]).await;
    for n in 0..3 {
        person(&base.store, &format!("p{n}@so.example.vn"), &[(a, Immediate)], t(0)).await;
    }
    publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    assert_eq!(claim(&base.store, 1, t(1), 2).await.len(), 2);
    base.store.take_lease("poll:cong", "dead", t(1), crate::support::house::hours(1)).await.expect("taken");
    let successor = base.another().await;
    successor.take_for_serving().await.expect("alone");
    assert_eq!(claim(&successor, 2, t(2), 9).await.len(), 3);
    assert!(successor.take_lease("poll:cong", "alive", t(2), crate::support::house::hours(1)).await.expect("asked"));
}

#[tokio::test]
async fn on_postgres_any_number_serve_and_no_claim_is_taken_from_another() {
    let name = concat!(module_path!(), "::on_postgres_any_number_serve_and_no_claim_is_taken_from_another");
    let Some(base) = Base::postgres(name).await else { return };
    base.store.take_for_serving().await.expect("the first");
    let [a] = feeds(&base.store, ["a"]).await;
    person(&base.store, "an@so.example.vn", &[(a, Immediate)], t(0)).await;
    publish(&base.store, "x", &[a], t(1)).await;
    fan_out(&base.store, t(1)).await;
    assert_eq!(claim(&base.store, 1, t(1), 9).await.len(), 1);
    let other = base.another().await;
    other.take_for_serving().await.expect("the second too");
    assert!(claim(&other, 2, t(2), 9).await.is_empty());
}

#[tokio::test]
async fn when_the_disk_was_full_the_store_writes_again_as_soon_as_there_is_room() {
    let base = Base::sqlite().await;
    let before = base.number("SELECT count(*) FROM token").await;
    // As SQLite does when there is no room: the statement fails, and its transaction is over.
    base.rows("CREATE TRIGGER full BEFORE INSERT ON token BEGIN SELECT RAISE(ROLLBACK, 'no room'); END").await;
    base.store.add_token("a", "hash a", &Scopes::new(Vec::new()), t(0)).await.expect_err("no room");
    base.store.add_token("b", "hash b", &Scopes::new(Vec::new()), t(1)).await.expect_err("still no room");
    base.rows("DROP TRIGGER full").await;
    base.store.add_token("c", "hash c", &Scopes::new(Vec::new()), t(2)).await.expect("room again");
    assert_eq!(base.number("SELECT count(*) FROM token").await, before + 1);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_on_the_machine_may_read_the_database_file() {
    use std::os::unix::fs::PermissionsExt;

    let base = Base::sqlite().await;
    base.store.take_for_serving().await.expect("alone");
    base.store.add_token("a", "hash a", &Scopes::new(Vec::new()), t(0)).await.expect("written");
    let url = base.url();
    let path = url.strip_prefix("sqlite://").expect("a file");
    for end in ["", "-wal", "-shm", ".lock"] {
        let mode = std::fs::metadata(format!("{path}{end}")).expect(end).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}{end}");
    }
}
