//! When a transfer is tried again.

use std::time::{Duration, Instant};

use backon::ExponentialBuilder;
use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::{Failure, FetchOptions};

/// Waits before each further attempt: doubling, up to double that at random, bounded.
pub(super) fn waits(options: &FetchOptions) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(options.retry_wait)
        .with_max_delay(options.max_retry_wait)
        .with_max_times(options.retries as usize)
        .with_jitter()
}

/// The same, one after the other.
#[cfg(feature = "misp")]
pub(crate) fn wait_times(options: &FetchOptions) -> impl Iterator<Item = Duration> {
    backon::BackoffBuilder::build(waits(options))
}

/// Whether to try again after `failure`, the first attempt having begun at `began`.
pub(super) fn again(failure: &Failure, options: &FetchOptions, began: Instant) -> bool {
    failure.retryable
        && began.elapsed() < options.timeout
        && failure.retry_after.is_none_or(|wait| wait <= options.max_retry_wait)
}

/// The wait planned, or the longer one the server asked for.
pub(super) fn adjust(failure: &Failure, planned: Option<Duration>) -> Option<Duration> {
    let asked = failure.retry_after.unwrap_or_default();
    planned.map(|wait| wait.max(asked))
}

/// What a server says in `Retry-After`: seconds, or a date. A date that has passed is now.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    /// More is no wait but a refusal; also keeps sums of times from overflowing.
    const LONGEST: Duration = Duration::from_secs(30 * 86_400);
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = DateTime::parse_from_rfc2822(text).ok()?.to_utc();
        (date - now).to_std().unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_ask_for() {
        let now = "2026-08-05T06:00:00Z".parse().unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999", Some(30 * 86_400)),
            ("Wed, 05 Aug 2026 06:01:00 GMT", Some(60)),
            ("Wed, 05 Aug 2026 05:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            let wait = retry_after(&headers, now);
            assert_eq!(wait, seconds.map(Duration::from_secs), "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again_and_not_for_ever() {
        let options = FetchOptions::default();
        let failure = |retryable, wait: Option<u64>| Failure {
            retryable,
            retry_after: wait.map(Duration::from_secs),
            ..Failure::for_good("x")
        };
        let now = Instant::now();
        assert!(again(&failure(true, None), &options, now));
        assert!(again(&failure(true, Some(30)), &options, now));
        assert!(!again(&failure(true, Some(31)), &options, now), "longer than the bound");
        assert!(!again(&failure(false, None), &options, now));
        let impatient = FetchOptions { timeout: Duration::ZERO, ..options };
        assert!(!again(&failure(true, None), &impatient, now));

        let second = Duration::from_secs(1);
        assert_eq!(adjust(&failure(true, Some(7)), Some(second)), Some(7 * second));
        assert_eq!(adjust(&failure(true, Some(0)), Some(second)), Some(second));
        assert_eq!(adjust(&failure(true, Some(7)), None), None, "no more attempts");
    }
}
