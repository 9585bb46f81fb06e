//! What is due when: nothing here looks at a clock, waits, or does anything.
//!
//! Times are the wall clock's, which may be set back and forth and jumps over a suspended machine's
//! sleep. So nothing is ever counted down: each look compares with the clock as it is now, and what
//! lies in its future without having been planned so is taken to have happened now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Seconds;

/// Waits after failures and how far tasks are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rules {
    /// The first wait after a failure, or the task's interval where that is shorter; doubled by
    /// each further failure.
    pub(crate) first_retry: Seconds,
    /// No wait after a failure is longer.
    pub(crate) longest_retry: Seconds,
    /// A wait is longer by a share between nothing and this.
    pub(crate) jitter: f64,
}

/// One thing that is done again and again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Task {
    interval: Seconds,
    /// The last attempt; `None` before the first.
    last: Option<Seconds>,
    /// Attempts that failed since the last that did not.
    failures: u32,
    /// What the other side asked for.
    not_before: Option<Seconds>,
    /// 0 to 1: how much of the jitter counts this time.
    dice: f64,
}

impl Task {
    pub(crate) fn new(interval: Seconds, last: Option<Seconds>) -> Self {
        Self { interval: interval.max(1), last, failures: 0, not_before: None, dice: 0.0 }
    }

    /// From when on it is due; 0 for at once.
    pub(crate) fn due(&self, rules: &Rules) -> Seconds {
        let Some(last) = self.last else { return 0 };
        let wait = self.wait(rules);
        #[expect(clippy::cast_sign_loss, reason = "no factor is negative; the cast saturates")]
        let jitter = (f64::from(wait) * rules.jitter * self.dice) as Seconds;
        let due = last.saturating_add(wait).saturating_add(jitter);
        self.not_before.map_or(due, |asked| due.max(asked))
    }

    fn wait(&self, rules: &Rules) -> Seconds {
        let Some(doublings) = self.failures.checked_sub(1) else { return self.interval };
        let first = rules.first_retry.min(self.interval).max(1);
        let longest = rules.longest_retry.max(1);
        2_u32
            .checked_pow(doublings)
            .and_then(|f| first.checked_mul(f))
            .map_or(longest, |wait| wait.min(longest))
    }

    pub(crate) fn succeeded(&mut self, now: Seconds, dice: f64) {
        (self.last, self.failures, self.not_before, self.dice) = (Some(now), 0, None, dice);
    }

    pub(crate) fn failed(&mut self, now: Seconds, asked: Option<Seconds>, dice: f64) {
        self.last = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.not_before = asked.map(|wait| now.saturating_add(wait));
        self.dice = dice;
    }

    /// Nothing happened later than now: where the clock was set back, it happened now.
    pub(crate) fn heed(&mut self, now: Seconds, rules: &Rules) {
        if self.last.is_some_and(|last| last > now) {
            // Keeps what the other side asked for, as a wait from now on.
            let asked = self.not_before.zip(self.last);
            self.not_before =
                asked.map(|(until, last)| now.saturating_add(until.saturating_sub(last)));
            self.last = Some(now);
        }
        // Set back further than an attempt ago, and the attempt forgotten: bounded all the same.
        let longest = now.saturating_add(rules.longest_retry.max(self.interval).max(MONTH));
        self.not_before = self.not_before.map(|until| until.min(longest));
    }
}

/// The longest wait a server may ask for.
const MONTH: Seconds = 30 * 86_400;

/// Tasks by name.
#[derive(Debug, Clone)]
pub(crate) struct Plan<K> {
    rules: Rules,
    tasks: BTreeMap<K, Task>,
}

/// What is kept of a task in trouble, so that a restart does not forget to be patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    last: Seconds,
    failures: u32,
    not_before: Option<Seconds>,
}

impl Trouble {
    pub(crate) fn new(last: Seconds, failures: u32) -> Self {
        Self { last, failures, not_before: None }
    }
}

impl<K: Ord + Clone> Plan<K> {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, tasks: BTreeMap::new() }
    }

    /// Makes these the tasks: those known go on as they were, with the interval given; for a new
    /// one `begin` says what is known of it.
    pub(crate) fn set(
        &mut self,
        tasks: impl IntoIterator<Item = (K, Seconds)>,
        mut begin: impl FnMut(&K, Seconds) -> Task,
    ) {
        let mut before = std::mem::take(&mut self.tasks);
        for (key, interval) in tasks {
            let mut task = before.remove(&key).unwrap_or_else(|| begin(&key, interval));
            task.interval = interval.max(1);
            self.tasks.insert(key, task);
        }
    }

    /// What is due at this moment.
    pub(crate) fn due(&mut self, now: Seconds) -> Vec<K> {
        let rules = self.rules;
        for task in self.tasks.values_mut() {
            task.heed(now, &rules);
        }
        let due = self.tasks.iter().filter(|(_, task)| task.due(&rules) <= now);
        due.map(|(key, _)| key.clone()).collect()
    }

    /// When the next task is due.
    pub(crate) fn next(&self) -> Option<Seconds> {
        self.tasks.values().map(|task| task.due(&self.rules)).min()
    }

    pub(crate) fn task(&mut self, key: &K) -> Option<&mut Task> {
        self.tasks.get_mut(key)
    }

    /// The tasks whose last attempt failed.
    pub(crate) fn troubles(&self) -> BTreeMap<K, Trouble> {
        let troubles = self.tasks.iter().filter_map(|(key, task)| {
            let Task { last, failures, not_before, .. } = *task;
            let trouble = Trouble { last: last?, failures, not_before };
            (failures > 0).then(|| (key.clone(), trouble))
        });
        troubles.collect()
    }
}

impl Task {
    /// A task that was in trouble when it was last heard of.
    pub(crate) fn troubled(interval: Seconds, trouble: &Trouble) -> Self {
        let Trouble { last, failures, not_before } = *trouble;
        Self { failures, not_before, ..Self::new(interval, Some(last)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules { first_retry: 300, longest_retry: 86_400, jitter: 0.1 };
    const START: Seconds = 1_800_000_000;

    fn plan(tasks: &[(u8, Seconds)]) -> Plan<u8> {
        let mut plan = Plan::new(RULES);
        plan.set(tasks.iter().copied(), |_, interval| Task::new(interval, None));
        plan
    }

    #[test]
    fn a_new_task_is_due_at_once_and_then_after_its_interval() {
        let mut plan = plan(&[(1, 3_600), (2, 86_400)]);
        assert_eq!((plan.due(START), plan.next()), (vec![1, 2], Some(0)));
        for key in [1, 2] {
            plan.task(&key).unwrap().succeeded(START, 0.0);
        }
        assert_eq!(plan.next(), Some(START + 3_600));
        assert_eq!(plan.due(START + 3_599), [0; 0]);
        assert_eq!(plan.due(START + 3_600), [1]);
        plan.task(&1).unwrap().succeeded(START + 3_600, 1.0);
        assert_eq!(plan.next(), Some(START + 3_600 + 3_960), "all of the jitter");
    }

    #[test]
    fn failures_are_tried_again_soon_then_ever_later() {
        let mut task = Task::new(86_400, None);
        let mut waits = Vec::new();
        for _ in 0..12 {
            task.failed(START, None, 0.0);
            waits.push(task.due(&RULES) - START);
        }
        let doubling = [300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 76_800];
        assert_eq!(waits[..9], doubling);
        assert!(waits[9..].iter().all(|wait| *wait == 86_400), "{waits:?}");
        task.succeeded(START, 0.0);
        task.failed(START, None, 0.0);
        assert_eq!(task.due(&RULES) - START, 300, "forgiven");
        // A feed that is asked every minute is not left for longer than that at first.
        let mut hasty = Task::new(60, None);
        hasty.failed(START, None, 0.0);
        assert_eq!(hasty.due(&RULES) - START, 60);
        hasty.failed(START, Some(7_200), 0.0);
        assert_eq!(hasty.due(&RULES) - START, 7_200, "as the server asked");
    }

    #[test]
    fn a_restart_does_not_forget_patience() {
        let mut before = plan(&[(1, 3_600), (2, 3_600)]);
        before.task(&1).unwrap().failed(START, Some(10_000), 0.0);
        before.task(&2).unwrap().succeeded(START, 0.0);
        let troubles = before.troubles();
        assert_eq!(troubles.keys().collect::<Vec<_>>(), [&1]);
        let text = serde_json::to_string(&troubles).unwrap();
        let troubles: BTreeMap<u8, Trouble> = serde_json::from_str(&text).unwrap();
        let mut after = Plan::new(RULES);
        after.set([(1, 3_600)], |key, interval| Task::troubled(interval, &troubles[key]));
        assert_eq!(after.due(START + 9_999), [0; 0]);
        assert_eq!(after.due(START + 10_000), [1]);
    }

    #[test]
    fn tasks_come_and_go_and_change_their_interval() {
        let mut plan = plan(&[(1, 3_600), (2, 3_600)]);
        plan.task(&1).unwrap().succeeded(START, 0.0);
        plan.task(&2).unwrap().succeeded(START, 0.0);
        plan.set([(1, 60), (3, 60)], |_, interval| Task::new(interval, Some(START + 10)));
        assert_eq!(plan.due(START + 60), [1]);
        assert_eq!(plan.due(START + 70), [1, 3]);
    }

    /// What was last done, on a stopwatch nobody sets: how long ago, in which row of failures, what
    /// wait was asked for.
    type Naive = BTreeMap<u8, (u64, u32, u64)>;

    fn bounds(interval: Seconds, failures: u32, asked: u64) -> (u64, u64) {
        let interval = u64::from(interval);
        let wait = match failures {
            0 => interval,
            n => (interval.min(300) << (n - 1).min(20)).min(86_400),
        };
        (wait.max(asked), (wait + wait.div_ceil(10)).max(asked))
    }

    fn tasks_of(intervals: &[Seconds]) -> Vec<(u8, Seconds)> {
        (0..).zip(intervals.iter().copied()).collect()
    }

    /// Fate 0 and 1 are success, 2 failure, 3 failure with a wait asked for.
    fn run(plan: &mut Plan<u8>, key: u8, now: Seconds, fate: u8, dice: f64) {
        let task = plan.task(&key).unwrap();
        match fate {
            0 | 1 => task.succeeded(now, dice),
            2 => task.failed(now, None, dice),
            _ => task.failed(now, Some(5_000), dice),
        }
    }

    proptest! {
        #[test]
        fn every_task_is_done_in_time_and_none_too_early(
            intervals in prop::collection::vec(1_u32..200_000, 1..6),
            // Looks close together, far apart, and after weeks of suspension.
            steps in prop::collection::vec(
                (prop_oneof![4 => 1_u32..4_000, 2 => 4_000_u32..90_000, 1 => 0_u32..3_000_000],
                 0_u8..4, 0.0_f64..=1.0),
                1..100,
            ),
        ) {
            let tasks = tasks_of(&intervals);
            let mut plan = plan(&tasks);
            let (mut now, mut naive) = (START, Naive::new());
            for (step, fate, dice) in steps {
                now += step;
                for (passed, ..) in naive.values_mut() {
                    *passed += u64::from(step);
                }
                let due = plan.due(now);
                for (key, interval) in &tasks {
                    let Some((passed, failures, asked)) = naive.get(key).copied() else {
                        prop_assert!(due.contains(key), "never done");
                        continue;
                    };
                    let (least, most) = bounds(*interval, failures, asked);
                    if due.contains(key) {
                        prop_assert!(passed >= least, "{passed} of {least}");
                    } else {
                        prop_assert!(passed < most, "{passed} of {most}");
                    }
                }
                for key in due {
                    run(&mut plan, key, now, fate, dice);
                    let failures = naive.get(&key).map_or(0, |(_, failures, _)| *failures);
                    let failed = fate >= 2;
                    let asked = if fate == 3 { 5_000 } else { 0 };
                    naive.insert(key, (0, if failed { failures + 1 } else { 0 }, asked));
                }
                prop_assert!(plan.next().is_some_and(|next| next > now));
            }
        }

        #[test]
        fn no_clock_puts_a_task_off_for_long(
            intervals in prop::collection::vec(1_u32..200_000, 1..6),
            clock in prop::collection::vec((any::<u32>(), 0_u8..4, 0.0_f64..=1.0), 1..60),
        ) {
            let tasks = tasks_of(&intervals);
            let mut plan = plan(&tasks);
            for (now, fate, dice) in clock {
                let now = now.min(Seconds::MAX - 1_000_000);
                for key in plan.due(now) {
                    run(&mut plan, key, now, fate, dice);
                }
                for (key, interval) in &tasks {
                    let due = plan.task(key).unwrap().due(&RULES);
                    let longest = interval.max(&86_400) * 11 / 10 + 1;
                    prop_assert!(due <= now + longest, "{} s to wait", due - now);
                }
            }
        }
    }
}
