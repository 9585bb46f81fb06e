//! Feeds on both sides: ours on a MISP server, its feeds here.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use artif_core::config::MispExchange;
use artif_core::misp::{Exchange, Step};
use artif_core::{
    Category, Config, Engine, ExchangeOptions, Feed, Outcome, ReputationEngine, ThreatLevel,
};
use serde_json::json;
use support::http_server::{Server, answer, say};
use support::misp_server::{Fault, KEY, Misp, uuid};
use support::refresh;

struct World {
    misp: Misp,
    dir: tempfile::TempDir,
    engine: Option<Engine>,
    extra: &'static str,
}

impl World {
    fn new(extra: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), KEY).unwrap();
        let misp = Misp::start(1_786_000_000);
        let mut world = Self { misp, dir, engine: None, extra };
        world.open();
        world
    }

    fn open(&mut self) {
        self.engine = None;
        let text = format!(
            "catalogue = []\n[fetch]\nretries = 0\n[misp]\nurl = '{}'\nkey = 'file:{}'\n{}",
            self.misp.server.url("/"),
            self.dir.path().join("key").display(),
            self.extra
        );
        // Nothing of it is fetched by us here.
        let ours = Feed::new("c2-list", "http://127.0.0.1:9/c2.txt")
            .unwrap()
            .name("C2 list")
            .categories([Category::CommandAndControl])
            .threat_level(ThreatLevel::HIGH);
        let table: artif_core::Format =
            serde_json::from_value(json!({"type": "csv", "value_col": 3, "sep": "|"})).unwrap();
        let table = Feed::new("table", "http://127.0.0.1:9/t.csv").unwrap().format(table);
        let here = Feed::new("here", "file:///lists/x.txt").unwrap();
        let secret = Feed::new("secret", "https://lists.example/x?key=1").unwrap();
        let engine = Engine::builder()
            .config(Config::from_toml(&text).unwrap())
            .data(self.dir.path().join("data"))
            .feed(ours)
            .feed(table)
            .feed(here)
            .feed(secret)
            .build();
        self.engine = Some(engine.unwrap());
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn exchange(&self, options: &ExchangeOptions) -> Exchange {
        self.misp.store().log.clear();
        self.engine().exchange_feeds(options).unwrap().remove(0)
    }
}

fn steps(exchange: &Exchange) -> Vec<(Step, &str)> {
    exchange.actions.iter().map(|action| (action.step, action.feed.as_str())).collect()
}

#[test]
fn ours_are_created_fetched_cached_and_described() {
    let world = World::new("");
    let options = ExchangeOptions::default();
    let expected = [
        (Step::CreateThere, "c2-list"),
        (Step::FetchThere, "c2-list"),
        (Step::CacheThere, "c2-list"),
        (Step::CreateThere, "table"),
        (Step::FetchThere, "table"),
        (Step::CacheThere, "table"),
        (Step::Leave, "here"),
        (Step::Leave, "secret"),
    ];
    let plan = world.exchange(&options.clone().dry_run());
    assert_eq!((steps(&plan).as_slice(), plan.requests), (&expected[..], 1));
    assert!(plan.actions.iter().all(|action| !action.done));
    assert!(world.misp.store().feeds.is_empty());

    let done = world.exchange(&options);
    assert_eq!(steps(&done), expected);
    assert!(done.actions.iter().all(|a| a.error.is_none() && (a.done || a.step == Step::Leave)));
    {
        let store = world.misp.store();
        let feed = &store.feeds[&1];
        assert_eq!((&feed["fixed_event"], &feed["delta_merge"]), (&json!(true), &json!(false)));
        assert_eq!(
            (&feed["caching_enabled"], &feed["source_format"]),
            (&json!(true), &json!("freetext"))
        );
        let settings = store.feeds[&2]["settings"].as_str().unwrap();
        assert_eq!(settings, "{\"csv\":{\"delimiter\":\"|\",\"value\":\"3\"}}");
    }

    // Once the events are known here they get level and tags; the tag has to be made first.
    refresh(world.engine());
    let done = world.exchange(&options);
    let of_first: Vec<_> =
        steps(&done).into_iter().filter(|(_, feed)| *feed == "c2-list").collect();
    assert_eq!(
        of_first,
        [
            (Step::LevelThere, "c2-list"),
            (Step::TagThere, "c2-list"),
            (Step::PublishThere, "c2-list")
        ]
    );
    {
        let store = world.misp.store();
        let event = store.events.values().find(|event| event.info == "C2 list feed").unwrap();
        assert_eq!((event.threat_level, event.published), (1, true));
        assert_eq!(event.tags, ["c&c"]);
    }
    // What was done is seen, and then there is nothing to do: one request.
    refresh(world.engine());
    assert!(steps(&world.exchange(&options)).iter().all(|(step, _)| *step == Step::Leave));
    let same = world.exchange(&options);
    assert_eq!((same.unchanged, same.requests, same.actions.len()), (true, 1, 0));

    // Somebody changes a feed there in a way that could empty it.
    world.misp.store().feeds.get_mut(&1).unwrap()["delta_merge"] = json!(true);
    let done = world.exchange(&options);
    assert_eq!(steps(&done)[0], (Step::EditThere, "c2-list"));
    assert_eq!(done.actions[0].detail, "delta_merge = 0");
    assert_eq!(world.misp.store().feeds[&1]["delta_merge"], false);
    // What is switched off there stays so, but for a first run.
    world.misp.store().feeds.get_mut(&1).unwrap()["enabled"] = json!(false);
    assert_eq!(steps(&world.exchange(&options))[0], (Step::Leave, "c2-list"));
    let init = world.exchange(&options.clone().init());
    assert_eq!(
        steps(&init)[..3],
        [
            (Step::EnableThere, "c2-list"),
            (Step::FetchThere, "c2-list"),
            (Step::CacheThere, "c2-list")
        ]
    );
}

#[test]
fn feeds_added_there_appear_here() {
    let mut world = World::new("exchange = 'pull'");
    let feed = |name: &str, url: &str, more: serde_json::Value| {
        let mut feed = json!({
            "id": "7", "name": name, "provider": "P", "url": url, "enabled": true,
            "source_format": "freetext", "input_source": "network", "headers": null,
            "settings": "[]", "event_id": "0", "fixed_event": true, "delta_merge": false,
        });
        feed.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        feed
    };
    {
        let mut store = world.misp.store();
        store.feeds.insert(7, feed("Their list", "http://127.0.0.1:9/theirs.txt", json!({})));
        store
            .feeds
            .insert(8, feed("Off", "http://127.0.0.1:9/off", json!({"id": "8", "enabled": false})));
        store.feeds.insert(9, feed("Local", "/x", json!({"id": "9", "input_source": "local"})));
        store.feeds.insert(10, feed("Key", "http://x/", json!({"id": "10", "headers": "K: v"})));
        store.feeds.insert(11, feed("Ours", "http://127.0.0.1:9/c2.txt", json!({"id": "11"})));
    }
    let report = refresh(world.engine()).misp.remove(0);
    let exchange = report.exchange.unwrap();
    assert_eq!(
        steps(&exchange),
        [(Step::AddHere, "their-list"), (Step::Leave, "Local"), (Step::Leave, "Key")]
    );
    let there = |world: &World| {
        let feeds = world.engine().feeds();
        feeds.into_iter().filter(|feed| feed.id.as_str() == "their-list").count()
    };
    assert_eq!(there(&world), 1, "without a restart");
    world.open();
    assert_eq!(there(&world), 1);
    assert_eq!(steps(&refresh(world.engine()).misp[0].exchange.clone().unwrap()).len(), 2);
    // Not handed back: it is theirs.
    let push = ExchangeOptions::default().direction(MispExchange::Push);
    assert!(steps(&world.exchange(&push)).iter().all(|(_, feed)| *feed != "their-list"));
}

#[test]
fn what_fails_is_said_and_the_rest_goes_on() {
    let world = World::new("");
    let no = "{\"name\": \"You do not have permission to use this functionality.\"}".to_owned();
    let no = Fault::Say("403 Forbidden\nContent-Type: application/json".into(), no);
    world.misp.store().faults.push_back(("feeds/add".into(), no));
    let done = world.exchange(&ExchangeOptions::default());
    let error = done.actions[0].error.as_ref().unwrap();
    assert!(error.contains("creating a feed") && error.contains("[misp-no-permission]"), "{error}");
    assert!(steps(&done).contains(&(Step::CacheThere, "table")));

    let login = "302 Found\nLocation: /users/login".to_owned();
    world.misp.store().faults.push_back(("feeds".into(), Fault::Say(login, String::new())));
    let error = world.engine().exchange_feeds(&ExchangeOptions::default()).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("ARTIF_MISP", true));
}

#[test]
fn a_list_on_both_sides_is_one_witness() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), KEY).unwrap();
    let misp = Misp::start(1_786_000_000);
    let lists = Server::start(|_, to| say(to, answer("200 OK", "60.0.0.1\n60.0.0.2\n")));
    let url = lists.url("/c2.txt");
    let addresses = ["60.0.0.1", "60.0.0.2"].map(str::to_owned).to_vec();
    misp.store().lists.insert(url.clone(), addresses);
    let open = |exchange: &str| {
        let text = format!(
            "catalogue = []\n[misp]\nurl = '{}'\nkey = 'file:{}'\nexchange = '{exchange}'",
            misp.server.url("/"),
            dir.path().join("key").display(),
        );
        let builder = Engine::builder().config(Config::from_toml(&text).unwrap());
        builder.data(dir.path().join("data")).feed(Feed::new("c2", &url).unwrap()).build().unwrap()
    };
    let witnesses = |engine: &Engine| -> Vec<String> {
        let answer = engine.check("60.0.0.1".parse().unwrap());
        answer.feeds().map(|feed| feed.id.clone()).collect()
    };
    let sync = |engine: &Engine| {
        misp.store().log.clear();
        let report = refresh(engine).misp.remove(0);
        assert_eq!(report.error, None);
        report
    };
    let engine = open("push");
    sync(&engine);
    let event = *misp.store().events.keys().next().unwrap();
    assert_eq!(misp.store().events_with(event), 2, "fetched there");
    let report = sync(&engine);
    assert_eq!((report.copies, report.attributes, report.requests), (1, 0, 3));
    assert_eq!(witnesses(&engine), ["c2"]);
    // The other way it counts when the list does not.
    let id = "c2".parse().unwrap();
    engine.enable_feed(&id, false).unwrap();
    let report = sync(&engine);
    assert_eq!((report.copies, report.attributes, report.outcome), (0, 2, Outcome::Loaded));
    assert_eq!(witnesses(&engine), [format!("misp.{}", uuid(event))]);
    engine.enable_feed(&id, true).unwrap();
    assert_eq!(sync(&engine).copies, 1);
    assert_eq!(witnesses(&engine), ["c2"]);
    // What was exchanged before is remembered where it no longer is.
    drop(engine);
    let engine = open("off");
    let report = sync(&engine);
    assert_eq!((report.copies, report.requests, report.outcome), (1, 3, Outcome::Unchanged));
    assert_eq!(witnesses(&engine), ["c2"]);
}
