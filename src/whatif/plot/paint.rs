//! Colours, letters and the legend. The colours are those of Okabe and Ito, apart for every eye;
//! each is also told by its shape.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::panel::BESIDE;
use super::{Area, Drawn};

pub(super) const LOAD: RGBColor = RGBColor(0x56, 0xB4, 0xE9);
pub(super) const READY: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub(super) const DESIRED: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
pub(super) const WAITING: RGBColor = RGBColor(0x00, 0x9E, 0x73);
pub(super) const PANIC: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
pub(super) const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
pub(super) const PALE: RGBColor = RGBColor(0xE4, 0xE4, 0xE4);

/// How much of what is below shows through an area.
pub(super) const AREA: f64 = 0.35;
/// The same for panic, which lies below everything.
pub(super) const SHADE: f64 = 0.30;

const FONT: &str = "sans-serif";

/// Letters of a size in pixels, beginning at the left.
pub(super) fn letters(size: i32, bold: bool) -> TextStyle<'static> {
    let style = if bold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    let font = FontDesc::new(FontFamily::Name(FONT), f64::from(size), style);
    font.color(&INK).pos(Pos::new(HPos::Left, VPos::Center))
}

/// Cut where it would leave the picture.
fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
    kept + "…"
}

/// Title, subtitle and legend at the top of the picture.
pub(super) fn head(area: &Area<'_>, title: &str, about: &str) -> Drawn {
    let (width, _) = area.dim_in_pixel();
    let room = usize::try_from(width / 9).unwrap_or(80);
    let title = cut(title, room);
    area.draw(&Text::new(title, (24, 18), letters(17, true)))?;
    let about = cut(&about.replace(char::is_whitespace, " "), room * 5 / 4);
    area.draw(&Text::new(about, (24, 40), letters(13, false)))?;
    legend(area, 62)
}

fn legend(area: &Area<'_>, y: i32) -> Drawn {
    let filled = |x: i32, colour: RGBColor, part: f64| {
        Rectangle::new([(x, y - 6), (x + 22, y + 6)], colour.mix(part).filled())
    };
    let edge = |x: i32, colour: RGBColor| {
        PathElement::new(vec![(x, y - 6), (x + 22, y - 6)], colour.stroke_width(2))
    };
    let mut x = 24;
    for (colour, words) in [
        (LOAD, "requests/s"),
        (READY, "ready replicas"),
        (DESIRED, "desired replicas"),
        (WAITING, "requests waiting"),
        (PANIC, "panic mode"),
    ] {
        match colour {
            DESIRED => {
                let line = vec![(x, y), (x + 22, y)];
                area.draw(&PathElement::new(line, colour.stroke_width(2)))?;
            }
            PANIC => area.draw(&filled(x, colour, SHADE))?,
            _ => {
                area.draw(&filled(x, colour, AREA))?;
                area.draw(&edge(x, colour))?;
            }
        }
        area.draw(&Text::new(words, (x + 29, y), letters(13, false)))?;
        x += 60 + 8 * i32::try_from(words.len()).unwrap_or(0);
    }
    Ok(())
}

/// What a panel shows, above it.
pub(super) fn title(area: &Area<'_>, words: &str) -> Drawn {
    let left = i32::try_from(BESIDE).unwrap_or(0);
    area.draw(&Text::new(words.to_owned(), (left, 12), letters(13, false)))
}

/// What stands above the panels of one run.
pub(super) fn row_head(area: &Area<'_>, name: &str, result: &str) -> Drawn {
    let (width, _) = area.dim_in_pixel();
    let room = usize::try_from(width / 2 / 8).unwrap_or(60);
    area.draw(&Text::new(cut(name, room), (16, 12), letters(14, true)))?;
    let right = letters(13, false).pos(Pos::new(HPos::Right, VPos::Center));
    let end = i32::try_from(width).unwrap_or(0) - 20;
    area.draw(&Text::new(cut(result, room), (end, 12), right))
}
