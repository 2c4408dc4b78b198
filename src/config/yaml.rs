//! YAML text as trees, one for each document. The only module that knows the YAML parser.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, options};

use super::complaint::{Complaint, Complaints, Origin};
use super::tree::{Entry, Node, Value, below};

/// Aliases may repeat what they name; a small file must not grow into all of memory.
const MOST_NODES: usize = 100_000;

/// Reads the documents of a file, none if there is nothing in it. `None`: it could not be read.
pub(super) fn parse(
    file: &Arc<Path>,
    text: &str,
    complaints: &mut Complaints,
) -> Option<Vec<Node>> {
    let events = Parser::new_from_str_with_options(text, options! { emit_comments: false });
    let mut reader = Reader {
        file,
        events,
        anchors: HashMap::new(),
        nodes: 0,
        complaints,
    };
    match reader.documents() {
        Ok(roots) => Some(roots),
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
    fn documents(&mut self) -> Result<Vec<Node>, ScanError> {
        let mut roots = Vec::new();
        while let Some(next) = self.events.next_event() {
            let (event, span) = next?;
            match event {
                Event::DocumentStart(..) => self.anchors.clear(),
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                event => roots.push(self.node("", event, span)?),
            }
        }
        Ok(roots)
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
