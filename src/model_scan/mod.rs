//! Which model a JSON body asks for, told while it comes in: a push tokenizer that takes the body in
//! whatever pieces it has, keeps nothing of it but the name, and stops as soon as it knows.
//!
//! Our own, because a parser that is handed the pieces also keeps every text it passes, an image of
//! megabytes included, and none of them notices a key that stands there twice. It takes and refuses
//! what `serde_json` does, but for a byte order mark, which many servers let pass, and nesting.

mod number;
#[cfg(test)]
mod tests;
mod text;
mod wrong;

use number::Number;
use text::Text;

pub use wrong::Wrong;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The first `model`, and nothing behind it. Servers that take the last of several see another
    /// one: good enough to find who is asked, not to decide who may.
    First,
    /// The only `model` in the whole body: another one, however it is written, is an error.
    Only,
}

/// How far a scan has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It needs more of the body.
    More,
    /// Nothing that follows can change what it has found.
    Enough,
}

/// Deepest nesting: what `serde_json` reads.
const DEEPEST: u8 = 127;

/// A scan under way.
#[derive(Debug)]
pub struct ModelScan {
    goal: Goal,
    state: State,
    text: Text,
    depth: u8,
    /// Of each open level, whether it is an object: the lowest bit is the innermost.
    objects: u128,
    /// What the value that comes next belongs to.
    key: Key,
    /// Bytes read.
    read: u64,
    models: u32,
    model: Option<String>,
    streams: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The body begins; so many bytes of a byte order mark were there.
    Start(u8),
    /// A value.
    Value,
    /// A value, or the end of an array.
    FirstItem,
    /// A key, or the end of an object.
    FirstKey,
    /// A key.
    Key,
    /// More of a text.
    Text { is_key: bool },
    /// The colon behind a key.
    Colon,
    /// More of `true`, `false` or `null`.
    Word(&'static [u8]),
    /// More of a number.
    Number(Number),
    /// A comma, or the end of what is open.
    After,
    /// Nothing.
    End,
}

/// A key of the whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Model,
    Stream,
    Other,
}

const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

impl ModelScan {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(goal: Goal) -> Self {
        Self {
            goal,
            state: State::Start(0),
            text: Text::default(),
            depth: 0,
            objects: 0,
            key: Key::Other,
            read: 0,
            models: 0,
            model: None,
            streams: false,
        }
    }

    /// Reads on.
    ///
    /// # Errors
    /// What follows cannot make a body of it that names a model.
    pub fn feed(&mut self, piece: &[u8]) -> Result<Progress, Wrong> {
        let mut rest = piece;
        loop {
            if self.has_enough() {
                return Ok(Progress::Enough);
            }
            if matches!(self.state, State::Text { .. }) {
                let plain = self.text.take_plain(rest);
                self.read += plain as u64;
                rest = &rest[plain..];
            }
            let Some((&byte, behind)) = rest.split_first() else {
                return Ok(Progress::More);
            };
            self.state = self.step(byte)?;
            self.read += 1;
            rest = behind;
        }
    }

    /// The body has ended.
    ///
    /// # Errors
    /// It must not have.
    pub fn finish(&self) -> Result<(), Wrong> {
        match self.state {
            State::End => Ok(()),
            _ if self.has_enough() => Ok(()),
            _ => Err(Wrong::CutShort),
        }
    }

    /// The model it asks for, as far as it was read.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// It asks for a stream of events, as far as it was read.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.streams
    }

    fn has_enough(&self) -> bool {
        self.goal == Goal::First && (self.model.is_some() || self.state == State::End)
    }

    fn step(&mut self, byte: u8) -> Result<State, Wrong> {
        let blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match (self.state, byte) {
            (State::Start(mark @ ..3), _) if byte == MARK[usize::from(mark)] => {
                Ok(State::Start(mark + 1))
            }
            (State::Start(1 | 2), _) => Err(self.not_json()),
            (State::Start(_), _) if blank => Ok(State::Start(3)),
            (State::Start(_), b'{') => self.open(true),
            (State::Start(_), b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                Err(Wrong::NotAnObject)
            }
            (State::Text { is_key }, _) => self.text_goes_on(byte, is_key),
            (State::Word([next, rest @ ..]), _) if byte == *next => Ok(if rest.is_empty() {
                State::After
            } else {
                State::Word(rest)
            }),
            (State::Number(number), _) => self.number_goes_on(number, byte),
            (
                state @ (State::Value
                | State::FirstItem
                | State::FirstKey
                | State::Key
                | State::Colon
                | State::After
                | State::End),
                _,
            ) if blank => Ok(state),
            (State::FirstItem, b']') | (State::FirstKey, b'}') => Ok(self.close()),
            (State::Value | State::FirstItem, _) => self.begin(byte),
            (State::FirstKey | State::Key, b'"') => {
                self.text.begin(self.depth == 1);
                Ok(State::Text { is_key: true })
            }
            (State::Colon, b':') => Ok(State::Value),
            (State::After, _) => self.go_on(byte),
            _ => Err(self.not_json()),
        }
    }

    /// A value begins.
    fn begin(&mut self, byte: u8) -> Result<State, Wrong> {
        let key = if self.depth == 1 {
            self.key
        } else {
            Key::Other
        };
        if key == Key::Model && byte != b'"' {
            return Err(Wrong::NotAName);
        }
        if key == Key::Stream {
            self.streams = byte == b't';
        }
        match byte {
            b'{' => self.open(true),
            b'[' => self.open(false),
            b'"' => {
                self.text.begin(key == Key::Model);
                Ok(State::Text { is_key: false })
            }
            b't' => Ok(State::Word(b"rue")),
            b'f' => Ok(State::Word(b"alse")),
            b'n' => Ok(State::Word(b"ull")),
            _ => Number::begin(byte)
                .map(State::Number)
                .ok_or_else(|| self.not_json()),
        }
    }

    fn open(&mut self, object: bool) -> Result<State, Wrong> {
        if self.depth == DEEPEST {
            return Err(Wrong::TooDeep);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        Ok(if object {
            State::FirstKey
        } else {
            State::FirstItem
        })
    }

    fn close(&mut self) -> State {
        self.depth -= 1;
        self.objects >>= 1;
        if self.depth == 0 {
            State::End
        } else {
            State::After
        }
    }

    /// A value is over.
    fn go_on(&mut self, byte: u8) -> Result<State, Wrong> {
        match (byte, self.objects & 1 == 1) {
            (b',', true) => Ok(State::Key),
            (b',', false) => Ok(State::Value),
            (b'}', true) | (b']', false) => Ok(self.close()),
            _ => Err(self.not_json()),
        }
    }

    fn number_goes_on(&mut self, number: Number, byte: u8) -> Result<State, Wrong> {
        if let Some(more) = number.next(byte) {
            return Ok(State::Number(more));
        }
        if !number.may_end() {
            return Err(self.not_json());
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(State::After);
        }
        self.go_on(byte)
    }

    fn text_goes_on(&mut self, byte: u8, is_key: bool) -> Result<State, Wrong> {
        let goes_on = self.text.take(byte).ok_or_else(|| self.not_json())?;
        if goes_on {
            return Ok(State::Text { is_key });
        }
        if is_key {
            if self.depth == 1 {
                self.key = self.note_key()?;
            }
            return Ok(State::Colon);
        }
        if self.depth == 1 && self.key == Key::Model {
            self.model = Some(self.text.name().ok_or(Wrong::NotAName)?);
        }
        Ok(State::After)
    }

    /// Servers that look for a key whatever its case is would take either.
    fn note_key(&mut self) -> Result<Key, Wrong> {
        let key = self.text.bytes();
        if key.eq_ignore_ascii_case(b"model") {
            self.models += 1;
            if self.goal == Goal::Only && self.models > 1 {
                return Err(Wrong::SeveralModels);
            }
        }
        Ok(match key {
            b"model" => Key::Model,
            b"stream" => Key::Stream,
            _ => Key::Other,
        })
    }

    fn not_json(&self) -> Wrong {
        Wrong::NotJson(self.read)
    }
}
