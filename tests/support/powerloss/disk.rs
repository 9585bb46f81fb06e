//! A disk whose power fails: what is left of files and folders whose changes were noted by
//! `shim.c`, when those that were not synced may be lost.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Random;

/// One noted act.
#[derive(Debug)]
pub(crate) struct Act {
    kind: u8,
    path: String,
    number: u64,
    data: Vec<u8>,
}

impl Act {
    /// What the process printed.
    pub(crate) fn printed(&self) -> Option<&str> {
        (self.kind == b'p').then(|| std::str::from_utf8(&self.data).unwrap())
    }
}

pub(crate) fn read_log(path: &Path) -> Vec<Act> {
    let bytes = fs::read(path).unwrap();
    let (mut acts, mut rest) = (Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let (head, after) = rest.split_at(15);
        let path_length = usize::from(u16::from_ne_bytes([head[1], head[2]]));
        let length = u32::from_ne_bytes(head[3..7].try_into().unwrap()) as usize;
        let number = u64::from_ne_bytes(head[7..].try_into().unwrap());
        let (path, after) = after.split_at(path_length);
        let (data, after) = after.split_at(length);
        let path = String::from_utf8(path.to_vec()).unwrap();
        acts.push(Act { kind: head[0], path, number, data: data.to_vec() });
        rest = after;
    }
    acts
}

/// What becomes of bytes that were written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    /// All are there: the process was killed, the power stayed.
    All,
    /// Each page is there or not.
    Half,
    /// None is there.
    None,
    /// As none, but for what `sync_file_range` wrote within a file's synced length.
    Ranges,
}

pub(crate) const MODELS: [Model; 4] = [Model::All, Model::Half, Model::None, Model::Ranges];

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Cut(u64),
}

#[derive(Debug, Default)]
struct Node {
    is_folder: bool,
    durable: Vec<u8>,
    /// The changes since the last sync, and whether `sync_file_range` saw to them.
    waiting: Vec<(Change, bool)>,
    /// How many of those a running sync began with.
    syncing: usize,
}

type Name = (usize, String);

#[derive(Debug)]
enum NameChange {
    Put(Name, usize),
    Remove(Name),
    Move(Name, Name, usize),
}

impl NameChange {
    fn concerns(&self, folder: usize) -> bool {
        match self {
            Self::Put(name, _) | Self::Remove(name) => name.0 == folder,
            Self::Move(from, to, _) => from.0 == folder || to.0 == folder,
        }
    }

    fn apply(&self, names: &mut BTreeMap<Name, usize>) {
        match self {
            Self::Put(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Move(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

/// Files and folders below a root, as processes see them and as they are on the disk.
pub(crate) struct Disk {
    root: PathBuf,
    nodes: Vec<Node>,
    seen: BTreeMap<Name, usize>,
    durable: BTreeMap<Name, usize>,
    waiting: Vec<NameChange>,
}

fn write(bytes: &mut Vec<u8>, at: u64, data: &[u8]) {
    let (start, end) = (at as usize, at as usize + data.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(data);
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, data) => write(bytes, *at, data),
            Self::Cut(length) => bytes.resize(*length as usize, 0),
        }
    }
}

impl Disk {
    pub(crate) fn new(root: &Path) -> Self {
        let top = Node { is_folder: true, ..Node::default() };
        let root = root.to_owned();
        let names = BTreeMap::new();
        Self { root, nodes: vec![top], seen: names.clone(), durable: names, waiting: Vec::new() }
    }

    fn name(&self, path: &str) -> Option<Name> {
        let path = Path::new(path).strip_prefix(&self.root).ok()?;
        let mut folder = 0;
        let mut parts = path.components().peekable();
        while let Some(part) = parts.next() {
            let name = (folder, part.as_os_str().to_str()?.to_owned());
            if parts.peek().is_none() {
                return Some(name);
            }
            folder = *self.seen.get(&name)?;
        }
        None
    }

    fn node(&mut self, path: &str) -> Option<&mut Node> {
        let place = match self.name(path) {
            Some(name) => *self.seen.get(&name)?,
            None if Path::new(path) == self.root => 0,
            None => return None,
        };
        self.nodes.get_mut(place)
    }

    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.seen);
        self.waiting.push(change);
    }

    fn add(&mut self, path: &str, is_folder: bool) {
        if let Some(name) = self.name(path) {
            self.nodes.push(Node { is_folder, ..Node::default() });
            self.rename(NameChange::Put(name, self.nodes.len() - 1));
        }
    }

    pub(crate) fn take(&mut self, act: &Act) {
        match act.kind {
            b'c' => self.add(&act.path, false),
            b'm' => self.add(&act.path, true),
            b'u' => {
                if let Some(name) = self.name(&act.path) {
                    self.rename(NameChange::Remove(name));
                }
            }
            b'r' => {
                let to = std::str::from_utf8(&act.data).unwrap();
                let (Some(from), Some(to)) = (self.name(&act.path), self.name(to)) else { return };
                if let Some(&node) = self.seen.get(&from) {
                    self.rename(NameChange::Move(from, to, node));
                }
            }
            b'f' => self.synced(&act.path),
            kind => {
                // Files that were removed while open have no name, and are not found again.
                let Some(node) = self.node(&act.path) else { return };
                match kind {
                    b'w' => {
                        node.waiting.push((Change::Write(act.number, act.data.clone()), false));
                    }
                    b't' => node.waiting.push((Change::Cut(act.number), false)),
                    b'b' => node.syncing = node.waiting.len(),
                    b's' => {
                        let many = u64::from_ne_bytes(act.data[..].try_into().unwrap());
                        // None written to the end, by the call's own rules.
                        let end = if many == 0 { u64::MAX } else { act.number + many };
                        node.ranged(act.number, end);
                    }
                    _ => {}
                }
            }
        }
    }

    fn synced(&mut self, path: &str) {
        let folder = match self.name(path) {
            Some(name) => self.seen.get(&name).copied(),
            None => (Path::new(path) == self.root).then_some(0),
        };
        let Some(node) = folder.and_then(|folder| self.nodes.get_mut(folder)) else { return };
        if !node.is_folder {
            let rest = node.waiting.split_off(node.syncing.min(node.waiting.len()));
            for (change, _) in std::mem::replace(&mut node.waiting, rest) {
                change.apply(&mut node.durable);
            }
            node.syncing = 0;
            return;
        }
        let place = folder.unwrap_or_default();
        let (now, later) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|change| change.concerns(place));
        self.waiting = later;
        for change in now {
            change.apply(&mut self.durable);
        }
    }

    /// Writes what is left after the power fails now to the folder `to`.
    pub(crate) fn fail(&self, model: Model, random: &mut Random, to: &Path) {
        let mut names = self.durable.clone();
        // Names change in order, as with a journal; how far it came is not known.
        let kept = match model {
            Model::All => self.waiting.len(),
            _ => random.below(self.waiting.len() + 1) * random.below(2),
        };
        for change in &self.waiting[..kept] {
            change.apply(&mut names);
        }
        fs::create_dir_all(to).unwrap();
        self.restore(0, &names, model, random, to);
    }

    fn restore(
        &self,
        folder: usize,
        names: &BTreeMap<Name, usize>,
        model: Model,
        random: &mut Random,
        to: &Path,
    ) {
        for ((_, name), &node) in names.range((folder, String::new())..(folder + 1, String::new()))
        {
            let path = to.join(name);
            if self.nodes[node].is_folder {
                fs::create_dir(&path).unwrap();
                self.restore(node, names, model, random, &path);
            } else {
                fs::write(&path, self.nodes[node].left(model, random)).unwrap();
            }
        }
    }
}

impl Node {
    /// `sync_file_range` says nothing of a file's length, so it helps what is within it only.
    fn ranged(&mut self, start: u64, end: u64) {
        let end = end.min(self.durable.len() as u64);
        for (change, ranged) in &mut self.waiting {
            if let Change::Write(at, data) = change {
                *ranged |= start <= *at && *at + data.len() as u64 <= end;
            }
        }
    }

    fn left(&self, model: Model, random: &mut Random) -> Vec<u8> {
        const PAGE: u64 = 4096;
        let mut bytes = self.durable.clone();
        for (change, ranged) in &self.waiting {
            match (model, change) {
                (Model::All, _) => change.apply(&mut bytes),
                (Model::Ranges, _) if *ranged => change.apply(&mut bytes),
                (Model::Half, Change::Cut(_)) if random.below(2) == 0 => change.apply(&mut bytes),
                (Model::Half, Change::Write(at, data)) => {
                    let mut start = 0;
                    while start < data.len() {
                        let page_end = ((*at + start as u64) / PAGE + 1) * PAGE;
                        let end = data.len().min((page_end - at) as usize);
                        if random.below(2) == 0 {
                            write(&mut bytes, at + start as u64, &data[start..end]);
                        }
                        start = end;
                    }
                }
                _ => {}
            }
        }
        bytes
    }
}
