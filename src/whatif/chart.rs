//! The chart below the table, for a terminal: load, replicas and queue of one run over time, or,
//! for several, what each made of the same load, line by line.

use std::fmt::Write as _;

use ratatui_core::buffer::{Buffer, Cell};
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Style};
use ratatui_core::symbols::Marker;
use ratatui_core::widgets::Widget;
use ratatui_widgets::chart::{Axis, Chart, Dataset, GraphType};
use ratatui_widgets::sparkline::Sparkline;

use super::axis::{self, Scale};
use super::course::{Course, Quantity, courses};
use super::run::Run;
use super::series::spread;

/// Where nobody knows better.
pub const USUAL_WIDTH: u16 = 80;
const NARROWEST: u16 = 40;
const WIDEST: u16 = 160;
const HEIGHT: u16 = 9;
/// From mark to mark up an axis.
const STEPS: u32 = 3;

/// Okabe and Ito's blue and vermillion, as near as terminals come: apart for every eye.
const BLUE: Color = Color::Indexed(32);
const VERMILLION: Color = Color::Indexed(166);
const PURPLE: Color = Color::Indexed(175);

/// The chart as lines of text, so many characters wide.
#[must_use]
pub fn chart(runs: &[Run], width: u16, colours: bool) -> String {
    let width = width.clamp(NARROWEST, WIDEST);
    let courses = courses(runs, usize::from(width) * 2);
    match &courses[..] {
        [one] => over_time(one, width, colours),
        several => side_by_side(several, width, colours),
    }
}

/// One dataset: its points, marker and colour.
type Curve<'a> = (&'a [(f64, f64)], Marker, Color);

fn over_time(course: &Course, width: u16, colours: bool) -> String {
    let draw = |title: &str, most: f64, curves: &[Curve<'_>]| {
        let area = Rect::new(0, 0, width, HEIGHT);
        let length = course.length.as_secs_f64();
        let drawn = plotted(area, length, most, curves);
        format!("{title}\n{}", text(&drawn, colours))
    };
    let single = |quantity: Quantity| {
        let curves = [(&quantity.line(course)[..], Marker::Braille, BLUE)];
        draw(quantity.title(), quantity.most(course), &curves)
    };
    let (ready, desired) = (Quantity::Ready, Quantity::Desired);
    let top = Scale::new(ready.most(course).max(desired.most(course)), STEPS).end;
    let in_panic = course.points.iter().filter(|point| point.panic);
    let panic: Vec<_> = in_panic.map(|at| (at.at.as_secs_f64(), top)).collect();
    let replicas = [
        (&panic[..], Marker::Block, PURPLE),
        (&desired.line(course)[..], Marker::Dot, VERMILLION),
        (&ready.line(course)[..], Marker::Braille, BLUE),
    ];
    [
        single(Quantity::Load),
        draw("replicas: ⠤ ready  • desired  █ in panic", top, &replicas),
        single(Quantity::Waiting),
    ]
    .concat()
}

fn plotted(area: Rect, length: f64, most: f64, curves: &[Curve<'_>]) -> Buffer {
    let (x, y) = (Scale::time(length, 4), Scale::new(most, STEPS));
    let sets = curves.iter().map(|(points, marker, colour)| {
        let kind = if *marker == Marker::Braille {
            GraphType::Line
        } else {
            GraphType::Scatter
        };
        let set = Dataset::default().data(points).marker(*marker);
        set.graph_type(kind).style(Style::new().fg(*colour))
    });
    let chart = Chart::new(sets.collect())
        .x_axis(Axis::default().bounds([0.0, x.end]).labels(x.labels()))
        .y_axis(Axis::default().bounds([0.0, y.end]).labels(y.labels()));
    let mut buffer = Buffer::empty(area);
    chart.render(area, &mut buffer);
    buffer
}

/// One line for each course: first the load, then replicas, then the queue. What is the same for
/// all is told once.
fn side_by_side(courses: &[Course], width: u16, colours: bool) -> String {
    let longest = courses.iter().map(|course| course.name.chars().count());
    let label = longest.max().unwrap_or(0).clamp(3, usize::from(width) / 2);
    let columns = usize::from(width).saturating_sub(label + 1);
    let mut told = String::new();
    for quantity in [Quantity::Load, Quantity::Ready, Quantity::Waiting] {
        let lines: Vec<_> = courses.iter().map(|course| quantity.line(course)).collect();
        let alike = lines.iter().all(|line| *line == lines[0]);
        let most = courses.iter().map(|course| quantity.most(course));
        let most = most.fold(0.0, f64::max);
        let _ = writeln!(told, "{}, up to {}", quantity.title(), axis::short(most));
        let shown = if alike { 1 } else { courses.len() };
        for (course, line) in courses.iter().zip(&lines).take(shown) {
            let name = if alike { "all" } else { &course.name };
            let name: String = name.chars().take(label).collect();
            let drawn = text(&sparkline(line, columns, most), colours);
            let _ = write!(told, "{name:<label$} {drawn}");
        }
        told.push('\n');
    }
    let end = courses.iter().map(|course| course.length).max();
    let end = axis::time(end.unwrap_or_default().as_secs_f64());
    let columns = columns.saturating_sub(end.len());
    let _ = writeln!(told, "{:label$} {:<columns$}{end}", "", "0");
    told
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "parts of a few thousand, never negative"
)]
fn sparkline(line: &[(f64, f64)], columns: usize, most: f64) -> Buffer {
    const FULL: u16 = 8000;
    let numbers: Vec<f64> = line.iter().map(|(_, number)| *number).collect();
    let part = |number: f64| (number / most.max(1e-9) * f64::from(FULL)) as u64;
    let data: Vec<u64> = spread(&numbers, columns).into_iter().map(part).collect();
    let area = Rect::new(0, 0, u16::try_from(columns).unwrap_or(WIDEST), 1);
    let mut buffer = Buffer::empty(area);
    let line = Sparkline::default().data(data).max(FULL.into());
    line.style(Style::new().fg(BLUE)).render(area, &mut buffer);
    buffer
}

/// What was drawn, line by line, in colours if they are welcome.
fn text(buffer: &Buffer, colours: bool) -> String {
    let mut told = String::new();
    for row in buffer.content.chunks(usize::from(buffer.area.width.max(1))) {
        let plain: String = row.iter().map(Cell::symbol).collect();
        let length = plain.trim_end().chars().count();
        let mut present = Color::Reset;
        for cell in row.iter().take(length) {
            if colours && cell.fg != present {
                present = cell.fg;
                match present {
                    Color::Indexed(n) => write!(told, "\x1b[38;5;{n}m"),
                    _ => write!(told, "\x1b[39m"),
                }
                .expect("a string takes everything");
            }
            told.push_str(cell.symbol());
        }
        told.push_str(if present == Color::Reset {
            "\n"
        } else {
            "\x1b[39m\n"
        });
    }
    told
}
