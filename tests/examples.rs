//! The examples run, offline.

#[path = "../examples/custom_feed.rs"]
mod custom_feed;
#[path = "../examples/quickstart.rs"]
mod quickstart;

#[test]
fn quickstart_runs() {
    quickstart::main().unwrap();
}

#[test]
fn custom_feed_runs() {
    custom_feed::main().unwrap();
}
