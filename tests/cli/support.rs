//! A folder to run the program in, and what came of it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// One address of every kind; artif-core/samples/README.md tells their stories.
pub(crate) const CAST: [&str; 8] = [
    "22.66.6.66",
    "22.66.7.200",
    "22.32.5.5",
    "22.10.200.200",
    "22.201.0.1",
    "10.1.2.3",
    "3ffe:2666::1",
    "::ffff:22.66.6.66",
];

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With all days of the samples taken in.
    pub(crate) fn at_day3() -> Self {
        let folder = Self::new();
        for day in 1..=3 {
            assert_eq!(folder.day(day, &[]).code, 0);
        }
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("artif-data")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn catalogue(day: u32) -> PathBuf {
        let name =
            if day == 3 { "catalogue.toml".to_owned() } else { format!("catalogue-day{day}.toml") };
        samples().join(name)
    }

    /// Makes a day of the samples the configuration.
    pub(crate) fn configure(&self, day: u32) {
        let [catalogue, asn, country] = [
            Self::catalogue(day),
            samples().join("sample-asn.mmdb"),
            samples().join("sample-country.mmdb"),
        ]
        .map(|path| Value::from(path.to_str().unwrap()).to_string());
        self.write(
            "artif.toml",
            &format!("catalogue = {catalogue}\n[geo]\nasn = {asn}\ncountry = {country}\n"),
        );
    }

    /// Puts the samples' files into dated folders.
    pub(crate) fn dated_days(&self, name: &str) {
        for day in 1..=3 {
            let to = self.path(name).join(format!("2026-08-0{day}"));
            std::fs::create_dir_all(&to).unwrap();
            for file in std::fs::read_dir(samples().join(format!("feeds/day{day}"))).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
    }

    /// Takes in a day of the samples, as if on that day.
    pub(crate) fn day(&self, day: u32, args: &[&str]) -> Ended {
        let catalogue = Self::catalogue(day);
        let (asn, country) =
            (samples().join("sample-asn.mmdb"), samples().join("sample-country.mmdb"));
        let at = format!("2026-08-0{day}T06:00:00Z");
        let fixed = [
            "refresh",
            "--as-of",
            &at,
            "--catalogue",
            catalogue.to_str().unwrap(),
            "--asn",
            asn.to_str().unwrap(),
            "--country",
            country.to_str().unwrap(),
        ];
        self.run(&[&fixed, args].concat())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.spawn(args).finish()
    }

    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Ended {
        self.spawn(args).finish_writing(stdin)
    }

    /// Runs with this in its environment.
    pub(crate) fn run_in(&self, variables: &[(&str, &str)], args: &[&str]) -> Ended {
        self.spawn_in(variables, args).finish()
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Running {
        self.spawn_in(&[], args)
    }

    fn spawn_in(&self, variables: &[(&str, &str)], args: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_artif"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("ARTIF_")
                || matches!(&*name, "RUST_LOG" | "NO_COLOR" | "TERM" | "COLUMNS")
            {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(args)
            .envs(variables.iter().copied())
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        Running { child, stdout, folder: self.0.path().canonicalize().unwrap() }
    }
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").canonicalize().unwrap()
}

pub(crate) struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    folder: PathBuf,
}

impl Running {
    /// Sends it a signal, as in `TERM`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn write(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    pub(crate) fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
    }

    pub(crate) fn finish(self) -> Ended {
        self.finish_writing("")
    }

    pub(crate) fn finish_writing(mut self, text: &str) -> Ended {
        let stdin = self.child.stdin.take();
        let text = text.to_owned();
        let writing = std::thread::spawn(move || {
            // The program may end without reading all of it.
            let _ = stdin.unwrap().write_all(text.as_bytes());
        });
        let stderr = self.child.stderr.take();
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.unwrap().read_to_string(&mut text).unwrap();
            text
        });
        let mut stdout = String::new();
        if let Some(mut out) = self.stdout.take() {
            out.read_to_string(&mut stdout).unwrap();
        }
        writing.join().unwrap();
        let stderr = reading.join().unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        Ended { code, stdout, stderr, folder: self.folder }
    }
}

pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    folder: PathBuf,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }

    /// Compares both outputs with `tests/cli/NAME.txt`.
    pub(crate) fn matches(&self, name: &str) {
        let mut found = self.normalised(&self.stdout);
        if !self.stderr.is_empty() {
            found.push_str("--- stderr\n");
            found.push_str(&self.normalised(&self.stderr));
        }
        assert_expected(name, &found);
    }

    /// Without what differs from run to run: folders, times taken, sizes, the version.
    fn normalised(&self, text: &str) -> String {
        let folder = self.folder.to_str().unwrap();
        let samples = samples();
        let text = text.replace(folder, "[DIR]").replace(samples.to_str().unwrap(), "[SAMPLES]");
        let text = if cfg!(windows) { text.replace('\\', "/") } else { text };
        let mut text = text.replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
        for (pattern, put) in [(r"\d+ ms", "[TIME]"), (r"\d+(\.\d+)? (B|KiB|MiB)\b", "[SIZE]")] {
            text = regex::Regex::new(pattern).unwrap().replace_all(&text, put).into_owned();
        }
        text
    }
}

/// Compares with `tests/cli/NAME.txt`.
pub(crate) fn assert_expected(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/cli/{name}.txt"));
    if std::env::var_os("ARTIF_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        found == expected,
        "{} differs (ARTIF_BLESS=1 writes it anew)\n--- expected\n{expected}\n--- found\n{found}",
        path.display()
    );
}

/// The names of an object's members, or of those of a list's first element.
pub(crate) fn shape(value: &Value) -> String {
    match value.as_array() {
        Some(list) => format!("[{{{}}}]", keys(&list[0]).join(" ")),
        None => format!("{{{}}}", keys(value).join(" ")),
    }
}

/// The sorted names of an object's members.
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
