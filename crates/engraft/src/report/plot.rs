//! The report's plots as SVG text, sized by their view box so that the page decides the width.

use plotters::prelude::*;

/// A named line or point set; `colour` is an index into the page's palette.
#[derive(Clone, Debug)]
pub struct Series {
    pub colour: usize,
    pub points: Vec<(f64, f64)>,
}

/// A measured point with its intervals.
#[derive(Clone, Debug)]
pub struct Estimate {
    pub colour: usize,
    pub label: String,
    pub x: (f64, f64, f64),
    pub y: (f64, f64, f64),
}

/// The palette, colour-blind safe (Okabe and Ito); the page's legend uses the same.
pub const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

/// A palette colour as CSS.
pub fn css(colour: usize) -> String {
    let RGBColor(r, g, b) = PALETTE[colour % PALETTE.len()];
    format!("rgb({r},{g},{b})")
}

const SIZE: (u32, u32) = (560, 360);
const INK: RGBColor = RGBColor(70, 76, 84);
const GRID: RGBColor = RGBColor(226, 229, 233);

type Drawn = Result<String, Box<dyn std::error::Error>>;

/// Lines over steps, the vertical axis logarithmic: losses fall over orders of magnitude.
pub fn curves(series: &[Series], x_label: &str, y_label: &str) -> Drawn {
    let points = || series.iter().flat_map(|line| line.points.iter().copied());
    let x_end = points().map(|(x, _)| x).fold(1.0, f64::max);
    let positive = || points().map(|(_, y)| y).filter(|y| *y > 0.0);
    let low = positive().fold(f64::INFINITY, f64::min);
    if !low.is_finite() {
        return Ok(String::new());
    }
    let high = positive().fold(low, f64::max);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..x_end, (low * 0.8..high * 1.25).log_scale())?;
        chart
            .configure_mesh()
            .x_desc(x_label)
            .y_desc(y_label)
            .axis_style(INK.stroke_width(1))
            .bold_line_style(GRID.stroke_width(1))
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 15, &INK))
            .axis_desc_style(("sans-serif", 16, &INK))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| short(*y))
            .draw()?;
        for line in series {
            let colour = PALETTE[line.colour % PALETTE.len()];
            let visible = line.points.iter().copied().filter(|(_, y)| *y > 0.0);
            chart.draw_series(LineSeries::new(visible, colour.stroke_width(2)))?;
        }
        root.present()?;
    }
    Ok(responsive(svg))
}

/// Estimates with interval crosses, both axes from 0 to 1.
pub fn estimates(points: &[Estimate], x_label: &str, y_label: &str) -> Drawn {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(16)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(-0.03..1.06f64, -0.03..1.06f64)?;
        chart
            .configure_mesh()
            .x_desc(x_label)
            .y_desc(y_label)
            .x_labels(6)
            .y_labels(6)
            .axis_style(INK.stroke_width(1))
            .bold_line_style(GRID.stroke_width(1))
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 15, &INK))
            .axis_desc_style(("sans-serif", 16, &INK))
            .x_label_formatter(&|x| format!("{:.0} %", x * 100.0))
            .y_label_formatter(&|y| format!("{:.0} %", y * 100.0))
            .draw()?;
        for point in points {
            let colour = PALETTE[point.colour % PALETTE.len()];
            let (x, y) = (point.x.1, point.y.1);
            let cross = [
                vec![(point.x.0, y), (point.x.2, y)],
                vec![(x, point.y.0), (x, point.y.2)],
            ];
            for line in cross {
                chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
            }
            chart.draw_series([Circle::new((x, y), 7, colour.filled())])?;
            let side = if x > 0.7 {
                -(point.label.len() as i32) * 8 - 14
            } else {
                14
            };
            let style = TextStyle::from(("sans-serif", 16).into_font()).color(&INK);
            chart.draw_series([
                EmptyElement::at((x, y)) + Text::new(point.label.clone(), (side, -24), style)
            ])?;
        }
        root.present()?;
    }
    Ok(responsive(svg))
}

/// A number short enough for an axis.
fn short(value: f64) -> String {
    if value >= 0.1 {
        format!("{value:.1}")
    } else {
        format!("{value:.0e}")
    }
}

/// Fixed pixel sizes replaced by the view box alone.
fn responsive(svg: String) -> String {
    svg.replacen(
        &format!("width=\"{}\" height=\"{}\" ", SIZE.0, SIZE.1),
        "",
        1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_without_positive_values_draws_nothing_and_others_draw_a_line() {
        let flat = Series {
            colour: 0,
            points: vec![(0.0, 0.0), (1.0, 0.0)],
        };
        assert_eq!(curves(&[flat], "step", "loss").unwrap(), "");
        let falling = Series {
            colour: 0,
            points: vec![(0.0, 5.0), (9.0, 0.1)],
        };
        let svg = curves(&[falling], "step", "loss").unwrap();
        assert!(svg.contains("polyline") && svg.contains("viewBox"));
        assert!(!svg.contains("width=\"560\""));
    }
}
