//! JSON: the paths that lead to addresses, and documents known by their members.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Guess, Refusal, refused};
use crate::error::excerpt;
use crate::feed::Role;
use crate::feed::format::{Format, Json, Ndjson, ValueKind};
use crate::feed::parse::{Probe, Word};

/// The most different names of one object; what has more is a table with names as keys.
const MOST_NAMES: usize = 64;
/// The most places of a document that are told apart.
const MOST_NODES: usize = 4096;

/// What values with the entry are called, best first.
const ENTRY_NAMES: [&str; 12] = [
    "ip",
    "ip_address",
    "ipaddress",
    "address",
    "cidr",
    "ioc_value",
    "ioc",
    "indicator",
    "value",
    "src_ip",
    "source_ip",
    "host",
];
/// Values that are addresses and no entries.
const BESIDE: [&str; 10] = [
    "gateway",
    "nameserver",
    "resolver",
    "reporter_ip",
    "sensor",
    "sensor_ip",
    "netmask",
    "dns",
    "server",
    "collector",
];

/// One place of the document's structure.
#[derive(Debug, Default)]
struct Node {
    names: Vec<(String, usize)>,
    /// Values under keys that are no names: numbers, addresses, too many of them.
    any: Option<usize>,
    elements: Option<usize>,
    objects: u64,
    texts: u64,
    entries: u64,
    ports: u64,
    padded: u64,
    others: u64,
    address_keys: u64,
    /// The first text there.
    sample: String,
}

#[derive(Debug)]
struct Tree {
    nodes: Vec<Node>,
    probe: Probe,
    /// A line of lines of JSON that says it is no entry.
    metadata: bool,
}

impl Tree {
    fn new() -> Self {
        Self { nodes: vec![Node::default()], probe: Probe::default(), metadata: false }
    }

    #[expect(clippy::indexing_slicing, reason = "the root, or an index that `add` handed out")]
    fn node(&mut self, at: usize) -> &mut Node {
        &mut self.nodes[at]
    }

    fn add(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// Whether places are told apart no more: memory is bounded whatever the document.
    fn full(&self) -> bool {
        self.nodes.len() >= MOST_NODES
    }

    fn element(&mut self, at: usize) -> usize {
        if let Some(elements) = self.node(at).elements {
            return elements;
        }
        if self.full() {
            return at;
        }
        let elements = self.add();
        self.node(at).elements = Some(elements);
        elements
    }

    fn any(&mut self, at: usize) -> usize {
        if let Some(any) = self.node(at).any {
            return any;
        }
        if self.full() {
            return at;
        }
        let any = self.add();
        self.node(at).any = Some(any);
        any
    }

    fn member(&mut self, at: usize, key: &str) -> usize {
        if is_name(key) {
            let full = self.full();
            let node = self.node(at);
            if let Some((_, child)) = node.names.iter().find(|(name, _)| name == key) {
                return *child;
            }
            if node.names.len() < MOST_NAMES && !full {
                let child = self.add();
                self.node(at).names.push((key.to_owned(), child));
                return child;
            }
        } else if self.probe.read(key.as_bytes()).is_entry() {
            self.node(at).address_keys += 1;
        }
        self.any(at)
    }

    fn text(&mut self, at: usize, text: &str) {
        let word = self.probe.read(text.trim().as_bytes());
        let node = self.node(at);
        if node.texts == 0 {
            node.sample = text.chars().take(64).collect();
        }
        node.texts += 1;
        node.entries += u64::from(word.is_entry());
        node.ports += u64::from(word == Word::AddressAndPort);
        node.padded += u64::from(word == Word::Padded);
        node.others += u64::from(word == Word::OtherIndicator);
    }

    fn get(&self, at: usize) -> Option<&Node> {
        self.nodes.get(at)
    }

    /// The node that names lead to from another; `[]` stands for elements.
    fn at(&self, from: usize, path: &[&str]) -> Option<&Node> {
        let mut at = from;
        for step in path {
            let node = self.get(at)?;
            at = match *step {
                "[]" => node.elements?,
                "*" => node.any?,
                name => node.names.iter().find(|(known, _)| known == name)?.1,
            };
        }
        self.get(at)
    }

    fn says(&self, path: &[&str], text: &str) -> bool {
        self.at(0, path).is_some_and(|node| node.sample == text)
    }
}

/// Whether a key can be a step of a path, and looks like a name somebody chose.
fn is_name(key: &str) -> bool {
    let fits = (1..=64).contains(&key.len())
        && key.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '@' | '$'))
        && !key.contains(['.', '[', ']', '*', ':']);
    let hex = key.len() >= 16 && key.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    fits && !hex
}

struct Walk<'t> {
    tree: &'t mut Tree,
    at: usize,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.tree.text(self.at, text);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let at = self.tree.element(self.at);
        while elements.next_element_seed(Walk { tree: &mut *self.tree, at })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.tree.node(self.at).objects += 1;
        while let Some(key) = members.next_key::<Cow<'de, str>>()? {
            let at = self.tree.member(self.at, &key);
            members.next_value_seed(Walk { tree: &mut *self.tree, at })?;
        }
        Ok(())
    }
}

fn walk(tree: &mut Tree, json: &[u8]) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    Walk { tree, at: 0 }.deserialize(&mut reader)?;
    reader.end()
}

/// `None` where it is no JSON but text that starts with a bracket.
pub(super) fn guess(text: &[u8]) -> Result<Option<Guess>, Refusal> {
    let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let mut full = lines.by_ref().filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    let is_object = |line: Option<&[u8]>| {
        line.is_some_and(|line| line.starts_with(b"{") && walk(&mut Tree::new(), line).is_ok())
    };
    let several = is_object(full.next()) && full.next().is_some_and(|line| line.starts_with(b"{"));
    let mut tree = Tree::new();
    if several {
        return lines_of_json(tree, text).map(Some);
    }
    if let Err(error) = walk(&mut tree, text) {
        let mut start = text.iter().filter(|b| !b.is_ascii_whitespace());
        let list = start.next() == Some(&b'[');
        if list && !matches!(start.next(), Some(b'"' | b'{' | b'[' | b']')) {
            return Ok(None);
        }
        return refused(
            "broken JSON",
            format!("{}: it may be cut short", excerpt(&error.to_string())),
        );
    }
    known(&tree).map_or_else(|| document(&tree).map(Some), |known| known.map(Some))
}

fn lines_of_json(mut tree: Tree, text: &[u8]) -> Result<Guess, Refusal> {
    let (mut good, mut bad) = (0_u64, 0_u64);
    for line in text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let types = tree.at(0, &["type"]).map_or(0, |node| node.texts);
        match walk(&mut tree, line) {
            Ok(()) => good += 1,
            Err(_) => bad += 1,
        }
        let typed = tree.at(0, &["type"]).is_some_and(|node| node.texts > types);
        tree.metadata |= typed && is_metadata(line);
    }
    if bad > good {
        return refused("broken JSON", format!("{bad} of {} lines are none", bad + good));
    }
    let found = paths(&tree)?;
    let mut lines = Ndjson { path: found.paths, value_kind: found.kind, ..Ndjson::default() };
    lines.zero_padded = found.padded;
    if tree.metadata {
        lines.skip_if.insert("type".to_owned(), "metadata".to_owned());
    }
    let shape = format!("lines of JSON: {}", lines.path.join(", "));
    let mut guess = Guess::new(Format::Ndjson(lines), shape, found.certainty);
    guess.notes = found.notes;
    Ok(guess)
}

/// Whether a line says of itself that it is about the list.
fn is_metadata(line: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    serde_json::from_slice::<Line<'_>>(line).is_ok_and(|line| line.kind == "metadata")
}

/// Documents that are known by their members.
fn known(tree: &Tree) -> Option<Result<Guess, Refusal>> {
    let has = |path: &[&str]| tree.at(0, path).is_some();
    let event = |to: &[&str]| {
        let with = |name: &str| has(&[to, &[name]].concat());
        with("Event")
            || (with("Attribute") && (with("info") || with("Orgc") || with("threat_level_id")))
    };
    if event(&[]) || event(&["[]"]) || event(&["response"]) || event(&["response", "[]"]) {
        let format = Format::MispEvent { to_ids_only: false };
        return Some(Ok(Guess::new(format, "MISP events", 1.0)));
    }
    if has(&["list"]) && has(&["name"]) && (has(&["matching_attributes"]) || has(&["type"])) {
        return Some(warninglist(tree));
    }
    if has(&["objects", "[]", "type"])
        && (tree.says(&["type"], "bundle") || has(&["objects", "[]", "spec_version"]))
    {
        return Some(refused("STIX bundle", "indicators in STIX are not read by this version"));
    }
    let manifest = |to: &[&str]| {
        let with = |name: &str| has(&[to, &[name]].concat());
        with("info") && with("timestamp") && (with("Orgc") || with("date")) && !with("Attribute")
    };
    if manifest(&["*"]) {
        return Some(refused(
            "manifest of a MISP feed",
            "it only names events: the feed is the folder it is in, with the format misp-feed",
        ));
    }
    let definitions = |to: &[&str]| {
        let with = |name: &str| has(&[to, &[name]].concat());
        with("url") && with("name") && (with("source_format") || with("provider") || with("format"))
    };
    if definitions(&["[]", "Feed"])
        || definitions(&["[]", "feed"])
        || definitions(&["feeds", "[]"])
        || definitions(&["[]"])
    {
        return Some(refused(
            "list of feeds",
            "it says where feeds are and is none itself: name it as `catalogue` in the \
             configuration",
        ));
    }
    None
}

fn warninglist(tree: &Tree) -> Result<Guess, Refusal> {
    let list = tree.at(0, &["list", "[]"]);
    if list.is_none_or(|list| list.entries == 0) {
        return refused("MISP warninglist", "it holds names or patterns, no address");
    }
    let name = tree.at(0, &["name"]).map_or("", |node| node.sample.as_str());
    let shape = format!("MISP warninglist {name:?}");
    let mut guess = Guess::new(Format::MispWarninglist {}, shape, 1.0);
    guess.role = Role::Warninglist;
    guess.notes.push(
        "it says what an address is, not that it is bad; its category decides what follows"
            .to_owned(),
    );
    Ok(guess)
}

fn document(tree: &Tree) -> Result<Guess, Refusal> {
    let found = paths(tree)?;
    let mut json = Json { path: found.paths, value_kind: found.kind, ..Json::default() };
    json.zero_padded = found.padded;
    let shape = format!("JSON document: {}", json.path.join(", "));
    let mut guess = Guess::new(Format::Json(json), shape, found.certainty);
    guess.notes = found.notes;
    Ok(guess)
}

struct Found {
    paths: Vec<String>,
    kind: ValueKind,
    padded: bool,
    certainty: f64,
    notes: Vec<String>,
}

/// A place whose texts are entries.
struct Place<'t> {
    path: String,
    /// The last name on the way.
    name: String,
    /// The object it is in.
    parent: usize,
    within_list: bool,
    node: &'t Node,
}

fn paths(tree: &Tree) -> Result<Found, Refusal> {
    let mut places = Vec::new();
    collect(tree, &mut places);
    let by_keys: u64 = tree.nodes.iter().map(|node| node.address_keys).sum();
    if places.iter().any(|place| place.within_list) {
        places.retain(|place| place.within_list);
    }
    if places.iter().any(|place| !BESIDE.contains(&place.name.as_str())) {
        places.retain(|place| !BESIDE.contains(&place.name.as_str()));
    }
    let most = places.iter().map(|place| place.node.entries).max().unwrap_or(0);
    if by_keys > most {
        return refused(
            "JSON with addresses as keys",
            format!("{by_keys} addresses are names of members, which no path leads to"),
        );
    }
    let mut certainty = 0.97;
    let mut notes = Vec::new();
    let mut chosen: Vec<Place<'_>> = Vec::new();
    // The best of what is side by side in the same objects, all of what is not.
    places.sort_by_key(|place| {
        let rank = ENTRY_NAMES.iter().position(|known| *known == place.name);
        (rank.unwrap_or(ENTRY_NAMES.len()), std::cmp::Reverse(place.node.entries))
    });
    for place in places {
        let objects = tree.get(place.parent).map_or(0, |node| node.objects);
        let beside: u64 = chosen
            .iter()
            .filter(|other| other.parent == place.parent)
            .map(|other| other.node.entries)
            .sum();
        if beside + place.node.entries <= objects || beside == 0 {
            chosen.push(place);
        } else {
            certainty = 0.8;
            notes.push(format!("{} holds addresses too and is left out", place.path));
        }
    }
    if chosen.is_empty() {
        return refused("JSON without addresses", "no text in it is an address or a network");
    }
    let sum = |of: fn(&Node) -> u64| chosen.iter().map(|place| of(place.node)).sum::<u64>();
    let kind = if sum(|node| node.ports) * 2 > sum(|node| node.entries) {
        ValueKind::IpPort
    } else {
        ValueKind::Address
    };
    let padded = sum(|node| node.padded) * 2 > sum(|node| node.entries);
    chosen.sort_by_key(|place| std::cmp::Reverse(place.node.entries));
    let paths = chosen.into_iter().map(|place| place.path).collect();
    Ok(Found { paths, kind, padded, certainty, notes })
}

/// All places whose texts are mostly entries, or entries among other indicators. Not recursive, as
/// a document may be deep.
fn collect<'t>(tree: &'t Tree, places: &mut Vec<Place<'t>>) {
    struct Todo {
        at: usize,
        path: String,
        name: String,
        parent: usize,
        within_list: bool,
    }
    let start =
        Todo { at: 0, path: String::new(), name: String::new(), parent: 0, within_list: false };
    let mut todo = vec![start];
    while let Some(Todo { at, path, name, parent, within_list }) = todo.pop() {
        let Some(node) = tree.get(at) else { continue };
        let mostly = node.entries * 10 >= node.texts * 3;
        let indicators = (node.entries + node.others) * 10 >= node.texts * 8;
        let named = ENTRY_NAMES.contains(&name.as_str());
        if node.entries > 0 && (mostly || indicators || named) && !path.is_empty() {
            let (path, name) = (path.clone(), name.clone());
            places.push(Place { path, name, parent, within_list, node });
        }
        if path.len() > 512 {
            continue;
        }
        let step = |step: &str| {
            if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") }
        };
        if let Some(elements) = node.elements {
            let path = format!("{path}[]");
            todo.push(Todo { at: elements, path, name: name.clone(), parent, within_list: true });
        }
        if let Some(any) = node.any {
            todo.push(Todo {
                at: any,
                path: step("*"),
                name: name.clone(),
                parent: at,
                within_list: true,
            });
        }
        for (key, child) in node.names.iter().rev() {
            let name = key.to_lowercase();
            todo.push(Todo { at: *child, path: step(key), name, parent: at, within_list });
        }
    }
}
