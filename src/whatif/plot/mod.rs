//! One picture of all runs, as SVG: load, replicas, queue and panic over time. One run has its
//! panels below each other; of several, each has a row, on common scales, so that they compare.

mod paint;
mod panel;

use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

use self::panel::Panel;
use super::axis::Scale;
use super::course::{Course, Quantity, courses, shared};
use super::run::Run;
use super::summary::{Summary, short_number, short_time};
use crate::config::{Complaint, Origin};
use crate::counting::count;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// The quantities of a row, from cause to effect.
const QUANTITIES: [Quantity; 3] = [Quantity::Load, Quantity::Ready, Quantity::Waiting];

const HEAD: u32 = 78;
const ALONE: (u32, u32) = (1000, 780);
const WIDTH: u32 = 1320;
const ROW: u32 = 150;
/// What the marks below the last row need.
const FOOT: u32 = panel::MARKS - panel::BARE;
/// A line of words.
const TITLE: u32 = 22;

/// Whether a picture can be written there.
///
/// # Errors
/// It is to be of another kind.
pub fn check(path: &Path) -> Result<(), Complaint> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    if ending.is_some_and(|ending| ending.eq_ignore_ascii_case("svg")) {
        return Ok(());
    }
    let shown = path.display();
    Err(Complaint {
        origin: Origin::Flag("--plot".to_owned()),
        path: String::new(),
        message: format!("wanted a file that ends in .svg, not {shown}"),
    })
}

/// The picture of all runs, with this as its subtitle.
///
/// # Errors
/// It cannot be drawn.
pub fn picture(runs: &[Run], about: &str) -> io::Result<String> {
    let mut svg = String::new();
    let courses = courses(runs, 600);
    let length = courses.iter().map(|course| course.length).max();
    let time = Scale::time(length.unwrap_or_default().as_secs_f64().max(1.0), 8);
    let shared = shared(runs);
    let about = if shared.is_empty() {
        about.to_owned()
    } else {
        format!("{about}  ({shared})")
    };
    let drawn = match &courses[..] {
        [one] => draw_one(&mut svg, one, time, &about),
        several => {
            let what = if runs.len() == 1 { "revisions" } else { "runs" };
            let title = format!("{} {what} on the same scales", several.len());
            draw_rows(&mut svg, several, time, [&title, &about])
        }
    };
    drawn.map_err(|error| io::Error::other(error.to_string()))?;
    Ok(svg)
}

fn draw_one(svg: &mut String, course: &Course, time: Scale, about: &str) -> Drawn {
    let root = SVGBackend::with_string(svg, ALONE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEAD);
    let title = format!("{}: {}", course.name, result(&course.summary));
    paint::head(&head, &title, about)?;
    let areas = body.margin(0, 8, 8, 24).split_evenly((3, 1));
    for (quantity, area) in QUANTITIES.into_iter().zip(areas) {
        let (title, area) = area.split_vertically(TITLE);
        paint::title(&title, quantity.title())?;
        let panel = Panel {
            course,
            quantity,
            time,
            top: top(quantity, std::slice::from_ref(course)),
            shows_time: true,
            stroke: 2,
        };
        panel.draw(&area)?;
    }
    root.present()
}

fn draw_rows(
    svg: &mut String,
    courses: &[Course],
    time: Scale,
    [title, about]: [&str; 2],
) -> Drawn {
    let rows = count(courses.len());
    let height = HEAD + TITLE + rows * ROW + FOOT;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, rest) = root.split_vertically(HEAD);
    paint::head(&head, title, about)?;
    let (titles, mut rest) = rest.margin(0, 0, 8, 24).split_vertically(TITLE);
    for (quantity, area) in QUANTITIES.into_iter().zip(titles.split_evenly((1, 3))) {
        paint::title(&area, quantity.title())?;
    }
    for (i, course) in (1..).zip(courses) {
        let is_last = i == rows;
        let (row, below) = rest.split_vertically(if is_last { ROW + FOOT } else { ROW });
        rest = below;
        draw_row(&row, course, courses, time, is_last)?;
    }
    root.present()
}

fn draw_row(
    row: &Area<'_>,
    course: &Course,
    all: &[Course],
    time: Scale,
    shows_time: bool,
) -> Drawn {
    let (name, panels) = row.split_vertically(TITLE);
    paint::row_head(&name, &course.name, &result(&course.summary))?;
    for (quantity, area) in QUANTITIES.into_iter().zip(panels.split_evenly((1, 3))) {
        let panel = Panel {
            course,
            quantity,
            time,
            top: top(quantity, all),
            shows_time,
            stroke: 1,
        };
        panel.draw(&area)?;
    }
    Ok(())
}

/// The scale on which a quantity of all of them has room.
fn top(quantity: Quantity, courses: &[Course]) -> Scale {
    let both = match quantity {
        Quantity::Ready => [Quantity::Ready, Quantity::Desired],
        other => [other; 2],
    };
    let most = courses
        .iter()
        .flat_map(|course| both.map(|quantity| quantity.most(course)));
    Scale::new(most.fold(0.0, f64::max), 4)
}

fn result(summary: &Summary) -> String {
    let refused = match summary.rejected {
        0 => String::new(),
        count => format!(", {count} rejected"),
    };
    let wait = summary.wait.as_ref().map_or_else(
        || "nobody got a slot".to_owned(),
        |wait| {
            let (p50, p99) = (short_time(wait.p50_seconds), short_time(wait.p99_seconds));
            format!("wait p50 {p50}, p99 {p99}")
        },
    );
    let hours = short_number(summary.replica_hours);
    format!("{wait}{refused}, {hours} replica-hours")
}
