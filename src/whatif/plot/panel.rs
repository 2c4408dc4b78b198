//! One panel: one quantity of one run over time, on the scale that it shares with others.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;

use super::super::axis::Scale;
use super::super::course::{Course, Quantity};
use super::paint::{self, AREA, DESIRED, INK, LOAD, PALE, PANIC, READY, SHADE, WAITING};
use super::{Area, Drawn};

/// Room for the marks of time below a panel, and where there are none.
pub(super) const MARKS: u32 = 28;
pub(super) const BARE: u32 = 6;
/// Room for the marks at its left.
pub(super) const BESIDE: u32 = 52;

/// One quantity of one run.
pub(super) struct Panel<'a> {
    pub(super) course: &'a Course,
    pub(super) quantity: Quantity,
    pub(super) time: Scale,
    pub(super) top: Scale,
    /// The marks of time are told below it.
    pub(super) shows_time: bool,
    /// How wide its lines are, in pixels.
    pub(super) stroke: u32,
}

type Canvas<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;

impl Ranged for Scale {
    type ValueType = f64;
    type FormatOption = NoDefaultFormatting;

    fn map(&self, at: &f64, (from, to): (i32, i32)) -> i32 {
        #[expect(clippy::cast_possible_truncation, reason = "a place in the picture")]
        let pixels = (f64::from(to - from) * at / self.end).round() as i32;
        from + pixels
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks()
    }

    fn range(&self) -> Range<f64> {
        0.0..self.end
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, at: &f64) -> String {
        self.label(*at)
    }
}

impl Panel<'_> {
    pub(super) fn draw(&self, area: &Area<'_>) -> Drawn {
        let below = if self.shows_time { MARKS } else { BARE };
        let mut builder = ChartBuilder::on(area);
        builder
            .margin_right(20)
            .margin_top(4)
            .margin_bottom(4)
            .set_label_area_size(LabelAreaPosition::Left, BESIDE)
            .set_label_area_size(LabelAreaPosition::Bottom, below);
        let mut canvas = builder.build_cartesian_2d(self.time, self.top)?;
        self.shade(&mut canvas)?;
        self.mesh(&mut canvas)?;
        match self.quantity {
            Quantity::Load => self.fill(&mut canvas, Quantity::Load, LOAD),
            Quantity::Waiting => self.fill(&mut canvas, Quantity::Waiting, WAITING),
            Quantity::Ready | Quantity::Desired => {
                self.fill(&mut canvas, Quantity::Ready, READY)?;
                let line = self.steps(Quantity::Desired);
                let line = PathElement::new(line, DESIRED.stroke_width(self.stroke));
                canvas.draw_series([line])?;
                Ok(())
            }
        }
    }

    /// Lines across, and marks beside them.
    fn mesh(&self, canvas: &mut Canvas<'_, '_>) -> Drawn {
        let told = |at: &f64| self.time.label(*at);
        let mut mesh = canvas.configure_mesh();
        mesh.disable_x_mesh().bold_line_style(PALE).axis_style(INK);
        mesh.light_line_style(TRANSPARENT);
        mesh.label_style(paint::letters(12, false));
        if self.shows_time {
            mesh.x_label_formatter(&told);
        } else {
            mesh.x_label_formatter(&|_| String::new());
        }
        mesh.draw()
    }

    fn fill(&self, canvas: &mut Canvas<'_, '_>, quantity: Quantity, colour: RGBColor) -> Drawn {
        let area = AreaSeries::new(self.steps(quantity), 0.0, colour.mix(AREA));
        canvas.draw_series(area.border_style(colour.stroke_width(self.stroke)))?;
        Ok(())
    }

    /// Each point holds for the stretch that it ends.
    fn steps(&self, quantity: Quantity) -> Vec<(f64, f64)> {
        let line = quantity.line(self.course).into_iter();
        let mut before = 0.0;
        let steps = line.flat_map(|(at, number)| {
            let from = std::mem::replace(&mut before, at);
            [(from, number), (at, number)]
        });
        steps.collect()
    }

    /// The times in which panic steers.
    fn shade(&self, canvas: &mut Canvas<'_, '_>) -> Drawn {
        let mut before = 0.0;
        let mut spans: Vec<(f64, f64)> = Vec::new();
        for point in &self.course.points {
            let at = point.at.as_secs_f64();
            let from = std::mem::replace(&mut before, at);
            match spans.last_mut() {
                _ if !point.panic => {}
                Some((_, end)) if *end >= from => *end = at,
                _ => spans.push((from, at)),
            }
        }
        let top = self.top.end;
        let shade = PANIC.mix(SHADE).filled();
        let shades = spans.into_iter();
        canvas.draw_series(
            shades.map(|(from, to)| Rectangle::new([(from, 0.0), (to, top)], shade)),
        )?;
        Ok(())
    }
}
