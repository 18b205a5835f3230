//! Draws the figures of a report into files.

use std::path::{Path, PathBuf};

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::drawing::IntoDrawingArea;

use super::axis::PointAxis;
use super::canvas::{Canvas, Medium};
use super::curves::CurveFigure;
use super::figure::{Figure, Heading};
use super::score::ScoreFigure;
use crate::error::{Error, Result};
use crate::experiment::{CostAxis, ReportSpec};
use crate::report::axes::Axes;
use crate::report::frame::PlanFrames;
use crate::report::input::ReportInput;
use crate::report::quantity::Quantity;
use crate::report::statistics::Summary;
use crate::report::write;

/// Device pixels per logical pixel in the files, for print and dense screens.
const SCALE: u32 = 2;
/// Pixels are drawn this many times finer and then averaged, since plotters does not smooth polygons.
const OVERSAMPLING: u32 = 2;

/// Every figure that a report may have.
const STEMS: [&str; 4] = ["score", "curves", "tasks", "measures"];

/// Draws every figure that the records have data for. Appends the paths of the files and returns stems and
/// captions.
pub fn draw_all(
    input: &ReportInput,
    axes: &Axes,
    summary: &Summary,
    frames: &PlanFrames,
    files: &mut Vec<PathBuf>,
) -> Result<Vec<(&'static str, String)>> {
    let mut figures = Vec::new();
    let heading = heading(input, summary, frames.trials.height());
    let axis = point_axis(&input.experiment.report, axes, summary);
    let swept = axes.x_path.as_deref().unwrap_or("the base configuration");
    let x = if axis.steps_aside { swept } else { "pre-training FLOPs of the final checkpoint" };
    let bars = bars(summary);
    if let Some(y) = summary.y {
        let figure = ScoreFigure {
            heading: &heading,
            axis: &axis,
            summary,
            quantities: vec![y],
            panel_size: (700.0, 420.0),
        };
        save(&figure, input.out, "score", files)?;
        let label = summary.y_quantity().map_or("", |quantity| quantity.label.as_str());
        figures.push(("score", format!("{label} over {x}: mean{bars}.")));
    }
    if let Some(figure) = CurveFigure::new(&heading, axes, &frames.metrics, summary)? {
        save(&figure, input.out, "curves", files)?;
        figures.push((
            "curves",
            format!("Pre-training, one line per value of {swept}: mean over seeds, single seeds thin."),
        ));
    }
    for (stem, is_shown, what) in [
        ("tasks", (|quantity| quantity.task().is_some()) as fn(&Quantity) -> bool, "Each task"),
        ("measures", Quantity::is_zero_shot, "Each measure without fine-tuning"),
    ] {
        let is_it = |index: &usize| summary.quantities.get(*index).is_some_and(is_shown);
        let quantities: Vec<usize> = (0..summary.quantities.len()).filter(is_it).collect();
        if quantities.len() > 1 || quantities.first().is_some_and(|only| Some(*only) != summary.y) {
            let figure = ScoreFigure {
                heading: &heading,
                axis: &axis,
                summary,
                quantities,
                panel_size: (350.0, 280.0),
            };
            save(&figure, input.out, stem, files)?;
            figures.push((stem, format!("{what} over {x}: mean{bars}.")));
        }
    }
    Ok(figures)
}

/// The x axis of the scores: a cost if the report asks for it and some record has it, else the swept value.
fn point_axis(report: &ReportSpec, axes: &Axes, summary: &Summary) -> PointAxis {
    let (costs, counter): (Vec<Option<f64>>, &str) = match report.cost_axis() {
        Some(CostAxis::Flops) => (summary.points.iter().map(|point| point.flops).collect(), "exact counter"),
        Some(CostAxis::FlopsPaper) => {
            (summary.points.iter().map(|point| point.flops_paper).collect(), "the paper's counter")
        }
        None => (Vec::new(), ""),
    };
    match costs.iter().any(Option::is_some) {
        true => PointAxis::of_cost(axes, &costs, counter),
        false => PointAxis::of_sweep(axes, report.log_x),
    }
}

/// What the error bars mean, with their number of seeds.
fn bars(summary: &Summary) -> String {
    let spreads =
        || summary.points.iter().flat_map(|point| &point.cells).filter_map(|cell| cell.spread.as_ref());
    let with_bar = || spreads().filter(|spread| spread.sd.is_some()).map(|spread| spread.n);
    match (with_bar().min(), with_bar().max()) {
        (Some(least), Some(most)) => {
            let n = if least == most { least.to_string() } else { format!("{least} to {most}") };
            format!(", bars: standard deviation over pre-training seeds (n = {n})")
        }
        _ => " of one pre-training seed".into(),
    }
}

/// The files of every figure that a report may have.
pub fn file_names() -> impl Iterator<Item = String> {
    STEMS.iter().flat_map(|stem| ["svg", "png"].map(|ending| format!("{stem}.{ending}")))
}

fn heading(input: &ReportInput, summary: &Summary, n_done: usize) -> Heading {
    let mut subtitle = format!(
        "{}, {}, {n_done} of {} trials",
        input.experiment.name,
        input.request.profile_text(),
        input.trials.len()
    );
    if summary.synthetic {
        subtitle.push_str(" · synthetic data: the built-in language");
    }
    Heading { title: input.experiment.about.clone(), subtitle }
}

fn save(figure: &impl Figure, out: &Path, stem: &str, files: &mut Vec<PathBuf>) -> Result<()> {
    files.push(write::bytes(out, &format!("{stem}.svg"), svg(figure)?.as_bytes())?);
    let ((width, height), pixels) = png_pixels(figure)?;
    files.push(write::replace(out, &format!("{stem}.png"), |temporary| {
        let unwritten = |error: &dyn std::fmt::Display| Error::storage(temporary, "write", error);
        let mut backend = BitMapBackend::new(temporary, (width, height));
        backend.blit_bitmap((0, 0), (width, height), &pixels).map_err(|error| unwritten(&error))?;
        backend.present().map_err(|error| unwritten(&error))
    })?);
    Ok(())
}

fn device_size(figure: &impl Figure, scale: u32) -> (u32, u32) {
    let (width, height) = figure.size();
    (width.ceil() as u32 * scale, height.ceil() as u32 * scale)
}

fn svg(figure: &impl Figure) -> Result<String> {
    let size = device_size(figure, SCALE);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let canvas = Canvas::new(area, f64::from(SCALE), Medium::Vector)?;
        figure.draw(&canvas)?;
        canvas.present()?;
    }
    // Coordinates are whole numbers, so the drawing is larger than the image, which keeps its logical size.
    let drawn = format!("<svg width=\"{}\" height=\"{}\"", size.0, size.1);
    Ok(text.replacen(&drawn, &format!("<svg width=\"{}\" height=\"{}\"", size.0 / SCALE, size.1 / SCALE), 1))
}

/// Size and pixels of the image: red, green and blue of each pixel.
fn png_pixels(figure: &impl Figure) -> Result<((u32, u32), Vec<u8>)> {
    let fine = device_size(figure, SCALE * OVERSAMPLING);
    let mut buffer = vec![255u8; fine.0 as usize * fine.1 as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut buffer, fine).into_drawing_area();
        let canvas = Canvas::new(area, f64::from(SCALE * OVERSAMPLING), Medium::Raster)?;
        figure.draw(&canvas)?;
        canvas.present()?;
    }
    Ok((
        (fine.0 / OVERSAMPLING, fine.1 / OVERSAMPLING),
        average(&buffer, fine.0 as usize, OVERSAMPLING as usize),
    ))
}

/// Averages squares of `side` × `side` pixels of an image that is `width` wide.
fn average(pixels: &[u8], width: usize, side: usize) -> Vec<u8> {
    let mut averaged = Vec::with_capacity(pixels.len() / (side * side));
    for rows in pixels.chunks_exact(width * 3 * side) {
        let mut sums = vec![0u32; width / side * 3];
        for row in rows.chunks_exact(width * 3) {
            for (block, sum) in row.chunks_exact(3 * side).zip(sums.chunks_exact_mut(3)) {
                for pixel in block.chunks_exact(3) {
                    for (total, channel) in sum.iter_mut().zip(pixel) {
                        *total += u32::from(*channel);
                    }
                }
            }
        }
        averaged.extend(sums.into_iter().map(|sum| (sum / (side * side) as u32) as u8));
    }
    averaged
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::report::fixture::Fixture;

    #[test]
    fn averaging_keeps_places_and_channels() {
        // Blocks of two by two pixels.
        let row = [0, 0, 0, 200, 0, 0, 10, 20, 30, 10, 20, 30];
        let pixels = [row, row].concat();
        assert_eq!(average(&pixels, 4, 2), [100, 0, 0, 10, 20, 30]);
    }

    /// Two algorithms with two budgets each, over FLOPs.
    #[test]
    fn a_cost_axis_joins_the_budgets_of_an_algorithm() {
        use serde_json::json;
        let point = |kind: &str, steps: u64| {
            vec![("objective.kind".to_string(), json!(kind)), ("train.steps".to_string(), json!(steps))]
        };
        let points = vec![point("mlm", 200), point("rtd", 200), point("mlm", 800), point("rtd", 800)];
        let report =
            ReportSpec { x: "flops".into(), series: "objective.kind".into(), ..ReportSpec::default() };
        let fixture = Fixture::of(points, &[1, 2], report);
        for trial in &fixture.trials {
            let mut outcome = crate::report::fixture::outcome(trial);
            outcome.flops =
                1e15 * outcome.steps as f64 * if trial.spec.objective.kind() == "mlm" { 1.0 } else { 1.3 };
            fixture.write(trial, &outcome);
        }
        fixture.build().unwrap();
        let svg = fs::read_to_string(fixture.out().join("score.svg")).unwrap();
        for text in
            ["Pre-training FLOPs (exact counter, log scale)", "objective rtd", "objective mlm", "5·10¹⁷"]
        {
            assert!(svg.contains(text), "score.svg lacks {text}");
        }
        let page = fs::read_to_string(fixture.out().join("report.md")).unwrap();
        assert!(
            page.contains("over pre-training FLOPs of the final checkpoint: mean, bars: standard deviation")
        );
    }

    #[test]
    fn figures_carry_their_words_and_sizes() {
        let fixture = Fixture::new();
        fixture.build().unwrap();
        let svg = fs::read_to_string(fixture.out().join("score.svg")).unwrap();
        for text in
            ["Does a generator", "synthetic data", "mean of cola, rte × 100", "0.25", "majority class"]
        {
            assert!(svg.contains(text), "score.svg lacks {text}");
        }
        assert!(svg.starts_with("<svg width=\"720\""), "{}", &svg[..60]);
        let curves = fs::read_to_string(fixture.out().join("curves.svg")).unwrap();
        assert!(curves.contains("Training loss") && curves.contains("pre-training steps"));
        let tasks = fs::read_to_string(fixture.out().join("tasks.svg")).unwrap();
        assert!(tasks.contains("cola (matthews)") && tasks.contains("rte (accuracy)"));

        let png = fs::read(fixture.out().join("score.png")).unwrap();
        assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
        assert_eq!(u32::from_be_bytes(png[16..20].try_into().unwrap()), 1440);
    }

    /// The controls are lines with names; a sweep over encoders has the line of its own encoder at each
    /// point.
    #[test]
    fn figures_show_the_controls() {
        let mut fixture = Fixture::with_controls();
        fixture.experiment.report.y = "pairs.language.disc_sum".into();
        fixture.build().unwrap();
        let read = |name: &str| fs::read_to_string(fixture.out().join(name)).unwrap();
        for text in
            ["untrained (band: ± sd)", "chance", "trigram", "accuracy on language pairs (disc_sum, %)"]
        {
            assert!(read("score.svg").contains(text), "score.svg lacks {text}");
        }
        assert!(read("measures.svg").contains("probe cola"));
        assert!(read("tasks.svg").contains("bag of words"));
        let curves = read("curves.svg");
        assert!(curves.contains("AUC") && curves.contains("ceiling") && !curves.contains("untrained"));
        let fixture = Fixture::with_widths();
        assert_eq!(fixture.summary().controls.untrained.len(), 2);
        let lines = super::super::reference::references(&fixture.summary(), 0);
        let points: Vec<Option<usize>> = lines.iter().map(|line| line.point).collect();
        // The majority class and the bag of words stand beside all points.
        assert_eq!(points, [Some(0), Some(1), Some(2), Some(3), None, None]);
        fixture.build().unwrap();
        let page = fs::read_to_string(fixture.out().join("report.md")).unwrap();
        assert!(page.contains("| untrained, hidden 64 "), "{page}");
    }
}
