//! What is seen of a refresh while it runs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::human;
use super::output::Screen;
use crate::engine::{RefreshEvent, RefreshOptions, ScheduleOptions};

/// A bar on standard error, or nothing.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn start(screen: &Screen<'_>) -> Self {
        if !screen.wants_progress() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len} feeds  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(Some(bar))
    }

    /// Lets the bar follow a refresh with these options.
    pub(super) fn follow(&self, options: RefreshOptions) -> RefreshOptions {
        let Some(bar) = self.0.clone() else { return options };
        let received = Mutex::new(HashMap::new());
        options.progress(move |event| match event {
            RefreshEvent::Started { feeds } => bar.set_length(feeds as u64),
            RefreshEvent::Received { feed, bytes, .. } => {
                let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
                received.insert(feed.clone(), bytes);
                let total: u64 = received.values().sum();
                bar.set_message(format!("{}  {feed}", human::bytes(total)));
            }
            RefreshEvent::Feed(_) => bar.inc(1),
            RefreshEvent::Compiling => bar.set_message("compiling"),
            RefreshEvent::Publishing => bar.set_message("publishing"),
        })
    }

    /// One that follows each refresh of a schedule, seen only while something is fetched.
    pub(super) fn follow_schedule(
        screen: &Screen<'_>,
        options: ScheduleOptions,
    ) -> (Self, ScheduleOptions) {
        if !screen.wants_progress() {
            return (Self(None), options);
        }
        let bar = Self::start(screen);
        bar.finish();
        let follow = bar.follow(RefreshOptions::default()).progress;
        let Some(bar_itself) = bar.0.clone() else { return (bar, options) };
        let options = options.progress(move |event| {
            if let RefreshEvent::Started { feeds } = event {
                if feeds == 0 {
                    return;
                }
                bar_itself.reset();
            }
            if let Some(follow) = &follow {
                follow(event);
            }
        });
        (bar, options)
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
