//! Inputs that the targets are shown first. What has a format of this build is made by this build.

#[cfg(feature = "fetch")]
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::Utc;

use crate::config::{Config, IndexTier};
use crate::ledger::{Override, OverrideAction};
use crate::{Engine, Feed, RefreshOptions, ThreatLevel};

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests")
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    files.sort();
    files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
}

/// Inputs for the target of this name.
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match name {
        "address" => texts(&[
            "203.0.113.9",
            "2001:db8::1",
            "::ffff:192.0.2.1",
            "1:2:3:4:5:6:7:8",
            "fe80::1%eth0",
            "10.0.0.0/8",
            "2001:db8::/32",
            "my-list",
            "::",
            "1::1.2.3.4",
            "255.255.255.256",
        ]),
        "client" => client(),
        "config" => config(),
        "feed" => {
            let documents = files(&tests().join("data/detect"));
            let each = |(place, document): (usize, Vec<u8>)| {
                let format = [place as u8, (place as u8).wrapping_mul(7)];
                format.map(|format| [&[format], document.as_slice()].concat())
            };
            documents.into_iter().enumerate().flat_map(each).collect()
        }
        "detect" => files(&tests().join("data/detect")),
        "snapshot" => engine_files("snapshot-"),
        "checkpoint" => engine_files("checkpoint-"),
        "override_log" => engine_files("overrides.log"),
        "block" => crate::ledger::fuzz::blocks(),
        "misp" => {
            let mut all = files(&tests().join("data/detect"));
            all.retain(|document| document.starts_with(b"{") || document.starts_with(b"["));
            all.extend::<Vec<_>>(texts(MISP));
            all
        }
        "mmdb" => files(&tests().join("data/geo")),
        #[cfg(feature = "fetch")]
        "unpack" => packed(),
        _ => Vec::new(),
    }
}

const MISP: &[&str] = &[
    r#"{"response":{"Attribute":[{"id":"5","event_id":"1","type":"ip-dst|port","value":"203.0.113.9|443","to_ids":true,"deleted":false,"timestamp":"1700000000","uuid":"5f0f0f0f-1111-4222-8333-444455556666","Event":{"id":"1","info":"a","threat_level_id":"1","org_id":"1"},"Tag":[{"name":"tlp:white"}]}]}}"#,
    r#"{"response":[]}"#,
    r#"[{"Event":{"id":"1","info":"x","published":true,"timestamp":"1700000000","attribute_count":"3","threat_level_id":"2","Orgc":{"id":"1","name":"o","uuid":"u"},"EventTag":[{"Tag":{"name":"botnet"}}]}}]"#,
    r#"{"saved":false,"name":"Could not add Event","message":"Could not add Event","errors":{"value":["A similar attribute already exists for this event."]}}"#,
    r#"{"name":"Authentication failed.","message":"Authentication failed.","url":"\/x"}"#,
    r#"[{"Feed":{"id":"3","name":"list","provider":"p","url":"https://lists.example/a.txt","enabled":true,"source_format":"freetext","input_source":"network","settings":"[]","fixed_event":true,"delta_merge":false,"event_id":"9"}}]"#,
    r#"{"Warninglists":[{"Warninglist":{"id":"1","name":"List of known IPv4 public DNS resolvers","type":"cidr","version":"1","enabled":true,"warninglist_entry_count":"5","valid_attributes":"ip-src, ip-dst"}}]}"#,
];

fn client() -> Vec<Vec<u8>> {
    let Ok(text) = std::fs::read_to_string(tests().join("conformance/client_address.json")) else {
        return Vec::new();
    };
    let Ok(all) = serde_json::from_str::<serde_json::Value>(&text) else { return Vec::new() };
    let mut seeds = Vec::new();
    for vector in all.get("vectors").and_then(|v| v.as_array()).into_iter().flatten() {
        let headers = vector.pointer("/when/headers").and_then(|h| h.as_array());
        let values: Vec<_> =
            headers.into_iter().flatten().filter_map(|h| h.get(1)?.as_str()).collect();
        if !values.is_empty() && values.iter().all(|value| value.len() < 2000) {
            let forwarded = values.iter().any(|value| value.contains('='));
            seeds.push([&[u8::from(forwarded)], values.join("\n").as_bytes()].concat());
        }
    }
    seeds
}

fn config() -> Vec<Vec<u8>> {
    let examples = tests().join("../examples");
    let read = |name: &str| std::fs::read(examples.join(name)).ok();
    let mut all: Vec<_> =
        ["artif.toml", "artif/artif.toml"].iter().filter_map(|n| read(n)).collect();
    all.push(br#"{"data":"x","refresh":{"every":"1h"},"feed":[{"id":"a","url":"https://a.example/x","format":{"type":"plain"}}]}"#.to_vec());
    all.push(
        b"[[feed]]\nid = \"a\"\nurl = \"https://a.example/x\"\ncategories = [\"attack\"]\n"
            .to_vec(),
    );
    all
}

/// The files of a data folder with a little of everything in it.
fn engine_files(start: &str) -> Vec<Vec<u8>> {
    let Ok(dir) = tempfile::tempdir() else { return Vec::new() };
    let lists = [
        ("a", "203.0.114.0/24\n93.184.216.34\n2001:470::/32\n"),
        ("b", "93.184.216.0/24\n8.8.8.8\n2a00:1450::1\n"),
    ];
    let mut config = Config::default();
    config.snapshot.index = IndexTier::Compact;
    let mut builder = Engine::builder().config(config).data(dir.path().join("data"));
    for (id, list) in lists {
        let path = dir.path().join(id);
        if std::fs::write(&path, list).is_err() {
            return Vec::new();
        }
        let Ok(feed) = Feed::new(id, &format!("file:{}", path.display())) else {
            return Vec::new();
        };
        builder = builder.feed(feed.threat_level(ThreatLevel::HIGH));
    }
    let Ok(engine) = builder.build() else { return Vec::new() };
    let _ = engine.refresh(&RefreshOptions::default());
    for prefix in ["198.51.100.0/24", "2001:db8:1::/48"] {
        let Ok(prefix) = prefix.parse() else { continue };
        let _ = engine.add_override(Override::new(prefix, OverrideAction::Allow, Utc::now()));
    }
    let mut found = Vec::new();
    let mut collect = || {
        let Ok(files) = std::fs::read_dir(dir.path().join("data")) else { return };
        for file in files.flatten().filter(|f| f.file_name().to_string_lossy().starts_with(start)) {
            found.extend(std::fs::read(file.path()));
        }
    };
    collect();
    found
}

#[cfg(feature = "fetch")]
fn packed() -> Vec<Vec<u8>> {
    let text = b"203.0.113.9\n".repeat(20);
    let mut seeds = vec![[&[0], text.as_slice()].concat()];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    if gzip.write_all(&text).is_ok()
        && let Ok(bytes) = gzip.finish()
    {
        seeds.push([&[1], bytes.as_slice()].concat());
        seeds.push([&[0], bytes.as_slice()].concat());
    }
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    if archive.start_file("list.txt", zip::write::SimpleFileOptions::default()).is_ok()
        && archive.write_all(&text).is_ok()
        && let Ok(bytes) = archive.finish()
    {
        seeds.push([&[0], bytes.into_inner().as_slice()].concat());
    }
    if let Ok(bytes) = zstd::encode_all(text.as_slice(), 1) {
        seeds.push([&[3], bytes.as_slice()].concat());
    }
    // Brotli: a stream of one stored block.
    seeds.push([&[2], b"\x0b\x02\x80hello\x03".as_slice()].concat());
    seeds
}
