//! A thread that takes up what the owner of the folder, or an operator, publishes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::view::Answers;

/// How often the folder is looked at: two `stat` calls. An override is to count everywhere within
/// a second.
const INTERVAL: Duration = Duration::from_millis(250);

/// Ends its thread when dropped.
#[derive(Debug)]
pub(crate) struct Follower {
    /// The process that has the thread: a child forked since has not.
    process: u32,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    pub(crate) fn start(answers: Arc<Answers>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let dir = answers.dir().unwrap_or(Path::new("")).to_owned();
        let run = move || {
            if let Err(error) = answers.load_full().snapshot.warm() {
                tracing::error!(%error, "answers come without the names of feeds");
            }
            // Opening checks no more than it has to; this thread has the time.
            if let Err(error) = answers.load_full().snapshot.verify() {
                tracing::error!(%error, "answers may be wrong");
            }
            let mut trouble = None;
            while !stopped.load(Ordering::Acquire) {
                std::thread::park_timeout(INTERVAL);
                match answers.follow() {
                    Ok(changed) => {
                        trouble = None;
                        if changed {
                            tracing::debug!(dir = ?answers.dir(), "took up a new snapshot or overrides");
                        }
                    }
                    Err(error) => {
                        // Say it once, not four times a second.
                        let text = error.to_string();
                        if trouble.as_ref() != Some(&text) {
                            tracing::warn!(%error, "the last good snapshot keeps answering");
                            trouble = Some(text);
                        }
                    }
                }
            }
        };
        let thread = Builder::new()
            .name("artif-follow".to_owned())
            .spawn(run)
            .map_err(|error| Error::io("starting a thread to follow", dir, error))?;
        Ok(Self { process: std::process::id(), stop, thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take().filter(|_| self.process == std::process::id());
        if let Some(thread) = thread {
            thread.thread().unpark();
            // A panic there has been printed; there is nothing to add to it here.
            let _ = thread.join();
        }
    }
}
