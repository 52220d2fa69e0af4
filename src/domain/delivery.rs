//! Deliveries: one message to one receiver, the lanes they queue in, what became of an attempt, and when to try again.

use std::time::Duration;

use crate::clock::Timestamp;

/// The queue a delivery waits in. A confirmation mail never waits behind a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Answers to what a person just did: confirmations.
    Transactional,
    /// Articles as they are seen.
    Immediate,
    /// Digests.
    Digest,
}

impl Lane {
    /// All lanes, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Transactional, Self::Immediate, Self::Digest];

    /// The word in the database and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transactional => "transactional",
            Self::Immediate => "immediate",
            Self::Digest => "digest",
        }
    }
}

/// The way a delivery takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A mail to a person.
    Email,
    /// A signed POST to an endpoint.
    Webhook,
}

impl Channel {
    /// The word in the database and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }

    /// The channel that this word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Email, Self::Webhook].into_iter().find(|c| c.as_str() == word)
    }
}

/// What became of one attempt. A failed send is an outcome, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The next server accepted it; its reply, shortened.
    Sent(String),
    /// Not now: try again by the schedule, but not before `after` if the receiver named a time.
    Retry {
        /// What class of thing went wrong.
        cause: Cause,
        /// The receiver's reply or the fault, shortened, without addresses or secrets.
        detail: String,
        /// How long the receiver asked us to wait.
        after: Option<Duration>,
    },
    /// Never: this message to this receiver will not be tried again.
    Dead {
        /// What class of thing went wrong.
        cause: Cause,
        /// The receiver's reply or the fault, shortened, without addresses or secrets.
        detail: String,
    },
}

/// Classes of failure, each of which a person would act upon differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No connection, or it broke before the message was offered.
    Unreachable,
    /// The peer took too long.
    Timeout,
    /// The message was offered and the answer never came: it may have arrived.
    InDoubt,
    /// The receiver said "later" (SMTP 4yz, HTTP 429, 5xx).
    Busy,
    /// The address does not exist or refuses all mail (SMTP 5.1.x, 5.2.1).
    Address,
    /// The receiver refuses us or this message (SMTP 5.7.x and other 5yz, HTTP 4xx).
    Refused,
    /// The endpoint is gone for good (HTTP 410).
    Gone,
    /// The target address is not one that loa may call.
    Forbidden,
    /// The message could not be made.
    Unmakeable,
    /// Every try of the schedule is used up.
    Exhausted,
}

impl Cause {
    /// The word in the database and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::InDoubt => "in_doubt",
            Self::Busy => "busy",
            Self::Address => "address",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Forbidden => "forbidden",
            Self::Unmakeable => "unmakeable",
            Self::Exhausted => "exhausted",
        }
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// Waits between tries of a mail: about a day in all.
const EMAIL_WAITS: [u64; 10] =
    [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 4 * HOUR, 6 * HOUR, 6 * HOUR];

/// Waits between tries of a webhook, after the Standard Webhooks schedule, but never more than ten hours: 77.6 hours in all.
const WEBHOOK_WAITS: [u64; 12] = [
    5,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    10 * HOUR,
    10 * HOUR,
    10 * HOUR,
    10 * HOUR,
    10 * HOUR,
    10 * HOUR,
];

/// How long an endpoint may fail without one success before it is disabled and its owner told.
pub const HOPELESS: Duration = Duration::from_secs(75 * HOUR);

/// The longest wait that a receiver can ask for by `Retry-After`.
const LONGEST_WISH: Duration = Duration::from_secs(24 * HOUR);

/// When to try again after `attempts` tries, or nothing when the schedule is used up.
///
/// The wait is spread over 0.8–1.2 of its length by `fraction` (0.0–1.0), so that an outage does not end in a stampede;
/// what the receiver asked for (`after`) is a lower bound, at most a day.
#[must_use]
pub fn next_attempt(
    channel: Channel,
    attempts: i64,
    now: Timestamp,
    after: Option<Duration>,
    fraction: f64,
) -> Option<Timestamp> {
    let nth = usize::try_from(attempts.max(1) - 1).unwrap_or(usize::MAX);
    let wait = Duration::from_secs(*waits(channel).get(nth)?).mul_f64(spread(fraction));
    Some(now.plus(wait.max(after.unwrap_or_default().min(LONGEST_WISH))))
}

/// How long a receiver that failed in `rounds` rounds after its patience was used up is left in peace, spread in the same
/// way: the schedule of one event, and at its end the longest wait again and again.
#[must_use]
pub fn rest(channel: Channel, rounds: i64, fraction: f64) -> Duration {
    let waits = waits(channel);
    let nth = usize::try_from(rounds.max(0)).unwrap_or(usize::MAX).min(waits.len() - 1);
    Duration::from_secs(waits[nth]).mul_f64(spread(fraction))
}

fn spread(fraction: f64) -> f64 {
    fraction.clamp(0.0, 1.0).mul_add(0.4, 0.8)
}

const fn waits(channel: Channel) -> &'static [u64] {
    match channel {
        Channel::Email => &EMAIL_WAITS,
        Channel::Webhook => &WEBHOOK_WAITS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_never_go_backward_and_end() {
        for channel in [Channel::Email, Channel::Webhook] {
            let mut now = Timestamp::from_millis(0);
            let mut attempts = 0;
            while let Some(next) = next_attempt(channel, attempts + 1, now, None, 0.0) {
                assert!(next > now);
                now = next;
                attempts += 1;
                assert!(attempts < 20);
            }
            let days = now.millis() / 86_400_000;
            assert!(days <= 3, "{channel:?} ends after {days} days");
        }
    }

    #[test]
    fn webhooks_are_tried_from_five_seconds_on_for_three_days_and_never_rest_longer_than_ten_hours() {
        let waits: Vec<u64> = (0..12).map(|round| rest(Channel::Webhook, round, 0.5).as_secs()).collect();
        assert_eq!((waits[0], waits[11]), (5, 10 * HOUR));
        assert!(waits.is_sorted() && waits.iter().sum::<u64>() > HOPELESS.as_secs());
        assert_eq!(rest(Channel::Webhook, 99, 1.0), Duration::from_hours(12), "a fifth longer by chance");
        assert_eq!(next_attempt(Channel::Webhook, 13, Timestamp::from_millis(0), None, 0.5), None);
    }

    #[test]
    fn a_wait_that_the_receiver_asks_for_is_honoured_up_to_a_day() {
        let now = Timestamp::from_millis(0);
        let hour = Some(Duration::from_hours(1));
        assert_eq!(next_attempt(Channel::Webhook, 1, now, hour, 0.5), Some(Timestamp::from_millis(3_600_000)));
        let week = Some(Duration::from_hours(168));
        assert_eq!(next_attempt(Channel::Email, 1, now, week, 0.5), Some(Timestamp::from_millis(86_400_000)));
    }
}
