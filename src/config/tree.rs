//! YAML text as a tree in which every value knows where it was written. Decides nothing about
//! meaning. The only module that knows the YAML parser.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, options};

use super::complaint::{Complaint, Complaints, Origin};

/// Aliases may repeat what they name; a small file must not grow into all of memory.
const MOST_NODES: usize = 100_000;

/// One value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) origin: Origin,
    /// The dotted path, `revisions[0].queue.timeout`; empty for flags and at the root.
    pub(super) path: String,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A scalar; text, number or truth is decided by whoever reads it.
    Text {
        text: String,
        /// Written so that it can only be text.
        quoted: bool,
    },
    /// A key with nothing behind it, or `null`.
    Nothing,
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map, at most once each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key itself stands.
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl Node {
    /// A plain scalar from outside any file.
    pub(super) fn plain(origin: &Origin, text: &str) -> Self {
        let value = Value::Text {
            text: text.to_owned(),
            quoted: false,
        };
        Self {
            origin: origin.clone(),
            path: String::new(),
            value,
        }
    }

    /// A complaint about this value.
    pub(super) fn complaint(&self, message: impl Into<String>) -> Complaint {
        Complaint {
            origin: self.origin.clone(),
            path: self.path.clone(),
            message: message.into(),
        }
    }

    /// A complaint that something else was wanted here.
    pub(super) fn wanted(&self, what: &str) -> Complaint {
        self.complaint(format!("wanted {what}, not {}", self.found()))
    }

    /// The value in a few words, for "wanted …, not …".
    pub(super) fn found(&self) -> String {
        match &self.value {
            Value::Text {
                text,
                quoted: false,
            } => text.clone(),
            Value::Text { text, quoted: true } => format!("{text:?}"),
            Value::Nothing => "nothing".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    /// The items of a list; none for anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entry of a map under this key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    fn count(&self) -> usize {
        1 + match &self.value {
            Value::Text { .. } | Value::Nothing => 0,
            Value::List(items) => items.iter().map(Self::count).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.count()).sum(),
        }
    }
}

/// Joins a path and a key below it.
pub(super) fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Reads one document. `None`: it could not be read, or there is nothing in it.
pub(super) fn parse(file: &Arc<Path>, text: &str, complaints: &mut Complaints) -> Option<Node> {
    let events = Parser::new_from_str_with_options(text, options! { emit_comments: false });
    let mut reader = Reader {
        file,
        events,
        anchors: HashMap::new(),
        nodes: 0,
        complaints,
    };
    match reader.document() {
        Ok(root) => root,
        Err(error) => {
            let complaint = reader.complaint(error.marker(), "", error.info());
            complaints.push(complaint);
            None
        }
    }
}

struct Reader<'a> {
    file: &'a Arc<Path>,
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    complaints: &'a mut Complaints,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Option<Node>, ScanError> {
        let mut root = None;
        let mut documents = 0;
        while let Some(next) = self.events.next_event() {
            let (event, span) = next?;
            match event {
                Event::DocumentStart(..) => documents += 1,
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                _ if documents > 1 => {
                    let message = "a second document begins here, wanted one document per file";
                    let complaint = self.complaint(&span.start, "", message);
                    self.complaints.push(complaint);
                    return Ok(None);
                }
                event => root = Some(self.node("", event, span)?),
            }
        }
        Ok(root)
    }

    fn node(&mut self, path: &str, event: Event<'a>, span: Span) -> Result<Node, ScanError> {
        self.nodes += 1;
        let anchor = event.anchor_id();
        let value = match event {
            Event::Alias(target) => return self.alias(target, &span),
            Event::Scalar(text, style, ..) => scalar(&text, style),
            Event::SequenceStart(..) => Value::List(self.list(path)?),
            Event::MappingStart(..) => Value::Map(self.map(path)?),
            _ => return Err(ScanError::new(span.start, "expected a value")),
        };
        let node = Node {
            origin: self.at(&span.start),
            path: path.to_owned(),
            value,
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// What an alias names, where that was written: there it can be put right.
    fn alias(&mut self, target: usize, span: &Span) -> Result<Node, ScanError> {
        let Some(node) = self.anchors.get(&target) else {
            return Err(ScanError::new(
                span.start,
                "this alias stands inside what it names",
            ));
        };
        self.nodes += node.count();
        if self.nodes > MOST_NODES {
            return Err(ScanError::new(span.start, "aliases repeat too much"));
        }
        Ok(node.clone())
    }

    fn list(&mut self, path: &str) -> Result<Vec<Node>, ScanError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(items);
            }
            items.push(self.node(&format!("{path}[{}]", items.len()), event, span)?);
        }
    }

    fn map(&mut self, path: &str) -> Result<Vec<Entry>, ScanError> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let key = self.node(path, event, span)?;
            let Value::Text { text: key, .. } = key.value else {
                return Err(ScanError::new(span.start, "expected a plain word as key"));
            };
            let origin = self.at(&span.start);
            let path = below(path, &key);
            let (event, value_span) = self.next()?;
            let node = self.node(&path, event, value_span)?;
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let message = format!("written twice, first at {}", first.origin);
                self.complaints.push(Complaint {
                    origin,
                    path,
                    message,
                });
            } else {
                entries.push(Entry { key, origin, node });
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), ScanError> {
        let end = || ScanError::new(Marker::default(), "the text ends too early");
        self.events.next_event().unwrap_or_else(|| Err(end()))
    }

    fn at(&self, mark: &Marker) -> Origin {
        Origin::File {
            file: Arc::clone(self.file),
            line: mark.line(),
            column: mark.col() + 1,
        }
    }

    fn complaint(&self, mark: &Marker, path: &str, message: impl Into<String>) -> Complaint {
        Complaint {
            origin: self.at(mark),
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    let quoted = style != ScalarStyle::Plain;
    if !quoted && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Value::Nothing;
    }
    Value::Text {
        text: text.to_owned(),
        quoted,
    }
}
