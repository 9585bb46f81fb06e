//! The status as figures for a monitoring system.

use std::fmt::{Display, Write as _};

use super::status::Status;
use crate::error::excerpt;
use crate::snapshot::SnapshotFeed;

impl Status {
    /// The status in the text format of Prometheus, version 0.0.4, which most monitoring systems
    /// read: for a `/metrics` of your own, or a file for node exporter's textfile collector.
    ///
    /// Times are seconds since 1970, truths 0 or 1. Why a feed or warninglist keeps its last good
    /// content is the label `reason` of `artif_feed_trouble_info`.
    ///
    /// ```
    /// use artif_core::{Engine, ReputationEngine};
    ///
    /// let text = Engine::in_memory().unwrap().status().to_prometheus();
    /// assert!(text.contains("# TYPE artif_snapshot_id gauge\nartif_snapshot_id 0\n"));
    /// ```
    pub fn to_prometheus(&self) -> String {
        let mut text = Text::default();
        text.gauge("artif_build_info", "The version of artif.");
        text.value(&[("version", self.version)], 1);
        let snapshot = &self.snapshot;
        let counts = &snapshot.counts;
        text.single("artif_snapshot_id", "The snapshot that answers; 0 for none.", snapshot.id);
        text.single(
            "artif_snapshot_created_timestamp_seconds",
            "When it was compiled.",
            snapshot.created.timestamp(),
        );
        text.single("artif_snapshot_bytes", "Its size.", snapshot.bytes);
        text.single(
            "artif_snapshot_stale",
            "Whether it is older than it should get.",
            u8::from(snapshot.stale),
        );
        text.gauge("artif_networks", "Networks in the snapshot.");
        for (state, count) in [("active", counts.active), ("historical", counts.historical)] {
            text.value(&[("state", state)], count);
        }
        text.single("artif_overrides", "Overrides, expired ones too.", self.overrides);
        if let Some(signals) = &self.signals {
            text.gauge("artif_signals", "Entries of own signals, and for how many there is room.");
            for (what, count) in [("used", signals.entries), ("capacity", signals.capacity)] {
                text.value(&[("what", what)], count);
            }
            text.gauge("artif_signals_lost", "Own signals that gave way, or found no room.");
            for (what, count) in [("evicted", signals.evicted), ("refused", signals.refused)] {
                text.value(&[("what", what)], count);
            }
        }
        text.single(
            "artif_problems",
            "What somebody should look at; `artif status` says what.",
            self.problems.len(),
        );
        let lists = self.feeds.iter().map(|feed| ("feed", feed));
        let lists = lists.chain(self.warninglists.iter().map(|list| ("warninglist", list)));
        let lists: Vec<_> = lists.filter(|(_, list)| list.enabled).collect();
        feeds(&mut text, &lists);
        if !self.geo_updates.is_empty() {
            text.gauge("artif_geo_update_failing", "Whether a geo database is not updated.");
            for update in &self.geo_updates {
                let path = update.path.display().to_string();
                text.value(&[("path", &path)], u8::from(update.problem.is_some()));
            }
        }
        text.0
    }
}

fn feeds(text: &mut Text, lists: &[(&str, &SnapshotFeed)]) {
    text.gauge("artif_feed_networks", "Networks in the last good content of a feed.");
    for (kind, list) in lists {
        text.value(&[("feed", &list.id), ("kind", kind)], list.count);
    }
    text.gauge("artif_feed_stale", "Whether a feed failed or was refused at its last refresh.");
    for (kind, list) in lists {
        text.value(&[("feed", &list.id), ("kind", kind)], u8::from(list.stale.is_some()));
    }
    text.gauge(
        "artif_feed_confirmed_timestamp_seconds",
        "When the content of a feed was last known to be what its publisher says.",
    );
    for (kind, list) in lists {
        if let Some(at) = list.confirmed {
            text.value(&[("feed", &list.id), ("kind", kind)], at.timestamp());
        }
    }
    text.gauge("artif_feed_trouble_info", "Why a feed keeps its last good content.");
    for (kind, list) in lists {
        if let Some(reason) = &list.stale {
            let reason = excerpt(reason);
            text.value(&[("feed", &list.id), ("kind", kind), ("reason", &reason)], 1);
        }
    }
}

/// Metrics, one after the other.
#[derive(Default)]
struct Text(String, &'static str);

// Writing to a string cannot fail.
impl Text {
    /// Begins a metric.
    fn gauge(&mut self, name: &'static str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        self.1 = name;
    }

    /// A value of the metric begun last.
    fn value(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(self.1);
        for (place, (name, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{name}=\"{text}\"", if place == 0 { '{' } else { ',' });
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    fn single(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.gauge(name, help);
        self.value(&[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_ends_no_label() {
        let mut text = Text::default();
        text.gauge("x", "X.");
        text.value(&[("a", "1\"} 7\n\\"), ("b", "2")], 3);
        assert_eq!(text.0, "# HELP x X.\n# TYPE x gauge\nx{a=\"1\\\"} 7\\n\\\\\",b=\"2\"} 3\n");
    }
}
