//! Strings from outside in everything that people and their terminals read, and secrets in it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_push_string,
    reason = "tests"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::http_server::{Server, answer, path_of, say};

/// What an attacker would like to see in a log: a line of its own, in red, over what was there.
const EVIL: &str = "x\u{1b}[31m\r\nINJECTED 2026-01-01 all is well\u{7}\u{9b}2J\u{8}\n";

const SECRETS: [(&str, &str); 4] = [
    ("ARTIF_T_TOKEN", "s3cr3t-token-1f0e"),
    ("ARTIF_T_PASSWORD", "s3cr3t-password-2a9b"),
    ("ARTIF_T_KEY", "s3cr3t-key-3c8d"),
    ("ARTIF_T_MISP", "s3cr3t-misp-4d7e00000000000000000000000"),
];

struct Folder(tempfile::TempDir);

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Everything a command says, on both streams.
    fn run(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_artif"))
            .args(["--config", self.path("artif.toml").to_str().unwrap()])
            .args(args)
            .envs(SECRETS)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let both = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&both).into_owned()
    }
}

/// Commands that show what was fetched, logged or kept.
const COMMANDS: [&[&str]; 12] = [
    &["-vvv", "refresh"],
    &["refresh", "--json"],
    &["status"],
    &["status", "--json"],
    &["feeds", "list"],
    &["feeds", "report"],
    &["check", "93.184.216.34"],
    &["check", "93.184.216.34", "--json"],
    &["explain", "93.184.216.34"],
    &["override", "list"],
    &["warninglists", "list"],
    &["history", "93.184.216.34"],
];

/// Whatever is asked for, the answer is meant to be logged.
fn hostile_server() -> Server {
    Server::start(|head, to| {
        // As far as HTTP lets it: an escape sequence of one character, and some that are encoded.
        let line = "x\u{9b}31m%1b%0d%0aINJECTED";
        match path_of(head) {
            "/redirect" => {
                say(to, answer("302 Found\nLocation: http://169.254.169.254/%1b%0aINJECTED", EVIL));
            }
            "/error" => say(to, answer(&format!("418 {line}\nServer: {line}"), EVIL)),
            "/html" => say(to, answer("200 OK\nContent-Type: text/html", format!("<html>{EVIL}"))),
            "/json" => say(to, answer("200 OK", format!("{{\"a\": {EVIL}"))),
            // Says what it was told, as a careless server does.
            "/echo" => say(to, answer("403 No", head)),
            _ => say(
                to,
                answer(
                    &format!("200 OK\nETag: \"{line}\""),
                    format!("{EVIL}93.184.216.34\n{EVIL}"),
                ),
            ),
        }
    })
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

fn feed(id: &str, url: &str) -> String {
    let evil = serde_json::to_string(EVIL).unwrap();
    // TOML writes these as JSON does.
    format!("[[feed]]\nid = '{id}'\nurl = '{url}'\nname = {evil}\nprovider = {evil}\n")
}

#[test]
fn nothing_from_outside_writes_lines_of_its_own_or_moves_a_terminal() {
    let server = hostile_server();
    let folder = Folder(tempfile::tempdir().unwrap());
    let mut config = String::from("[fetch]\nretries = 0\n");
    for path in ["list", "redirect", "error", "html", "json"] {
        config += &feed(path, &server.url(&format!("/{path}")));
    }
    fs::write(folder.path("artif.toml"), &config).unwrap();
    let mut all = folder.run(&["refresh"]);
    all += &folder.run(&["override", "add", "93.184.216.0/24", "block", "--reason", EVIL]);
    for command in COMMANDS {
        all += &folder.run(command);
    }
    for expected in ["93.184.216.34", "418", "HTML", "Link Local", "INJECTED"] {
        assert!(all.contains(expected), "nothing of {expected}: {all}");
    }
    for line in all.lines() {
        assert!(!line.starts_with("INJECTED"), "{line} in {all}");
        // JSON is for programs, and escapes what ASCII has of them.
        let is_json = line.starts_with(['{', '[', ' ']) && line.contains('"');
        let moves = |c: &char| if is_json { c.is_ascii_control() } else { c.is_control() };
        let bad = line.chars().find(|c| moves(c) && *c != '\t');
        assert_eq!(bad, None, "{line:?}");
    }
}

#[test]
fn secrets_are_in_no_output_and_no_file() {
    let server = hostile_server();
    let folder = Folder(tempfile::tempdir().unwrap());
    let mut config = String::from("[fetch]\nretries = 0\n");
    for (number, path) in ["list", "echo", "error", "redirect"].iter().enumerate() {
        let auth = ["bearer env:ARTIF_T_TOKEN", "basic:ana env:ARTIF_T_PASSWORD"][number % 2];
        let url = server.url(&format!("/{path}"));
        config += &format!("[[feed]]\nid = '{path}'\nurl = '{url}'\nauth = '{auth}'\n");
    }
    config +=
        &format!("[[misp]]\nid = 'm'\nurl = '{}'\nkey = 'env:ARTIF_T_MISP'\n", server.url("/echo"));
    fs::write(folder.path("artif.toml"), &config).unwrap();
    let mut all = String::new();
    for command in COMMANDS {
        all += &folder.run(command);
    }
    let parsed = artif_core::Config::load(folder.path("artif.toml")).unwrap();
    all += &format!("{parsed:?}");
    // They were really sent, or this would show nothing.
    let sent = server.requests().concat();
    assert!(sent.contains(SECRETS[0].1), "{all}");
    let mut kept = Vec::new();
    files(folder.0.path(), &mut kept);
    assert!(kept.len() > 3, "{all}");
    let password = "YW5hOnMzY3IzdC1wYXNzd29yZC0yYTli";
    for secret in SECRETS.iter().map(|(_, secret)| *secret).chain([password]) {
        assert!(!all.contains(secret), "{secret} in {all}");
        for path in &kept {
            let bytes = fs::read(path).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} in {}", path.display());
        }
    }
}
