//! Laws of leases.

use std::time::Duration;

use futures_util::future::join_all;

use super::given::t;
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    a_lease_has_one_holder_until_it_ends_or_is_given_back,
    of_many_who_want_a_lease_at_once_one_gets_it,
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
