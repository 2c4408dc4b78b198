//! A text between its quotes: passed over, or kept without its escapes.

/// Longest key or name that is kept.
const LONGEST: usize = 1024;

/// What stands for half a character: in no UTF-8, so in no name.
const BROKEN: u8 = 0xFF;

/// The text that is read now, or was last.
#[derive(Debug, Default)]
pub(super) struct Text {
    kept: Vec<u8>,
    keeps: bool,
    too_long: bool,
    escape: Escape,
    /// The first half of a character that is written as two.
    half: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Begun,
    /// Digits read of four, and what they say.
    Hex(u8, u16),
}

impl Text {
    /// Its opening quote was read.
    pub(super) fn begin(&mut self, keeps: bool) {
        self.kept.clear();
        self.keeps = keeps;
        self.too_long = false;
        self.escape = Escape::None;
        self.half = None;
    }

    /// Takes what stands for itself; returns how much that was.
    pub(super) fn take_plain(&mut self, bytes: &[u8]) -> usize {
        if self.escape != Escape::None {
            return 0;
        }
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
        let plain = bytes.iter().position(special).unwrap_or(bytes.len());
        if plain > 0 {
            self.keep(&bytes[..plain]);
        }
        plain
    }

    /// Takes a byte that does not, or one of an escape. False: it was the closing quote; `None`: it must
    /// not be there.
    pub(super) fn take(&mut self, byte: u8) -> Option<bool> {
        match (self.escape, byte) {
            (Escape::None, b'"') => {
                self.keep(&[]);
                return Some(false);
            }
            (Escape::None, b'\\') => self.escape = Escape::Begun,
            (Escape::None, _) => return None,
            (Escape::Begun, b'u') => self.escape = Escape::Hex(0, 0),
            (Escape::Begun, _) => {
                self.escape = Escape::None;
                self.keep(&[unescaped(byte)?]);
            }
            (Escape::Hex(digits, code), _) => {
                let digit = char::from(byte).to_digit(16)?;
                let code = code << 4 | u16::try_from(digit).ok()?;
                self.escape = Escape::Hex(digits + 1, code);
                if digits == 3 {
                    self.escape = Escape::None;
                    self.keep_unit(code);
                }
            }
        }
        Some(true)
    }

    /// What was kept.
    pub(super) fn bytes(&self) -> &[u8] {
        if self.too_long { &[] } else { &self.kept }
    }

    /// The same, if it is a text of some length.
    pub(super) fn name(&self) -> Option<String> {
        if self.too_long {
            return None;
        }
        String::from_utf8(self.kept.clone()).ok()
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.half.take().is_some() {
            self.push(&[BROKEN]);
        }
        self.push(bytes);
    }

    /// A unit of UTF-16.
    fn keep_unit(&mut self, unit: u16) {
        let half = self.half.take();
        let both = half.map_or_else(|| vec![unit], |half| vec![half, unit]);
        match String::from_utf16(&both) {
            Ok(text) => self.push(text.as_bytes()),
            Err(_) if half.is_some() => {
                self.push(&[BROKEN]);
                self.keep_unit(unit);
            }
            Err(_) => self.half = Some(unit),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if !self.keeps {
            return;
        }
        self.too_long |= self.kept.len() + bytes.len() > LONGEST;
        if !self.too_long {
            self.kept.extend_from_slice(bytes);
        }
    }
}

fn unescaped(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}
